"""The demo: what `make demo` needs beside the workflow itself."""
