"""The test servers themselves: that they are real, and that they can be broken and mended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pymysql
import pytest

from tests.servers import debian
from tests.servers.daemon import ServerFailed
from tests.servers.mariadb import MariaDB
from tests.servers.slurm import SlurmCluster

PROJECT = Path(__file__).parents[2]


def test_rows_survive_a_kill_of_the_server(database: MariaDB) -> None:
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE note (text TEXT)")
        cursor.execute("INSERT INTO note VALUES (%s)", ("naïve 🩺",))
        connection.commit()

    database.kill()
    with pytest.raises(pymysql.err.OperationalError):
        database.connect()
    database.restart()

    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT text FROM note")
        assert cursor.fetchall() == (("naïve 🩺",),)


def test_option_file_logs_in(database: MariaDB, tmp_path: Path) -> None:
    options = database.option_file(tmp_path / "my.cnf")
    assert options.stat().st_mode & 0o777 == 0o600
    with (
        pymysql.connect(read_default_file=str(options)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT CURRENT_USER()")
        assert cursor.fetchone() == (f"{database.user}@%",)


@pytest.mark.parametrize(
    "credentials", [{"password": "wrong"}, {"password": ""}, {"user": "root", "password": ""}]
)
def test_wrong_credentials_are_refused(database: MariaDB, credentials: dict[str, str]) -> None:
    with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
        database.connect(**credentials)


def test_a_server_that_cannot_start_shows_its_log(database: MariaDB) -> None:
    with pytest.raises(ServerFailed, match="unknown variable 'no-such-option=1'"):
        MariaDB("--no-such-option=1").__enter__()


def test_nothing_outlives_a_killed_owner(database: MariaDB, tmp_path: Path) -> None:
    """Neither the server nor what it sent into the background, here by `setsid`."""
    background = "setsid sleep 987654 & exec sleep 987653"
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from tests.servers.daemon import Daemon\n"
        f"daemon = Daemon(['sh', '-c', {background!r}], Path({str(tmp_path / 'log')!r}))\n"
        "print('up', flush=True)\n"
        "time.sleep(60)\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", script], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "up\n"
    wait_for(lambda: len(sleepers()) == 2)

    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    wait_for(lambda: not sleepers())


def sleepers() -> list[psutil.Process]:
    commands = (["sleep", "987653"], ["sleep", "987654"])
    return [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] in commands]


def test_gpu_job(cluster: SlurmCluster, tmp_path: Path) -> None:
    output = tmp_path / "output"
    job = cluster.run(
        "sbatch",
        "--parsable",
        "--wait",
        "--partition=gpu",
        "--gpus=1",
        "--mem=8G",
        "--time=5",
        "--signal=TERM@60",
        f"--account={cluster.account}",
        f"--output={output}",
        "--wrap=echo GPU $CUDA_VISIBLE_DEVICES",
    ).strip()
    assert output.read_text() == "GPU 0\n"

    # Accounting hears of a short job's end first, and of its beginning a little later.
    expected = {"State": "COMPLETED", "Partition": "gpu", "Account": cluster.account}
    wait_for(lambda: cluster.sacct("-j", job, fields=",".join(expected)) == [expected])
    assert "gres/gpu=1" in cluster.sacct("-j", job, fields="AllocTRES")[0]["AllocTRES"]


def test_more_gpu_jobs_than_gpus(cluster: SlurmCluster) -> None:
    jobs = [submit(cluster, "--gpus=1", "--mem=8G") for _ in range(5)]
    wait_for(lambda: sorted(cluster.squeue().values()) == ["PENDING"] + ["RUNNING"] * 4)
    cluster.run("scancel", *jobs)
    wait_for(lambda: not cluster.squeue())


def test_node_down_and_back(cluster: SlurmCluster) -> None:
    job = submit(cluster, "--no-requeue", "--nodelist=n1")
    wait_for(lambda: cluster.squeue().get(job) == "RUNNING")
    cluster.set_node_down("n1")
    wait_for(lambda: cluster.sacct("-j", job)[0]["State"] == "NODE_FAIL")
    assert cluster.sinfo()["n1"] == "down"
    cluster.resume_node("n1")
    assert cluster.sinfo() == {"n1": "idle", "n2": "idle"}


def test_a_job_outlives_its_slurmd(cluster: SlurmCluster, tmp_path: Path) -> None:
    done = tmp_path / "done"
    job = submit(cluster, "--nodelist=n2", work=f"sleep 3; touch {done}")
    wait_for(lambda: cluster.squeue().get(job) == "RUNNING")
    cluster.kill_slurmd("n2")
    wait_for(done.exists)
    cluster.start_slurmd("n2")
    wait_for(lambda: cluster.sacct("-j", job)[0]["State"] == "COMPLETED")


SNAKEFILE = """\
rule all:
    input: expand("{shard}.txt", shard=range(2))
rule say_place:
    output: "{shard}.txt"
    resources: gpu=1, mem_mb=4000, runtime=5, slurm_partition="gpu"
    shell: "echo $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES > {output}"
"""


def test_snakemake_runs_its_jobs_on_the_gpus(cluster: SlurmCluster, tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    command = [sys.executable, "-m", "snakemake", "--executor", "slurm", "--jobs", "2"]
    command += ["--default-resources", f"slurm_account={cluster.account}"]
    command += ["--slurm-init-seconds-before-status-checks", "2"]
    command += ["--seconds-between-status-checks", "2"]
    done = subprocess.run(
        command, check=False, cwd=tmp_path, env=cluster.environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr

    places = {(tmp_path / f"{shard}.txt").read_text().strip() for shard in range(2)}
    assert places <= {"n1 0", "n1 1", "n2 0", "n2 1"}
    jobs = cluster.sacct(fields="State,Partition,Comment,AllocTRES")
    ours = [job for job in jobs if job["Comment"].startswith("rule_say_place")]
    assert [job["State"] for job in ours] == ["COMPLETED"] * 2
    assert all("gres/gpu=1" in job["AllocTRES"] for job in ours)


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "_root_prefix", lambda: None)
    with pytest.raises(debian.Missing, match="no-such-package"):
        debian.ensure(["no-such-package"])


def test_installing_holds_services_and_leaves_no_trace(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(debian, "POLICY", str(policy))
    with debian._services_held([]):
        asked = subprocess.run([policy, "some-service", "start"], check=False)
        assert asked.returncode == 101
    assert not policy.exists()


@pytest.mark.parametrize(
    ("environment", "outcome"),
    [
        ({}, pytest.skip.Exception),
        ({"CI": "true"}, pytest.fail.Exception),
        ({"NOTEMILL_REQUIRE_SERVERS": "1"}, pytest.fail.Exception),
    ],
)
def test_missing_servers_skip_or_fail(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], outcome: type[BaseException]
) -> None:
    for name in ("CI", "NOTEMILL_REQUIRE_SERVERS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(outcome, match="no server"):
        debian.skip_or_fail("no server")


def submit(cluster: SlurmCluster, *options: str, work: str = "sleep 60") -> str:
    silent = f"--output={os.devnull}"
    return cluster.run("sbatch", "--parsable", silent, *options, f"--wrap={work}").strip()


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "condition not met"
        time.sleep(0.2)
