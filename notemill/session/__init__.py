"""notemill in Python: a DataFrame of notes in, the same with answers out (docs/session.md)."""

from notemill.session.session import Session

__all__ = ["Session"]
