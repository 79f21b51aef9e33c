"""Refuses, before any job, files of answers that would meet each other or what is read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from itertools import product
from pathlib import Path

from notemill.config import Config
from notemill.errors import NotemillError
from notemill.notes.sources.files import fixed_folder
from notemill.outputs.delivered import output_paths
from notemill.paths import origin_of_output
from notemill.tasks.run import Run

_OWN = "outputs"
"""The folder below `results` that is left to files of answers."""


def check_outputs(config: Config, runs: Sequence[Run]) -> None:
    """Raise NotemillError that names each file which two loads would write, or that lies where
    notemill's own files or a cohort's lie."""
    problems: list[str] = []
    seen: dict[str, tuple[str, str]] = {}
    results = config.results.resolve()
    for run, cohort, path in _all(runs):
        key = f"experiments.{run.name}.outputs"
        try:
            place = path.resolve()
        except (OSError, RuntimeError):
            problems.append(f"{key}: {path} is a link that leads back to itself")
            continue
        problems += _misplaced(key, path, place, results)
        problems += _among_sources(config, key, path, place)
        for each in (place, origin_of_output(place)):
            name = str(each).casefold()
            if name in seen:
                problems.append(_twice(key, path, (run.name, cohort), seen[name]))
                break
            seen[name] = run.name, cohort
    if problems:
        raise NotemillError(
            "the outputs do not fit together:\n" + "\n".join(f"    {line}" for line in problems),
            where="experiments",
            remedy="give each experiment over each cohort a file of its own; {cohort}, {task} and "
            "{experiment} in its name stand for what differs",
        )


def _all(runs: Sequence[Run]) -> Iterator[tuple[Run, str, Path]]:
    for run in runs:
        for cohort in run.cohorts:
            for path in output_paths(run, cohort):
                yield run, cohort, path


def _twice(key: str, path: Path, whose: tuple[str, str], other: tuple[str, str]) -> str:
    if whose == other:
        return f"{key}: {path} is there twice"
    if whose[0] == other[0]:
        return f"{key}: {path} is one file for cohorts {other[1]} and {whose[1]}"
    return f"{key}: {path} is the file of experiment {other[0]} over {other[1]} already"


def _misplaced(key: str, path: Path, place: Path, results: Path) -> Iterator[str]:
    if place.is_relative_to(results) and not place.is_relative_to(results / _OWN):
        yield f"{key}: {path} lies among notemill's own files; below results only {_OWN}/ is free"


def _among_sources(config: Config, key: str, path: Path, place: Path) -> Iterator[str]:
    """A file that a cohort would read as its notes."""
    written = [path.absolute(), place, origin_of_output(place)]
    for name, cohort in config.cohorts.items():
        for pattern in cohort.files or []:
            pairs = product(map(os.path.normpath, written), _spelled(pattern))
            if any(one == other or _fits(one, other) for one, other in pairs):
                yield f"{key}: {path} is among the files that cohort {name} reads ({pattern})"
                return


def _spelled(pattern: Path) -> set[str]:
    """What a pattern may match, links followed too."""
    whole, folder = os.path.abspath(pattern), fixed_folder(pattern)  # noqa: PTH100
    rest = os.path.relpath(whole, folder)
    # realpath, which takes a link to itself for a file.
    return {whole, os.path.realpath(pattern), os.path.join(os.path.realpath(folder), rest)}  # noqa: PTH118


def _fits(path: str, pattern: str) -> bool:
    """Whether a pattern finds the path: folder by folder, ** for any number of them."""
    return _parts_fit(path.split("/"), pattern.split("/"))


def _parts_fit(path: Sequence[str], pattern: Sequence[str]) -> bool:
    if not (path and pattern):
        return not path and set(pattern) <= {"**"}
    if pattern[0] == "**":
        return _parts_fit(path, pattern[1:]) or _parts_fit(path[1:], pattern)
    return fnmatch(path[0], pattern[0]) and _parts_fit(path[1:], pattern[1:])
