"""`python -m notemill`: the commands, or one message where the environment is missing."""

from __future__ import annotations

import sys

from notemill.environment import without_environment


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand; returns the exit status."""
    if sys.version_info < (3, 11):  # noqa: UP036
        print(without_environment("version 3.11"), file=sys.stderr)
        return 1
    try:
        from notemill.cli import commands  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "notemill").startswith("notemill"):
            raise
        print(without_environment(f"package '{error.name}'"), file=sys.stderr)
        return 1
    return commands.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
