"""Where servers publish themselves: a private folder with two files for each endpoint.

NAME.json says what it is and NAME.token holds what it asks of those who come. Each is renamed into
place; the token first, and removed last, so that what can be read can be used. A server that was
killed leaves its files: they expire, as it does not renew them any more.
"""

from __future__ import annotations

import os
import platform
import re
import stat
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints, ValidationError

from notemill.errors import NotemillError
from notemill.files import Record, explained, private_folder, refuse_open, write_text

LIFETIME = timedelta(seconds=120)
"""From a renewal until it has expired."""
RENEW_S = 20.0
GRACE = timedelta(seconds=60)
"""Beyond its end: clocks of nodes differ, and file systems show a rename late."""
_FORGOTTEN = timedelta(days=1)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
LOOPBACK = ("127.0.0.1", "::1", "localhost")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{16,512}")
"""What a token may be: it stands in a header of HTTP."""


class Endpoint(Record):
    """An address with slots that answers for one model.

    scheme, host, port: its address; node: the computer that it runs on. certificate: sha256 (hex)
    of the one certificate that it shows, which clients hold it to; empty where the system's
    authorities vouch for it, and without TLS. kind: the engine's, as configured; engine: its name
    and version. model, digest: as its model record has them. slots: requests that it answers at
    once; context: tokens of each. gpus: names, as its job has them. job: `Slurm job 42` or
    `process 42`. renewed: by its own clock; expires: then it is not to be used, unless it was
    renewed.
    """

    format: Literal[1] = 1
    scheme: Literal["http", "https"]
    host: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:%-]{1,253}$")]
    port: Annotated[int, Field(ge=1, le=65535)]
    node: str
    certificate: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")] = ""
    kind: str
    engine: str
    model: str
    digest: str
    slots: Annotated[int, Field(ge=1)]
    context: Annotated[int, Field(ge=1)]
    gpus: tuple[str, ...] = ()
    job: str
    started: AwareDatetime
    renewed: AwareDatetime
    expires: AwareDatetime
    state: Literal["ready", "draining"] = "ready"

    @property
    def address(self) -> str:
        """Its address without a path: `https://n1:40123`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def on_loopback(self) -> bool:
        """Whether its own node alone reaches it."""
        return self.host in LOOPBACK


@dataclass(frozen=True)
class Published:
    """An endpoint that may be used, and the token that it asks for."""

    name: str
    endpoint: Endpoint
    token: str = field(repr=False)


@dataclass(frozen=True)
class PassedOver:
    """What lies in the folder and is not used. endpoint: None where it can't be read."""

    name: str
    reason: str
    endpoint: Endpoint | None = None


@dataclass(frozen=True)
class Found:
    """What a folder holds, in the order of the names."""

    endpoints: list[Published]
    passed_over: list[PassedOver]


class NoFolder(NotemillError):
    """The folder of endpoints is not there: no server has published itself in it, ever."""


def publish(folder: Path, name: str, endpoint: Endpoint, token: str) -> None:
    """Let clients find an endpoint; again with later times, or another state, to renew it.

    The folder is made if it is missing. Raises NotemillError where others may enter it.
    """
    assert _NAME.fullmatch(name) and TOKEN.fullmatch(token)
    private_folder(folder)
    check_private(folder)
    if _token(folder, name) != token:
        write_text(_token_file(folder, name), token + "\n")
    endpoint.write(_file(folder, name))


def renewed(endpoint: Endpoint, until: datetime | None = None) -> Endpoint:
    """The same from now on for its lifetime, but not beyond `until`."""
    now = datetime.now(UTC)
    expires = max(min(now + LIFETIME, until or now + LIFETIME), now)
    return endpoint.model_copy(update={"renewed": now, "expires": expires})


def withdraw(folder: Path, name: str) -> None:
    """Take an endpoint out, there or not."""
    with explained(folder):
        for path in (_file(folder, name), _token_file(folder, name)):
            path.unlink(missing_ok=True)


def published(folder: Path) -> Found:
    """The endpoints of a folder; what can't be used is passed over, each with its reason.

    A draining one may be used to the end of what it was asked. Raises NoFolder, and NotemillError
    where the folder is another user's or others may enter it.
    """
    check_private(folder)
    found = Found([], [])
    with explained(folder):
        names = sorted(path.stem for path in folder.glob("*.json") if _NAME.fullmatch(path.stem))
    now = _time_of(folder)
    for name in names:
        one = _read(folder, name, now)
        if isinstance(one, Published):
            found.endpoints.append(one)
        elif one:
            found.passed_over.append(one)
    return found


def forget_stale(folder: Path) -> None:
    """Remove the files of servers that were killed a day ago or earlier."""
    now = _time_of(folder)
    for one in published(folder).passed_over:
        with suppress(FileNotFoundError):
            if one.endpoint and _age(_file(folder, one.name), now) > _FORGOTTEN:
                withdraw(folder, one.name)


def read_token(path: Path) -> str:
    """The token that a user gives to a server. Raises NotemillError: missing, open, or none."""
    with explained(path):
        refuse_open(path, "the file with the token")
        token = path.read_text(encoding="utf-8", errors="replace").strip()
    if not TOKEN.fullmatch(token):
        raise NotemillError(
            "the file holds no token",
            where=str(path),
            remedy="write one line of 16 or more of A-Z, a-z, 0-9 and ._~+/=-: "
            f"`umask 077; openssl rand -hex 32 > {path}`",
        )
    return token


def check_private(folder: Path) -> None:
    """Raise NotemillError unless the folder is there, yours, and closed to others."""
    try:
        with explained(folder):
            status = folder.stat()
    except FileNotFoundError:
        raise NoFolder(
            "this folder of endpoints does not exist",
            where=f"{folder} (engines.*.endpoints)",
            remedy="start a server, which makes it: `notemill serve ENGINE`; or correct the path",
        ) from None
    if not stat.S_ISDIR(status.st_mode):
        raise NotemillError(
            "this is no folder of endpoints",
            where=f"{folder} (engines.*.endpoints)",
            remedy="name the folder in which servers publish themselves",
        )
    if status.st_uid != os.geteuid():
        raise NotemillError(
            "this folder of endpoints is another user's, who could have your notes sent anywhere",
            where=str(folder),
            remedy="name a folder of your own in engines.*.endpoints",
        )
    if status.st_mode & _OTHERS:
        raise NotemillError(
            "this folder of endpoints is open to others, who could have your notes sent anywhere",
            where=str(folder),
            remedy=f"chmod 700 {folder}; if it was open for long, end the servers in it and start "
            "them again, which gives them new tokens",
        )


def _read(folder: Path, name: str, now: float) -> Published | PassedOver | None:
    """One endpoint of the folder; None where it was withdrawn meanwhile."""
    path = _file(folder, name)
    try:
        with explained(path), path.open("rb") as file:
            endpoint = Endpoint.model_validate_json(file.read())
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                return PassedOver(name, "another user wrote it, when the folder was open", endpoint)
    except FileNotFoundError:
        return None
    except NotemillError as error:
        return PassedOver(name, error.what)
    except ValidationError:
        return PassedOver(name, "it says nothing that this version of notemill understands")
    if reason := _expired(path, endpoint, now):
        return PassedOver(name, reason, endpoint)
    if endpoint.on_loopback and endpoint.node != platform.node():
        return PassedOver(name, f"only its own node, {endpoint.node}, reaches it", endpoint)
    token = _token(folder, name)
    if token is None:
        return PassedOver(name, "its token is missing", endpoint) if path.exists() else None
    if not token:
        problem = f"its token is open to others, or is none ({_token_file(folder, name).name}): "
        return PassedOver(name, problem + "end this server and start another", endpoint)
    return Published(name, endpoint, token)


def _expired(path: Path, endpoint: Endpoint, now: float) -> str:
    """Why an endpoint is too old; empty while it is not. now: the file system's.

    By the file's own age: the server's clock may be wrong, and this node's too.
    """
    try:
        age = _age(path, now)
    except FileNotFoundError:
        return ""
    if age <= endpoint.expires - endpoint.renewed + GRACE:
        return ""
    return (
        f"it was not renewed for {_told(age)}: its server was killed, or its node lost"
        if endpoint.state == "ready"
        else f"its server ended, {_told(age)} ago, and could not take it out"
    )


def _age(path: Path, now: float) -> timedelta:
    """How long ago the file was written. Raises FileNotFoundError."""
    return timedelta(seconds=now - path.stat().st_mtime)


def _time_of(folder: Path) -> float:
    """The time as the file system has it, in seconds; this node's where it can't be asked."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            os.write(probe.fileno(), b".")
            return os.fstat(probe.fileno()).st_mtime
    except OSError:
        return time.time()


def _told(age: timedelta) -> str:
    seconds = age.total_seconds()
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"


def _token(folder: Path, name: str) -> str | None:
    """The token; empty where it can't be used, None where there is none."""
    try:
        with _token_file(folder, name).open(encoding="ascii", errors="replace") as file:
            status = os.fstat(file.fileno())
            token = file.read(1024).strip()
    except FileNotFoundError:
        return None
    except OSError:
        return ""
    private = status.st_uid == os.geteuid() and not status.st_mode & _OTHERS
    return token if private and TOKEN.fullmatch(token) else ""


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _token_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.token"
