"""The newer site itself: each of its three parts, and all of them under one workflow.

How PyMySQL 1.2.4 gets on with MySQL 9.7's caching_sha2_password, first connection (the server's
cache is cold) and later ones (warm):

    TLS (also opportunistic, the default)      works, cold and warm, with `cryptography` or without
    no TLS, `cryptography` installed           works, cold and warm
    no TLS, no `cryptography`, cold            RuntimeError: 'cryptography' package is required ...
    no TLS, no `cryptography`, warm            works

Without TLS means the client's `ssl_disabled` as well as a server that has none. By default PyMySQL
checks no certificate; with `ssl_ca` it does; `ssl_verify_identity` refuses a server's
self-made certificate, which names no host.
"""

import sys
from pathlib import Path
from typing import Any

import pymysql
import pytest

from tests.servers.site.root import versions
from tests.servers.site.site import Site

pytestmark = pytest.mark.site


def test_the_parts_are_newer_than_the_stable_release(site: Site) -> None:
    found = {name: version.split(":")[-1] for name, version in versions().items()}
    for package, stable in {"mysql-server-core": 8, "slurm-wlm": 22, "apptainer": 0}.items():
        assert int(found[package].split(".")[0]) > stable, found
    assert site.slurm.run("sinfo", "--version").split()[1] in found["slurm-wlm"]
    assert site.mysql.execute("SELECT VERSION()")[0][0] == found["mysql-server-core"]


@pytest.mark.parametrize(
    ("options", "tls"),
    [({}, True), ({"ssl_disabled": True}, False), ({"ssl_ca": "ca.pem"}, True)],
)
def test_first_and_second_connection(site: Site, options: dict[str, Any], tls: bool) -> None:
    if "ssl_ca" in options:
        options = {"ssl_ca": str(site.mysql.certificate)}
    site.mysql.execute("FLUSH PRIVILEGES")  # empties the cache of passwords
    for _ in ("first", "second"):
        with site.mysql.connect(**options) as connection, connection.cursor() as cursor:
            cursor.execute("SHOW STATUS LIKE 'Ssl_version'")
            version = cursor.fetchone()[1]
            assert version.startswith("TLS") if tls else version == ""


def test_without_tls_a_first_connection_needs_cryptography(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pymysql._auth._have_cryptography", False)
    site.mysql.execute("FLUSH PRIVILEGES")
    with pytest.raises(RuntimeError, match="'cryptography' package is required"):
        site.mysql.connect(ssl_disabled=True)
    site.mysql.connect().close()  # by TLS, which warms the cache
    site.mysql.connect(ssl_disabled=True).close()


def test_wrong_password_is_refused(site: Site) -> None:
    with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
        site.mysql.connect(password="wrong")


def test_rows_survive_a_kill_of_mysql(site: Site) -> None:
    with site.mysql.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE note (text TEXT)")
        cursor.execute("INSERT INTO note VALUES (%s)", ("naïve 🩺",))
        connection.commit()
    site.mysql.kill()
    site.mysql.restart()
    with site.mysql.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT text FROM note")
        assert cursor.fetchall() == (("naïve 🩺",),)


def test_a_node_down_and_back(site: Site) -> None:
    site.slurm.set_node_down("n2")
    assert site.slurm.sinfo()["n2"] == "down"
    site.slurm.resume_node("n2")


SNAKEFILE = """\
rule all:
    input: expand("{shard}.txt", shard=range(2))
rule answer:
    output: "{shard}.txt"
    resources: gpu=1, mem_mb=4000, runtime=5, slurm_partition="gpu"
    shell: "CONTAINER /opt/hello {wildcards.shard} > {output}"
"""
PROGRAM = """\
#!/bin/sh
echo "shard $1, GPU $CUDA_VISIBLE_DEVICES, in $APPTAINER_NAME"
"""


def test_a_workflow_runs_containers_in_gpu_jobs(site: Site, tmp_path: Path) -> None:
    program = tmp_path / "hello"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    container = " ".join(site.container(program))
    (tmp_path / "Snakefile").write_text(SNAKEFILE.replace("CONTAINER", container))

    command = [sys.executable, "-m", "snakemake", "--executor", "slurm", "--jobs", "2"]
    command += ["--default-resources", f"slurm_account={site.slurm.account}"]
    command += ["--slurm-init-seconds-before-status-checks", "2"]
    command += ["--seconds-between-status-checks", "2"]
    done = site.run(command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr

    for shard in range(2):
        said = (tmp_path / f"{shard}.txt").read_text()
        assert said.startswith(f"shard {shard}, GPU ")
        assert said.endswith(", in hello.sif\n")
    jobs = site.slurm.sacct(fields="State,Partition,Comment,AllocTRES")
    answers = [job for job in jobs if job["Comment"].startswith("rule_answer")]
    assert [job["State"] for job in answers] == ["COMPLETED"] * 2
    assert all("gres/gpu=1" in job["AllocTRES"] for job in answers)
