"""The command line: `serve` and `--version`; Ollama's server has no flags."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from .faults import Faults
from .server import serve
from .settings import Settings, StartError


def main(arguments: list[str]) -> NoReturn:
    """Do what the arguments say; ends the process."""
    flags = [word for word in arguments if word.startswith("-")]
    try:
        faults = Faults.read(os.environ.get("STANDIN_FAULTS"))
        if arguments == ["--version"]:
            print(f"ollama version is {Settings.version_of(os.environ, faults)}")
            sys.exit(0)
        if flags:
            raise StartError(f"unknown flag: {flags[0]}")
        if arguments != ["serve"]:
            raise StartError(f'unknown command "{" ".join(arguments)}" for "ollama"')
        serve(Settings.read(os.environ, faults), faults)
    except (StartError, OSError, ValueError) as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)
    sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
