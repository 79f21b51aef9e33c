"""What `notemill check --database` finds on a real server, as its user or another account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.servers.clinic import ServerClinic
from tests.servers.mariadb import MariaDB
from tests.servers.postgres import Postgres
from tests.unit.check.conftest import Checked, Found

NARROW = "narrow"
"""The account that a test gives few rights."""
_SECRET = "narrow-secret"


class Site(Checked):
    """A clinic on the server, with texts for ids, and one shard."""

    def __init__(
        self, server: MariaDB | Postgres, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        super().__init__(ServerClinic(server, folder, "VARCHAR(20)"), capsys)
        self.server: Any = server
        self.postgres = isinstance(server, Postgres)
        self.cohort["shards"] = 1

    def found(self, *arguments: str) -> Found:
        found = super().found("--database", *arguments)
        assert self.server.password not in self.told
        assert _SECRET not in self.told
        return found

    def refusals(self) -> list[str]:
        """What is refused, in words."""
        return [each["what"] for each in self.found() if each["level"] == "refusal"]

    def state(self) -> dict[str, Any]:
        """Every table with its definition and rows, and what tells of changes that were undone."""
        if self.postgres:
            tables = self.clinic.rows(
                "SELECT relname, oid, xmin::text, relfilenode FROM pg_class "
                "WHERE relnamespace = 'public'::regnamespace ORDER BY relname"
            )
            names = [name for (name,) in self.clinic.rows("SELECT tablename FROM pg_tables "
                     "WHERE schemaname = 'public'")]  # fmt: skip
            rows = "SELECT ctid::text, xmin::text, xmax::text, t.* FROM {} AS t"
            return {"tables": tables} | {
                name: sorted(self.clinic.rows(rows.format(name)), key=repr) for name in names
            }
        changed = self.server.execute(
            "SELECT VARIABLE_NAME, VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE "
            "VARIABLE_NAME IN ('HANDLER_DELETE', 'HANDLER_UPDATE', 'INNODB_ROWS_INSERTED', "
            "'INNODB_ROWS_UPDATED', 'INNODB_ROWS_DELETED') ORDER BY 1"
        )
        state: dict[str, Any] = {"changes": changed}
        for (table,) in self.server.execute("SHOW TABLES IN clinical"):
            made = self.server.execute(f"SHOW CREATE TABLE clinical.{table}")
            rows_of = self.server.execute(f"SELECT * FROM clinical.{table}")
            state[table] = (made, sorted(rows_of, key=repr))
        return state

    def account(self, rights: Mapping[str, Iterable[str]], *, temporary: bool = True) -> None:
        """Be another account, which reads `notes` and has these rights on tables alone.

        temporary: whether it may make temporary tables too.
        """
        self.forget_account()
        execute = self.server.execute
        if self.postgres:
            self._in_clinical("REVOKE TEMPORARY ON DATABASE clinical FROM PUBLIC")
            execute(f"CREATE ROLE {NARROW} LOGIN PASSWORD '{_SECRET}'")
            self._in_clinical(f"GRANT USAGE ON SCHEMA public TO {NARROW}")
            if temporary:
                self._in_clinical(f"GRANT TEMPORARY ON DATABASE clinical TO {NARROW}")
        else:
            execute(f"CREATE USER {NARROW} IDENTIFIED BY '{_SECRET}'")
            if temporary:
                execute(f"GRANT CREATE TEMPORARY TABLES ON clinical.* TO {NARROW}")
        for table, verbs in {"notes": ["SELECT"], **rights}.items():
            on = table if self.postgres else f"clinical.{table}"
            self._in_clinical(f"GRANT {', '.join(verbs)} ON {on} TO {NARROW}")
        self.log_in(NARROW, _SECRET)

    def forget_account(self) -> None:
        """Take it away, if there is one."""
        if not self.postgres:
            self.server.execute(f"DROP USER IF EXISTS {NARROW}")
        elif self.server.execute(f"SELECT 1 FROM pg_roles WHERE rolname = '{NARROW}'"):
            self._in_clinical(f"DROP OWNED BY {NARROW}")
            self.server.execute(f"DROP ROLE {NARROW}")
            self._in_clinical("GRANT TEMPORARY ON DATABASE clinical TO PUBLIC")

    def log_in(self, user: str, password: str) -> None:
        """Be this account from now on."""
        path = self.folder / "account"
        path.touch(mode=0o600)
        if self.postgres:
            path.write_text(f"*:*:*:{user}:{password}\n")
            url = self.server.url(passfile=str(path)).replace(f"{self.server.user}@", f"{user}@")
            self.values["database"]["url"] = url
        else:
            path.write_text(f"[client]\nuser = {user}\npassword = {password}\n")
            self.values["database"]["option_file"] = str(path)

    def only_reads(self, switch: bool) -> None:
        """Let the server, or of PostgreSQL the account, take no changes; or take them again."""
        if self.postgres:
            self.server.execute(f"ALTER ROLE {NARROW} SET default_transaction_read_only = {switch}")
        else:
            self.server.execute(f"SET GLOBAL read_only = {switch}")

    def _in_clinical(self, statement: str) -> None:
        if self.postgres:
            self.server.execute(statement, self.server.database)
        else:
            self.server.execute(statement)
