"""`database`: where the notes are and where the answers go."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from notemill.config.base import Section, UserPath

PASSWORD_VARIABLE = "NOTEMILL_DATABASE_PASSWORD"
"""Environment variable with the password, for those who have no option file."""


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
        "or sqlite:///path/to/file.sqlite."
    )
    option_file: UserPath | None = Field(
        None,
        description="MySQL option file with user and password (mode 0600), such as ~/.my.cnf.",
    )
    option_group: str = Field("client", description="The group of the option file to read.")
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

    @field_validator("url")
    @classmethod
    def _known_driver_and_no_password(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("mysql+pymysql", "sqlite"):
            raise ValueError(
                f"starts with '{parts.scheme}'; write mysql+pymysql://... for MySQL and MariaDB, "
                "or sqlite:///... for a file"
            )
        # SQLAlchemy's own reading of a URL, in which a password may hold a slash.
        if re.match(r"[^:]+://[^:/]*:[^@]*@", url) or re.search(r"[?&]passw(or)?d=", url):
            raise ValueError(
                "holds a password; take it out and put it into the option file "
                f"(`option_file`, mode 0600) or into the environment variable {PASSWORD_VARIABLE}"
            )
        return url
