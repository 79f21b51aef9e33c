"""The one refusal that time may mend."""

from __future__ import annotations

from notemill.errors import NotemillError


class DatabaseAway(NotemillError):
    """The database can't be reached now, or ended the connection: at another time it may do."""
