"""`database`: where the notes are and where the answers go."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, field_validator, model_validator

from notemill.config.base import Section, SqlName, UserPath

PASSWORD_VARIABLE = "NOTEMILL_DATABASE_PASSWORD"
"""Environment variable with the password, for those who have no option file."""
PASSWORD_VARIABLES = (PASSWORD_VARIABLE, "PGPASSWORD")
"""All that hold one; the latter is read by PostgreSQL's own library."""
POSTGRESQL = "postgresql+psycopg"
_SECONDS = {"s": 1, "m": 60, "h": 3600}
Duration = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,4}[smh]$")]
"""A number of seconds, minutes or hours."""
_SCHEMES = ("mysql+pymysql", POSTGRESQL, "sqlite")


class Tls(Section):
    """TLS or no connection; the server's certificate is always checked."""

    ca: UserPath | None = Field(
        None,
        description="The authority's certificate (PEM); empty: the system's authorities.",
    )
    cert: UserPath | None = Field(None, description="Your own certificate (PEM), where asked for.")
    key: UserPath | None = Field(None, description="The key of your certificate (PEM).")
    verify_identity: bool = Field(
        True,
        description="Check that the server's certificate carries the server's name; false needs "
        "`ca`.",
    )

    @model_validator(mode="after")
    def _something_is_checked(self) -> Tls:
        if not self.verify_identity and not self.ca:
            raise ValueError(
                "verify_identity: false without ca accepts every server that has any certificate; "
                "name your database's authority as ca"
            )
        if self.key and not self.cert:
            raise ValueError("key without cert; name your certificate as cert")
        return self


class Database(Section):
    """How to reach the database. Never holds a password."""

    url: str = Field(
        description="SQLAlchemy URL without a password: mysql+pymysql://[user@]host[:port]/name, "
        "postgresql+psycopg://[user@]host[:port]/name (or :///?service=NAME), or "
        "sqlite:///path/to/file.sqlite."
    )
    option_file: UserPath | None = Field(
        None,
        description="MySQL option file with user and password (mode 0600), such as ~/.my.cnf.",
    )
    option_group: str = Field("client", description="The group of the option file to read.")
    schemas: list[SqlName] = Field(
        [],
        description="PostgreSQL: schemas in which tables without one are looked for (search_path); "
        "new tables are made in the first. Empty: as your account has it.",
    )
    tls: Tls | None = Field(
        None,
        description="Speak TLS alone and check the server's certificate ({} with the system's "
        "authorities); without this section TLS is used where the server has it, unchecked.",
    )
    reached_from: Literal["login", "compute"] = Field(
        "login",
        description="Where extract, tables and load run: on the login node, or as Slurm jobs on "
        "compute nodes that reach the database.",
    )

    wait: Duration = Field(
        "15m",
        description="How long extract, tables, load and evaluate wait for a database that can't be "
        "reached or goes away, such as 90s, 15m or 2h; 0s: not at all.",
    )

    @property
    def wait_s(self) -> int:
        """`wait` in seconds."""
        return int(self.wait[:-1]) * _SECONDS[self.wait[-1]]

    @property
    def dialect(self) -> str:
        """What speaks there, as SQLAlchemy calls it: mysql, postgresql or sqlite."""
        return urlsplit(self.url).scheme.partition("+")[0]

    @field_validator("url")
    @classmethod
    def _known_driver_and_no_password(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES:
            raise ValueError(
                f"starts with '{parts.scheme}'; write mysql+pymysql://... for MySQL and MariaDB, "
                f"{POSTGRESQL}://... for PostgreSQL, or sqlite:///... for a file"
            )
        # SQLAlchemy's own reading of a URL, in which a password may hold a slash.
        if re.match(r"[^:]+://[^:/]*:[^@]*@", url) or re.search(r"[?&](ssl)?passw(or)?d=", url):
            place = (
                "~/.pgpass (mode 0600)"
                if parts.scheme == POSTGRESQL
                else "the option file (`option_file`, mode 0600)"
            )
            raise ValueError(
                f"holds a password; take it out and put it into {place} or into the environment "
                f"variable {PASSWORD_VARIABLE}"
            )
        return url

    @model_validator(mode="after")
    def _each_in_its_own_words(self) -> Database:
        postgres = self.url.startswith(f"{POSTGRESQL}:")
        if postgres and self.option_file:
            raise ValueError(
                "option_file is MySQL's; PostgreSQL's password stands in ~/.pgpass (mode 0600), or "
                "name a service (url: postgresql+psycopg:///?service=NAME)"
            )
        if postgres and self.tls is not None and re.search(r"[?&]ssl\w+=", self.url):
            raise ValueError("url has words of TLS (ssl...) beside the section tls; keep one")
        return self
