"""A real PostgreSQL for tests, in a temporary folder and on a port of its own.

    with Postgres() as server:
        connection = server.connect()

Needs Debian's `postgresql`; touches neither the system's clusters nor its services. Runs as root
(the server then as user postgres) and as an ordinary user.
"""

import os
import secrets
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, cast

import psutil
import psycopg

from tests.certificate import make_certificate
from tests.servers.daemon import Daemon, ServerFailed, free_port, tail, wait_until

PACKAGES = ("postgresql",)
START_SECONDS = 180


class Postgres:
    """A running server with the empty database `clinical`, which one user owns."""

    user = "notemill"
    database = "clinical"
    schema = "public"
    host = "127.0.0.1"
    notes_table = "CREATE TABLE notes (visit {visit}, note TEXT)"

    def __init__(self, *settings: str) -> None:
        """`settings` are further ones of the server, such as `ssl=on`."""
        self.settings = settings
        self.port = free_port()
        self.password = secrets.token_urlsafe(12)
        self._administrators_password = secrets.token_urlsafe(12)
        self._daemon: Daemon | None = None

    def __enter__(self) -> Self:
        # Not pytest's folder: see MariaDB.
        self.folder = Path(tempfile.mkdtemp(prefix="notemill-pg-"))
        try:
            self._initialise()
            self.start()
            self.execute(f"CREATE ROLE {self.user} LOGIN PASSWORD '{self.password}'")
            self.execute(f"CREATE DATABASE {self.database} OWNER {self.user}")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def start(self) -> None:
        """Start the server and wait until it takes queries."""
        settings = (
            f"listen_addresses={self.host}",
            f"port={self.port}",
            f"unix_socket_directories={self.folder}",
            # Commits survive a kill of the server, not a power cut: a test wants no more.
            "fsync=off",
            "shared_buffers=32MB",
            *self.settings,
        )
        options = [word for setting in settings for word in ("-c", setting)]
        self._daemon = Daemon(
            [*_as_its_user(), program("postgres"), "-D", str(self._data), *options], self._log
        )
        wait_until(
            lambda: bool(self.execute("SELECT 1")),
            START_SECONDS,
            f"PostgreSQL on port {self.port} did not get ready",
            [self._daemon],
            retry_on=psycopg.OperationalError,
        )

    @property
    def running(self) -> bool:
        """Whether it is there."""
        return self._daemon is not None and self._daemon.running

    def stop(self) -> None:
        """An end, orderly where no session is open."""
        if self._daemon:
            self._daemon.stop()
            self._daemon = None

    def kill(self) -> None:
        """SIGKILL for the server and each of its sessions, as a crash of the machine would."""
        assert self._daemon, "the server is not running"
        sessions = psutil.Process(self._daemon.pid).children(recursive=True)
        self._daemon.kill()
        for session in sessions:
            with suppress(psutil.NoSuchProcess):
                session.kill()
        psutil.wait_procs(sessions, timeout=10)

    def restart(self) -> None:
        """Start again on the same port and data, after `kill`, `stop` or neither."""
        self.stop()
        self.start()

    def url(self, **query: str) -> str:
        """The address in a configuration, without user and password; query: of libpq's words."""
        words = "&".join(f"{name}={value}" for name, value in query.items())
        return (
            f"postgresql+psycopg://{self.user}@{self.host}:{self.port}/{self.database}"
            f"{'?' if words else ''}{words}"
        )

    def access(self, folder: Path) -> dict[str, str]:
        """The section `database` of a configuration that waits for nothing.

        Its password file lies in the folder.
        """
        return {"url": self.url(passfile=str(self.pgpass(folder / "pgpass"))), "wait": "0s"}

    def pgpass(self, path: Path) -> Path:
        """Write the user's password file, mode 0600, as `~/.pgpass` would be."""
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(f"{self.host}:{self.port}:*:{self.user}:{self.password}\n")
        return path

    def connect(self, **options: Any) -> "psycopg.Connection[tuple[Any, ...]]":
        """A new connection as the user; `options` go to `psycopg.connect` over the usual ones."""
        given = {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "dbname": self.database,
        }
        return psycopg.connect(**(given | options))

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement as the server's administrator and give back its rows."""
        administrator = {"user": "postgres", "password": self._administrators_password}
        with (
            self.connect(autocommit=True, dbname=database, **administrator) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(cast("Any", statement))
            return list(cursor.fetchall()) if cursor.description else []

    def drop_tables(self) -> None:
        """Empty the database."""
        with self.connect(autocommit=True) as connection:
            for (name,) in connection.execute(
                "SELECT nspname FROM pg_namespace WHERE nspowner = current_user::regrole"
            ).fetchall():
                connection.execute(cast("Any", f'DROP SCHEMA "{name}" CASCADE'))
        self.execute("DROP SCHEMA IF EXISTS public CASCADE", self.database)
        with self.connect(autocommit=True) as connection:
            connection.execute("CREATE SCHEMA public")

    @property
    def certificate(self) -> Path:
        """The server's, for 127.0.0.1, and its own authority."""
        return self.folder / "here.pem"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"

    def _initialise(self) -> None:
        self._data.mkdir(mode=0o700)
        self.folder.chmod(0o755)
        password = self.folder / "password"
        password.touch(mode=0o600)
        password.write_text(self._administrators_password)
        make_certificate(self.certificate.with_suffix(""), f"IP:{self.host}")
        key = self.certificate.with_suffix(".key")
        key.chmod(0o600)
        if os.geteuid() == 0:
            for path in (self.folder, self._data, password, key):
                shutil.chown(path, "postgres")
        command = [
            *_as_its_user(),
            program("initdb"),
            f"--pgdata={self._data}",
            "--username=postgres",
            "--auth=scram-sha-256",
            f"--pwfile={password}",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]
        daemon = Daemon(command, self._log)
        wait_until(lambda: not daemon.running, START_SECONDS, command[0], logs=[self._log])
        daemon.stop()
        if not (self._data / "PG_VERSION").is_file():
            raise ServerFailed(f"initdb made no database in {self._data}\n{tail(self._log)}")
        # In its file, so that `ALTER SYSTEM` can change it.
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(f"ssl = on\nssl_cert_file = '{self.certificate}'\n")
            file.write(f"ssl_key_file = '{key}'\n")


def program(name: str) -> str:
    """The full path of one of the server's programs, of Debian's newest version of it."""
    here = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    folders = os.pathsep.join([*map(str, reversed(here)), os.environ["PATH"]])
    path = shutil.which(name, path=folders)
    if path is None:
        raise ServerFailed(f"{name} is not installed; Debian: apt-get install {' '.join(PACKAGES)}")
    return path


def _as_its_user() -> list[str]:
    """What makes a command the server's user; it refuses to run as root."""
    if os.geteuid():
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
