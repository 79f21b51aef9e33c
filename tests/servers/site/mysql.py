"""The site's MySQL, with the interface of `tests.servers.mariadb.MariaDB`.

What PyMySQL makes of its authentication is told in `test_site_servers.py`.
"""

from collections.abc import Sequence
from pathlib import Path

from tests.servers.mariadb import MariaDB


class MySQL(MariaDB):
    """A MySQL from the file system `root`, reached by the command prefix `wrap`."""

    def __init__(self, root: Path, wrap: Sequence[str], *options: str) -> None:
        super().__init__("--mysqlx=OFF", *options)
        self._root = root
        self._wrap = list(wrap)

    @property
    def certificate(self) -> Path:
        """The authority that signed the server's certificate, for `ssl_ca`."""
        return self._data / "ca.pem"

    def _program(self) -> list[str]:
        return [*self._wrap, "mysqld", "--no-defaults", "--secure-file-priv=NULL"]

    def _initialise(self) -> None:
        command = [*self._program(), *self._user_option(), f"--datadir={self._data}"]
        self._run_initialiser([*command, "--initialize-insecure"])

    def _owner(self) -> int:
        """The user mysql by number, which is not the machine's."""
        users = (self._root / "etc" / "passwd").read_text().splitlines()
        (number,) = (int(user.split(":")[2]) for user in users if user.startswith("mysql:"))
        return number
