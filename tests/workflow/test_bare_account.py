"""A run in an account with hardly anything: no HOME, no TMPDIR, an open umask, a full disk."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.disks import small_disk
from tests.workflow.project import Project

OPEN = ["bash", "-c", 'umask 000; unset HOME; export TMPDIR=/nonexistent; exec "$@"', "run"]
NO_ACCOUNT = [*OPEN[:-1], "run", "env", "HOME=/nonexistent", "USER=me"]
"""And a number that no account has, as in a container; such a user can't make /nonexistent."""
UNKNOWN = ["unshare", "--user", "--map-user=12345"]


def test_without_home_and_tmpdir_and_with_an_open_umask_all_results_are_private(
    make_project: Callable[..., Project],
) -> None:
    project = make_project()
    project.before = OPEN
    done = project.snakemake("notes")
    assert done.returncode == 0, done.stdout
    may = not subprocess.run([*UNKNOWN, "true"], check=False, capture_output=True).returncode
    project.before = [*(UNKNOWN if may else ()), *NO_ACCOUNT]
    done = project.snakemake()
    assert done.returncode == 0, done.stdout
    assert open_to_others(project.results) == []


def test_a_full_disk_fails_with_one_message_and_a_rerun_asks_nothing_again(
    make_project: Callable[..., Project],
) -> None:
    project = make_project()
    with small_disk(project.results, kib=2048) as disk:
        assert project.snakemake("notes").returncode == 0
        disk.fill(but=20_000)
        done = project.snakemake("--retries", "0")
        assert done.returncode != 0
        assert "no space is left" in done.stdout
        assert "Logging error" not in done.stdout
        assert "Traceback" not in done.stdout
        journals = {
            path: path.read_bytes()
            for path in (project.results / "answers").rglob("*.journal.jsonl")
        }
        disk.give_room()
        done = project.snakemake()
        assert done.returncode == 0, done.stdout
        for path, before in journals.items():
            answered = [line[:74] for line in before.splitlines() if line.endswith(b"}")]
            now = path.read_bytes().splitlines()
            for text in answered:
                if text.startswith(b'{"text"'):
                    assert sum(line.startswith(text) for line in now) == 1
        assert not list(project.results.rglob("*.partial"))


def open_to_others(folder: Path) -> list[str]:
    """What below the folder others have any right to."""
    return [
        str(Path(place) / name)
        for place, folders, files in os.walk(folder)
        for name in (*folders, *files)
        if (Path(place) / name).lstat().st_mode & 0o077 and not (Path(place) / name).is_symlink()
    ]
