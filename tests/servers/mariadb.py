"""A real MariaDB for tests, in a temporary folder and on a port of its own.

    with MariaDB() as server:
        engine = sqlalchemy.create_engine(server.url())

Needs Debian's `mariadb-server`; touches neither the system's database nor its services. Runs as
root (the server then as user mysql) and as an ordinary user.
"""

import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Any, Self

import pymysql

from tests.servers.daemon import Daemon, ServerFailed, free_port, tail, wait_until

PACKAGES = ("mariadb-server",)
START_SECONDS = 180


class MariaDB:
    """A running server with the empty database `clinical` and one user who may do all in it."""

    user = "notemill"
    database = "clinical"
    schema = database
    host = "127.0.0.1"
    notes_table = "CREATE TABLE notes (visit {visit}, note LONGTEXT) CHARACTER SET utf8mb4"

    def __init__(self, *options: str) -> None:
        """`options` are further mariadbd options, such as `--max-allowed-packet=1M`."""
        self.options = options
        self.port = free_port()
        self.password = secrets.token_urlsafe(12)
        self._root_password = secrets.token_urlsafe(12)
        self._daemon: Daemon | None = None

    def __enter__(self) -> Self:
        # Not pytest's folder: the server's user could not get into it, and the path of a socket
        # must stay under 108 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="notemill-db-"))
        try:
            self._initialise()
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def start(self) -> None:
        """Start the server and wait until it takes queries."""
        self._daemon = Daemon(
            [
                *self._program(),
                *self._user_option(),
                f"--datadir={self._data}",
                f"--socket={self._socket}",
                f"--port={self.port}",
                f"--bind-address={self.host}",
                f"--pid-file={self._data}/pid",
                # A server that starts removes the temporary tables it finds, anyone's.
                f"--tmpdir={self._data}",
                f"--init-file={self._data}/accounts.sql",
                "--skip-name-resolve",
                # Commits survive a kill of the server, not a power cut: a test wants no more.
                "--innodb-flush-log-at-trx-commit=2",
                "--innodb-buffer-pool-size=64M",
                *self.options,
            ],
            self._log,
        )
        wait_until(
            self._answers,
            START_SECONDS,
            f"{type(self).__name__} on port {self.port} did not get ready",
            [self._daemon],
            retry_on=pymysql.err.OperationalError,
        )

    @property
    def running(self) -> bool:
        """Whether it is there."""
        return self._daemon is not None and self._daemon.running

    def stop(self) -> None:
        """An orderly end, which writes everything to disk."""
        if self._daemon:
            self._daemon.stop()
            self._daemon = None

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        assert self._daemon, "the server is not running"
        self._daemon.kill()

    def restart(self) -> None:
        """Start again on the same port and data, after `kill`, `stop` or neither."""
        self.stop()
        self.start()

    def url(self) -> str:
        """SQLAlchemy's address of the database, with the password in it."""
        return (
            f"mysql+pymysql://{self.user}:{self.password}@{self.host}:{self.port}"
            f"/{self.database}?charset=utf8mb4"
        )

    def access(self, folder: Path) -> dict[str, str]:
        """The section `database` of a configuration that waits for nothing.

        Its option file lies in the folder.
        """
        return {
            "url": f"mysql+pymysql://{self.host}:{self.port}/{self.database}",
            "option_file": str(self.option_file(folder / "my.cnf")),
            "wait": "0s",
        }

    def option_file(self, path: Path) -> Path:
        """Write the user's MySQL option file, mode 0600, as `~/.my.cnf` would be."""
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(
            f"[client]\nhost = {self.host}\nport = {self.port}\nuser = {self.user}\n"
            f"password = {self.password}\n"
        )
        return path

    def connect(self, **options: Any) -> "pymysql.Connection[Any]":
        """A new connection as the user; `options` go to `pymysql.connect` over the usual ones."""
        return pymysql.connect(
            **{
                "host": self.host,
                "port": self.port,
                "user": self.user,
                "password": self.password,
                "database": self.database,
                "charset": "utf8mb4",
            }
            | options
        )

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement as the server's administrator and give back its rows."""
        administrator = {"user": "root", "password": self._root_password}
        with (
            pymysql.connect(
                unix_socket=str(self._socket), autocommit=True, **administrator
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
            return list(cursor.fetchall())

    def drop_tables(self) -> None:
        """Empty the database."""
        for table, kind in self.execute(f"SHOW FULL TABLES IN {self.database}"):
            kind = "VIEW" if kind == "VIEW" else "TABLE"
            self.execute(f"DROP {kind} {self.database}.{table}")

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _socket(self) -> Path:
        return self.folder / "socket"

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"

    def _program(self) -> list[str]:
        # Debian's defaults, which are utf8mb4, would come from the system's option files.
        return [
            program("mariadbd"),
            "--no-defaults",
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_general_ci",
        ]

    def _initialise(self) -> None:
        """Make the system tables and the statements that each start runs first."""
        self._run_initialiser(
            [
                program("mariadb-install-db"),
                "--no-defaults",
                *self._user_option(),
                f"--datadir={self._data}",
                # As in `start`: two at once would lose the accounts.
                f"--tmpdir={self._data}",
                "--auth-root-authentication-method=socket",
                "--skip-test-db",
            ]
        )

    def _run_initialiser(self, command: list[str]) -> None:
        self._data.mkdir(mode=0o700)
        self.folder.chmod(0o755)
        if os.geteuid() == 0:
            # The socket lies in the folder.
            shutil.chown(self.folder, self._owner())
            shutil.chown(self._data, self._owner())
        daemon = Daemon(command, self._log)
        wait_until(lambda: not daemon.running, START_SECONDS, command[0], logs=[self._log])
        daemon.stop()
        accounts = self._data / "accounts.sql"
        accounts.write_text(
            f"ALTER USER root@localhost IDENTIFIED BY '{self._root_password}';\n"
            f"CREATE DATABASE IF NOT EXISTS {self.database};\n"
            f"CREATE USER IF NOT EXISTS '{self.user}'@'%' IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL ON {self.database}.* TO '{self.user}'@'%';\n"
        )
        accounts.chmod(0o644)
        if not (self._data / "mysql").is_dir():
            raise ServerFailed(f"{command[0]} made no database in {self._data}\n{tail(self._log)}")

    def _owner(self) -> int | str:
        """Whom the server runs as when we are root."""
        return "mysql"

    def _user_option(self) -> list[str]:
        return ["--user=mysql"] if os.geteuid() == 0 else []

    def _answers(self) -> bool:
        # Not as the user: that would already warm the server's cache of passwords.
        self.execute("SELECT 1")
        return True


def program(name: str) -> str:
    """The full path of a program, which for an ordinary user may be outside of PATH."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if path is None:
        raise ServerFailed(f"{name} is not installed; Debian: apt-get install {' '.join(PACKAGES)}")
    return path
