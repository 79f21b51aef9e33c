"""What a compute node sees: the program of the check's own job, a minute long.

python -P -m notemill.check.node FOLDER

FOLDER is private, below `results`; it holds the request, and the report is written into it.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import notemill
from notemill.check.engine_probes import engine_probes
from notemill.check.finding import Finding, Findings, size
from notemill.config import Config
from notemill.config.tasks import DUMPED
from notemill.engines.gpu import gpu_expected
from notemill.errors import NotemillError
from notemill.files import Record, read_json
from notemill.locks import LockedFile

REQUEST, REPORT, LOG, LOCK = "request.json", "report.json", "job.log", "lock"
_GPUS = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
_ASK_S = 60
_CONNECT_S = 15


class Request(Record):
    """What a node is asked. folder: where snakemake works, from which paths are taken.

    database: host and port, or the file of SQLite with port 0; None where there is none.
    """

    folder: str
    config: dict[str, Any]
    database: tuple[str, int] | None


class Report(Record):
    """What a node found, and its clock (seconds since 1970) when it did."""

    host: str
    at: float
    findings: list[Finding]


def written(config: Config) -> dict[str, Any]:
    """A configuration as it is sent to a node."""
    # A default may stand for a key that is left out, and be no value of its own.
    return config.model_dump(mode="json", exclude_defaults=True)


def read_again(values: dict[str, Any]) -> Config:
    """The same configuration there."""
    return Config.model_validate(values, context={DUMPED: True})


def look(folder: Path) -> None:
    """Answer the request in the folder by a report beside it."""
    request = read_json(
        Request, folder / REQUEST, problem="this is no request", remedy="run the check again"
    )
    host, found = platform.node(), Findings("node")
    try:
        os.chdir(request.folder)
    except OSError as error:
        found.refuse(
            f"the folder that snakemake works in is not seen there: {error.strerror}",
            where=f"{request.folder} on {host}",
            remedy="work in a folder on a file system that compute nodes share (--directory)",
        )
    config = read_again(request.config)
    probes: list[Callable[[], None]] = [
        lambda: _host(host, found),
        lambda: _gpus(config, host, found),
        lambda: _results(folder, found),
        *engine_probes(config, found),
        lambda: _database(config, request.database, found),
    ]
    for probe in probes:
        try:
            probe()
        except NotemillError as error:
            found.refused(error)
        except (OSError, subprocess.SubprocessError) as error:
            found.refuse(
                f"on {host} this could not be looked at: {error}",
                where=host,
                remedy="try it by hand on such a node (srun --pty bash)",
            )
    Report(host=host, at=time.time(), findings=found).write(folder / REPORT)


def _host(host: str, found: Findings) -> None:
    job = os.environ.get("SLURM_JOB_ID", "")
    found.ok(
        f"{host}, Slurm job {job}: {len(os.sched_getaffinity(0))} CPUs, Python "
        f"{platform.python_version()}, notemill {notemill.__version__}"
    )


def _gpus(config: Config, host: str, found: Findings) -> None:
    names = {each.engine for each in config.experiments.values()}
    # The embedded engine, one at an address and endpoints use no GPU of the node.
    settings = {
        engine.gpu for engine in (config.engines[name] for name in names) if engine.takes_gpus
    } - {"off"}
    given = gpu_expected("auto")
    if settings and not given:
        tell = found.refuse if "required" in settings else found.warn
        tell(
            "the job was given no GPU, and the engine would compute on the CPU",
            where=host,
            remedy="does the profile ask for one (`gpu: 1` is in the rule; a `gres` may be what "
            "your site wants)? On purpose? Set the engine's gpu: off",
        )
    if not shutil.which("nvidia-smi"):
        if settings and given:
            found.warn(
                "no nvidia-smi here, so that nothing is known of the GPU",
                where=host,
                remedy="AMD's GPUs have none, and the engine shows itself whether it uses one; "
                "for NVIDIA's ask your site for the driver on this partition's nodes",
            )
        return
    done = subprocess.run(
        _GPUS,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=_ASK_S,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        words = (done.stdout + done.stderr).strip().splitlines()
        found.refuse(
            f"nvidia-smi fails: {words[-1] if words else f'status {done.returncode}'}",
            where=host,
            remedy="tell your site: this node's GPU or driver is out of order",
        )
        return
    for line in done.stdout.splitlines():
        name, memory, driver = (part.strip() for part in line.rsplit(",", 2))
        found.ok(f"GPU {name}, {memory}, driver {driver}")


def _results(folder: Path, found: Findings) -> None:
    place = folder / "from-the-node"
    place.write_bytes(b"x" * 4096)
    if place.read_bytes() != b"x" * 4096:
        found.refuse(
            "what is written below results is not what is read there",
            where=str(folder),
            remedy="tell your site: this file system is damaged on the node",
        )
    free = shutil.disk_usage(folder).free
    found.ok(f"results is seen and written there, {size(free)} free")
    try:
        with closing(LockedFile(folder / LOCK)):
            found.warn(
                "a file that the login node has locked is not locked there",
                where=str(folder),
                remedy="two snakemakes could answer one shard at once: run one at a time, and let "
                "none run on when you start another; a file system with locks is better (NFS 4, "
                "Lustre with -o flock)",
            )
    except NotemillError as error:
        if "another job is" not in error.what:
            raise
        found.ok("a lock of the login node holds there too")


def _database(config: Config, database: tuple[str, int] | None, found: Findings) -> None:
    if database is None:
        return
    host, port = database
    needed = config.the_database.reached_from == "compute"
    if not port:
        problem = "" if os.access(host, os.R_OK | os.W_OK) else "it is not there or not yours"
        place = host
    else:
        place, problem = f"{host}:{port}", ""
        try:
            socket.create_connection((host, port), _CONNECT_S).close()
        except OSError as error:
            problem = str(error)
    if not problem:
        found.ok(
            f"the database at {place} is reached from there" + ("" if needed else ", not needed")
        )
    elif needed:
        found.refuse(
            f"the database at {place} is not reached from there: {problem}",
            where="database.reached_from: compute",
            remedy="set reached_from: login if the node you start snakemake on reaches it, or ask "
            "for a way through the firewall",
        )
    else:
        found.ok(f"the database at {place} is not reached from there, and need not be")


if __name__ == "__main__":
    os.umask(0o077)
    look(Path(sys.argv[1]))
