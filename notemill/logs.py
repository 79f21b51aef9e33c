"""A job's log: where it ran, how it goes, and how it ended, without a word of a note."""

from __future__ import annotations

import logging
import os
import platform
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from notemill.cores import without_core_dumps
from notemill.errors import DEBUG_SWITCH, NotemillError
from notemill.files import explained, open_private, private_folder
from notemill.leftovers import clear, temporary_place
from notemill.parent import end_with_parent

log = logging.getLogger("notemill")
BAR_VARIABLE = "NOTEMILL_BAR"
"""Environment variable: set for the jobs of a run that draws a bar, which tells their progress."""


class Terminated(BaseException):
    """SIGTERM arrived: end what was started, keep what was done, and go."""


@contextmanager
def job_log(path: str | Path, *, by_hand: bool = False) -> Iterator[logging.Logger]:
    """Log to `path` (mode 0600) and stderr; end the process with status 1 on any error.

    A job ends in order when the snakemake that started it was killed: Slurm without cgroups would
    let it go on, unseen and uncounted. by_hand: started from a shell, which it may outlive.

    A NotemillError is written as it is. Of any other error only its kind and place are written,
    because its text may hold data; NOTEMILL_DEBUG=1 adds the traceback.
    """
    os.umask(0o077)
    without_core_dumps()
    path = Path(path)
    try:
        private_folder(path.parent)
        with explained(path):
            _write_to(path)
    except NotemillError as error:
        sys.exit(str(error))
    with suppress(NotemillError):
        clear(temporary_place())
    signal.signal(signal.SIGTERM, _raise_terminated)
    if not by_hand:
        end_with_parent()
    log.info(_whereabouts())
    try:
        yield log
    except Terminated:
        log.error("ended by SIGTERM (time limit, cancellation or a stopped workflow)")
        sys.exit(143)
    except KeyboardInterrupt:
        log.error("ended by Ctrl-C; what is answered is kept")
        sys.exit(130)
    except NotemillError as error:
        log.error(str(error))
        _show_traceback_if_asked()
        sys.exit(1)
    except Exception as error:
        log.error(unexpected(error))
        _show_traceback_if_asked()
        sys.exit(1)


def unexpected(error: Exception) -> str:
    """Kind and place of an error that notemill has no words for, without its text."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"unexpected {type(error).__name__} at {Path(frame.filename).name}:{frame.lineno} "
        f"in {frame.name}\n  what to do: run again with {DEBUG_SWITCH}=1 for the traceback (it may "
        "quote data) and report it with notemill's version"
    )


def debugging() -> bool:
    """Whether the user asked for tracebacks."""
    return bool(os.environ.get(DEBUG_SWITCH))


def _show_traceback_if_asked() -> None:
    if debugging():
        log.error(traceback.format_exc())


def _write_to(path: Path) -> None:
    log.setLevel(logging.INFO)
    log.handlers.clear()
    form = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S")
    for handler in (_LogFile(path), _Stderr()):
        handler.setFormatter(form)
        log.addHandler(handler)
    if os.environ.get(BAR_VARIABLE):
        handler.addFilter(lambda record: not getattr(record, "on_bar", False))


class _LogFile(logging.Handler):
    """The log's file, new. A line that the disk does not take is lost, and their number is told."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        path.unlink(missing_ok=True)
        self._file = open_private(path, os.O_WRONLY | os.O_APPEND | os.O_EXCL)
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        lost = f"({self._lost} lines could not be written here)\n" if self._lost else ""
        line = f"{lost}{self.format(record)}\n".encode(errors="replace")
        at = os.fstat(self._file).st_size
        try:
            written = os.write(self._file, line)
        except OSError:
            written = 0
        if written == len(line):
            self._lost = 0
            return
        self._lost += 1
        with suppress(OSError):
            os.ftruncate(self._file, at)  # no half line


class _Stderr(logging.Handler):
    """Standard error, which may be a file on a full disk too: then its lines are lost."""

    def emit(self, record: logging.LogRecord) -> None:
        # Past Python's buffer, which would keep the line, and fail again when the process ends.
        with suppress(OSError):
            os.write(2, f"{self.format(record)}\n".encode(errors="replace"))


def _whereabouts() -> str:
    slurm = os.environ.get("SLURM_JOB_ID")
    job = f"Slurm job {slurm}" if slurm else f"process {os.getpid()}"
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES") or "none"
    return f"host {platform.node()}, {job}, GPU {gpus}"


def _raise_terminated(signum: int, frame: FrameType | None) -> None:
    raise Terminated
