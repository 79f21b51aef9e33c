"""notemill: clinical notes through a local language model on a Slurm cluster, and back to MySQL."""

__version__ = "0.1.0"

TYPE_CHECKING = False  # as typing's, whose import every job would pay for
if TYPE_CHECKING:
    from notemill.session import Session as Session
else:

    def __getattr__(name):
        """`notemill.Session`, imported when it is asked for: it needs pandas and the engines."""
        if name == "Session":
            from importlib import import_module  # noqa: PLC0415

            return import_module("notemill.session").Session
        raise AttributeError(f"module 'notemill' has no attribute '{name}'")
