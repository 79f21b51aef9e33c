"""A job's log: where it ran, how it goes, and how it ended, without a word of a note."""

from __future__ import annotations

import logging
import os
import platform
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from notemill.errors import DEBUG_SWITCH, NotemillError
from notemill.files import explained, private_folder

log = logging.getLogger("notemill")
BAR_VARIABLE = "NOTEMILL_BAR"
"""Environment variable: set for the jobs of a run that draws a bar, which tells their progress."""


class Terminated(BaseException):
    """SIGTERM arrived: end what was started, keep what was done, and go."""


@contextmanager
def job_log(path: str | Path) -> Iterator[logging.Logger]:
    """Log to `path` (mode 0600) and stderr; end the process with status 1 on any error.

    A NotemillError is written as it is. Of any other error only its kind and place are written,
    because its text may hold data; NOTEMILL_DEBUG=1 adds the traceback.
    """
    os.umask(0o077)
    path = Path(path)
    try:
        private_folder(path.parent)
        with explained(path):
            _write_to(path)
    except NotemillError as error:
        sys.exit(str(error))
    signal.signal(signal.SIGTERM, _raise_terminated)
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
    for handler in (logging.FileHandler(path, mode="w"), logging.StreamHandler(sys.stderr)):
        handler.setFormatter(form)
        log.addHandler(handler)
    if os.environ.get(BAR_VARIABLE):
        handler.addFilter(lambda record: not getattr(record, "on_bar", False))


def _whereabouts() -> str:
    slurm = os.environ.get("SLURM_JOB_ID")
    job = f"Slurm job {slurm}" if slurm else f"process {os.getpid()}"
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES") or "none"
    return f"host {platform.node()}, {job}, GPU {gpus}"


def _raise_terminated(signum: int, frame: FrameType | None) -> None:
    raise Terminated
