"""Processes that see this computer as another one, or its file system as a network's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

_SHIM = Path(__file__).with_suffix(".c")
_ENTER = """
set -e
mount --bind "$1/boot" /proc/sys/kernel/random/boot_id
[ ! -e "$1/machine" ] || mount --bind "$1/machine" /etc/machine-id
[ ! -e "$1/mounts" ] || mount --bind "$1/mounts" /proc/$$/mountinfo
shift
exec "$@"
"""


def network_file_system(folder: Path, **how: str) -> dict[str, str]:
    """Environment of a process that sees files as a network shows them: locks, late (nodes.c)."""
    told = {f"NFS_{name.upper()}": value for name, value in how.items()}
    return {**os.environ, "LD_PRELOAD": shim(folder), **told}


def shim(folder: Path) -> str:
    """nodes.c as a library in the folder."""
    library = folder / "nodes.so"
    if not library.exists():
        command = ["gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(_SHIM), "-ldl"]
        subprocess.run(command, check=True)
    return str(library)


def on_another_node(
    folder: Path, *, machine: bool = True, local_locks: Path | None = None
) -> list[str]:
    """Words before a command, to run it on a computer of the same name that was booted by itself.

    machine: an installation of its own too, else this one before its last boot. local_locks: a
    folder whose file system is mounted there with locks for that host alone. Skips the test where
    this account may not mount.
    """
    folder.mkdir()
    (folder / "boot").write_text("0badb007-0000-4000-8000-000000000000\n")
    if machine:
        (folder / "machine").write_text("0badcafe0badcafe0badcafe0badcafe\n")
    if local_locks:
        (folder / "mounts").write_text(local_mounts(local_locks))
    if os.geteuid() != 0:
        pytest.skip("only root can show a process another computer")
    return ["unshare", "--mount", "bash", "-c", _ENTER, "node", str(folder)]


def local_mounts(folder: Path) -> str:
    """/proc/self/mountinfo with the folder's file system as NFS without its lock service."""
    device = folder.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    line = f"9999 1 {number} / {folder} rw shared:9 - nfs server:/ rw,vers=3,nolock,local_lock=all"
    return "\n".join([*lines, line]) + "\n"


def python(program: str, *words: str | Path) -> list[str]:
    """The command of a small program."""
    return [sys.executable, "-c", program, *map(str, words)]


def run(
    command: list[str], environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Its exit status and what it printed."""
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
