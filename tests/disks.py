"""Disks that fill up, have a quota or can only be read, mounted for a test."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from notemill.errors import NotemillError
from tests.servers.debian import QUOTA, require


class SmallDisk:
    """A mounted file system with `free` bytes at most; `fill` leaves it without a byte."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / ".filler"

    def fill(self, but: int = 0) -> None:
        """Take all space that is left but so many bytes."""
        with self._filler.open("ab", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                os.truncate(file.fileno(), max(file.tell() - but, 0))

    def refusals(self, attempt: Callable[[], object], step: int = 4096) -> list[str]:
        """Where it is refused, with ever more room on the disk, until it has enough.

        Each must be the one message of a full disk.
        """
        refused: list[str] = []
        disk = os.statvfs(self.folder)
        for room in range(0, disk.f_blocks * disk.f_frsize, step):
            self.give_room()
            self.fill(but=room)
            try:
                attempt()
            except NotemillError as error:
                assert "no space is left" in error.what, error
                refused.append(str(error.where))
                continue
            finally:
                self.give_room()
            return refused
        raise AssertionError("there is never enough room")

    def give_room(self) -> None:
        """Give the space back that `fill` took."""
        self._filler.unlink(missing_ok=True)


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A file system in memory at the folder. Skips the test where this account may not mount."""
    with _mounted(folder, "-t", "tmpfs", "-o", options, "tmpfs"):
        yield


@contextmanager
def _mounted(folder: Path, *how: str) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *how, str(folder)], check=False, capture_output=True, text=True)
    if done.returncode:
        reason = f"nothing can be mounted: {done.stderr.strip()}"
        (pytest.fail if os.geteuid() == 0 and os.environ.get("CI") else pytest.skip)(reason)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The folder and all below it can only be read, by root too."""
    with _mounted(folder, "--bind", str(folder)):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield


class Quota(SmallDisk):
    """A file system with room, of which `folder` may have so much as it has (EDQUOT).

    top: where the whole file system is mounted; from below the limit it could not be raised.
    """

    def __init__(self, folder: Path, top: Path) -> None:
        super().__init__(folder)
        self._top = top
        shown = self._btrfs("qgroup", "show", "--raw", "-f", str(folder))
        self._group = shown.split()[-4]

    def fill(self, but: int = 0) -> None:
        """Let it have so many bytes more, and no others."""
        subprocess.run(["sync", "--file-system", str(self._top)], check=True)
        shown = self._btrfs("qgroup", "show", "--raw", str(self._top)).splitlines()
        (used,) = (line.split()[1] for line in shown if line.startswith(self._group))
        self._btrfs("qgroup", "limit", str(int(used) + but), self._group, str(self._top))

    def give_room(self) -> None:
        """Let it have all there is."""
        self._btrfs("qgroup", "limit", "none", self._group, str(self._top))

    def _btrfs(self, *words: str) -> str:
        return subprocess.run(["btrfs", *words], check=True, capture_output=True, text=True).stdout


@contextmanager
def quota(folder: Path) -> Iterator[Quota]:
    """A folder of a btrfs that has a quota group."""
    require(QUOTA)
    image, top = folder.with_name(f"{folder.name}.img"), folder.with_name(f"{folder.name}.btrfs")
    image.touch()
    os.truncate(image, 128 << 20)  # sparse; a smaller btrfs there is not
    subprocess.run(["mkfs.btrfs", "--quiet", str(image)], check=True, capture_output=True)
    with _mounted(top, "-o", "loop", str(image)):
        held = top / folder.name
        for words in (["quota", "enable", top], ["subvolume", "create", held]):
            subprocess.run(["btrfs", *map(str, words)], check=True, capture_output=True)
        with _mounted(folder, "--bind", str(held)):
            yield Quota(folder, top)


@contextmanager
def small_disk(folder: Path, kib: int = 256) -> Iterator[SmallDisk]:
    """A disk of so many KiB at the folder."""
    with mounted(folder, f"size={kib}k,mode=0700"):
        yield SmallDisk(folder)
