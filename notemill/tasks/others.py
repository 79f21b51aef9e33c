"""Who beside you could change a task's Python, which runs as you, or put results in your place.

Whoever owns a file or a folder, or may write it, and whoever may rename a folder above it. Those
who could as well change notemill itself or the folder that the workflow runs in gain nothing by a
task, so a project that a lab shares as a whole stays one.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
import struct
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from notemill.errors import NotemillError
from notemill.files import explained

_ROOT = 0
_PACKAGE = Path(__file__).parents[1]
_ACL = "system.posix_acl_access"
_ACL_BEGINS, _ACL_ENTRY = 4, struct.Struct("<HHI")
_ACL_NAMED, _ACL_OWNING_GROUP = {0x02: "user", 0x08: "group"}, 0x04


class _Writer(NamedTuple):
    """kind: 'user', 'group' or 'all'; number: of the user or group."""

    kind: str
    number: int = 0


def refuse_others(folder: Path, files: Iterable[Path], task: str, module: str) -> None:
    """Raise NotemillError unless nobody else can change the task's Python or add some.

    files: of the task's folder; what is no Python of these is left alone.
    """
    python = [file for file in files if file.suffix == ".py"]
    inside = {folder, *(file.parent for file in python)}
    with explained(folder):
        trusted = {_Writer("user", os.geteuid()), *_who_can_anyway(Path.cwd())}
        for path in sorted({*inside, *python}):
            for place, writer in _writers(path, inside):
                if writer not in trusted and not _is_own(writer):
                    raise _refusal(place, writer, task, module)


def refuse_everyone(results: Path) -> None:
    """Raise NotemillError where every user could put, or has put, answers of their own there.

    A folder above may be open to all, as volumes of Kubernetes are, while `results` is one's own.
    """
    with explained(results):
        place = results.absolute()
        if not place.exists():
            return
        owner = place.stat().st_uid
        is_strangers = owner not in (os.geteuid(), _ROOT) and not _is_unmapped(owner)
        for where, writer in _writers(place, {place}):
            if writer.kind == "all" and (is_strangers or where.samefile(place)):
                mode = where.stat().st_mode
                raise NotemillError(
                    "every user of this machine could put answers of their own in the place of "
                    "yours",
                    where=f"{where} ({stat.filemode(mode)}, owner {_name('user', owner)})",
                    remedy="set `results` to a folder of your own"
                    if is_strangers
                    else f"chmod o-w {where}",
                )


@cache
def _who_can_anyway(working: Path) -> set[_Writer]:
    """Users and groups that can change notemill or the folder of the run, and root."""
    writers = {writer for path in (_PACKAGE, working) for _, writer in _writers(path, {path})}
    return {writer for writer in writers if writer.kind != "all"} | {_Writer("user", _ROOT)}


def _writers(path: Path, inside: set[Path]) -> Iterator[tuple[Path, _Writer]]:
    """Who can change what is at a path, or put something else there, and where.

    inside: folders in which a new file would be one too many. Above them a sticky folder, such as
    /tmp, lets nobody take away what is another's.
    """
    deep = {each for folder in inside for each in (folder.absolute(), folder.resolve())}
    for place in sorted(_on_the_way(path)):
        if os.statvfs(place).f_flag & os.ST_RDONLY:
            continue
        seen, link = place.stat(), place.lstat()
        for owner in {seen.st_uid, link.st_uid}:  # whoever owns a link may let it lead elsewhere
            if not _is_unmapped(owner):
                yield place, _Writer("user", owner)
        if seen.st_mode & stat.S_ISVTX and place not in deep:
            continue
        if seen.st_mode & stat.S_IWOTH:
            yield place, _Writer("all")
        if seen.st_mode & stat.S_IWGRP:
            for writer in _of_groups_bits(place, seen.st_gid):
                yield place, writer


def _on_the_way(path: Path) -> set[Path]:
    """The path and all folders above, and those of whatever a link among them leads to."""
    found: set[Path] = set()
    left = [path.absolute(), path.resolve()]
    while left:
        place = left.pop()
        if place not in found:
            found.add(place)
            left.append(place.parent)
            if place.is_symlink():
                left.append(place.parent / place.readlink())
    return found


def _of_groups_bits(place: Path, group: int) -> Iterator[_Writer]:
    """Who may write by the mode's bits of the group, which are the most that an ACL gives anyone.

    An ACL is its version and entries of a tag, rights and a number (linux/posix_acl_xattr.h).
    """
    try:
        entries = _ACL_ENTRY.iter_unpack(os.getxattr(place, _ACL)[_ACL_BEGINS:])
    except OSError:  # there is none
        yield _Writer("group", group)
        return
    for tag, rights, number in entries:
        if rights & stat.S_IWOTH:
            if tag in _ACL_NAMED:
                yield _Writer(_ACL_NAMED[tag], number)
            elif tag == _ACL_OWNING_GROUP:
                yield _Writer("group", group)


def _is_own(writer: _Writer) -> bool:
    """Whether it is the group that many systems make for each user, with nobody else in it."""
    if writer.kind != "group":
        return False
    if writer.number == _ROOT:
        return True
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
        group = grp.getgrgid(writer.number)
    except KeyError:
        return False
    return group.gr_name == name and set(group.gr_mem) <= {name}


@cache
def _is_unmapped(user: int) -> bool:
    """Whether all users look like this who have no number in a container of a user's own."""
    try:
        overflow = int(Path("/proc/sys/kernel/overflowuid").read_text())
        ranges = Path("/proc/self/uid_map").read_text().split()
    except (OSError, ValueError):
        return False
    return user == overflow and ranges != ["0", "0", "4294967295"]


def _refusal(place: Path, writer: _Writer, task: str, module: str) -> NotemillError:
    seen = place.stat()
    owner, group = _name("user", seen.st_uid), _name("group", seen.st_gid)
    name = _name(writer.kind, writer.number)
    copy = "copy the task's folder into one of your own, and name that in `tasks`"
    acl = "" if writer in {("all", 0), ("group", seen.st_gid)} else f" && setfacl -b {place}"
    who, remedy = {
        "all": ("every user of this machine", f"chmod o-w {place}"),
        "group": (
            f"everyone in group {name}",
            f"chmod g-w {place}{acl}; or let notemill's own folder or the one that you run in "
            "belong to this group too, which then is trusted with both",
        ),
        "user": (f"user {name}", copy),
    }[writer.kind]
    if os.geteuid() not in (seen.st_uid, _ROOT):
        remedy = copy
    return NotemillError(
        f"{module}.py of task '{task}' runs as you, and {who} could change it",
        where=f"{place} ({stat.filemode(seen.st_mode)}, owner {owner}, group {group})",
        remedy=remedy,
    )


def _name(kind: str, number: int) -> str:
    try:
        if kind == "user":
            return pwd.getpwuid(number).pw_name
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
