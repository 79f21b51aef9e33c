"""Which files a cohort's `files` are, by their names alone. Light, because it is planned."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from notemill.errors import NotemillError


def files_of(cohort: str, patterns: Sequence[Path]) -> dict[str, Path]:
    """The files by their names, in the order in which they are read.

    A name is the path below the folder that all patterns have in common, wherever that lies: files
    that were moved together are the same files. Raises NotemillError where nothing matches, and for
    what is no file.
    """
    base = os.path.commonpath([fixed_folder(pattern) for pattern in patterns])
    found: dict[str, Path] = {}
    for pattern in patterns:
        matches = [path for path in _matches(pattern) if _is_file(path, pattern, cohort)]
        if not matches:
            raise NotemillError(
                f"no file of cohort '{cohort}' is there",
                where=f"{pattern}, which is {pattern.absolute()}",
                remedy=f"correct cohorts.{cohort}.files; a relative path is taken from the folder "
                "that the workflow runs in, and ** stands for folders below folders",
            )
        found |= {_name(path, base): path for path in matches}
    return dict(sorted(found.items()))


def check_each_once(cohort: str, paths: Mapping[str, Path]) -> None:
    """Raise NotemillError for one file by two names, by a link: its notes would come twice."""
    seen: dict[tuple[int, int], str] = {}
    for name, path in paths.items():
        try:
            stat = path.stat()
        except OSError:  # gone by now; whoever opens it says so
            continue
        other = seen.setdefault((stat.st_dev, stat.st_ino), name)
        if other != name:
            raise NotemillError(
                f"two files of cohort '{cohort}' are one, by a link: {other} and {name}",
                where=str(path),
                remedy=f"take the link away, or name each file once in cohorts.{cohort}.files",
            )


def _matches(pattern: Path) -> list[Path]:
    """A path that is there means itself, whatever characters it has."""
    if os.path.lexists(pattern):
        return [pattern]
    return [Path(path) for path in glob.glob(str(pattern), recursive=True)]  # noqa: PTH207


def _is_file(path: Path, pattern: Path, cohort: str) -> bool:
    """Whether it is a file; a wildcard may match folders, which are none."""
    if path.is_file():
        return True
    if path.is_dir() and path != pattern:
        return False
    what = "a folder" if path.is_dir() else "no file that can be read again (a link to nothing?)"
    raise NotemillError(
        f"this is {what}",
        where=str(path),
        remedy=f"name files in cohorts.{cohort}.files, such as {path.parent / '*.parquet'}",
    )


def fixed_folder(pattern: Path) -> str:
    """The folder above a path and above its first wildcard."""
    place = Path(os.path.abspath(pattern))  # noqa: PTH100  (a link stays one)
    if not os.path.lexists(pattern):
        while glob.has_magic(str(place.parent)):
            place = place.parent
    return str(place.parent)


def _name(path: Path, base: str) -> str:
    name = os.path.relpath(path.absolute(), base)
    if not name.isprintable():  # a lone byte, a line end
        raise NotemillError(
            "a file's name has characters that can't be written",
            where=ascii(str(path)),
            remedy="rename it",
        )
    return name
