#!/bin/sh
# The machine's Python inside the site, whose C library is another: run it with its own loader.
exec @LOADER@ --argv0 "$0" --library-path @LIBRARIES@ @PYTHON@ "$@"
