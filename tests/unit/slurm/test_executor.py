"""What is added to the Slurm plugin's executor, as far as it needs no Slurm."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
import snakemake_executor_plugin_slurm as plugin
from snakemake_interface_common.exceptions import WorkflowError

from notemill.config.database import PASSWORD_VARIABLE
from notemill.slurm.asking import is_away
from notemill.slurm.executor import refuse_unknown_plugin, submit_command

REPOSITORY = Path(__file__).parents[3]


def test_another_plugin_than_the_one_tried_is_refused() -> None:
    refuse_unknown_plugin(version("snakemake-executor-plugin-slurm"))
    with pytest.raises(WorkflowError, match=r"slurm 2\.9\.0 was never tried.*(\n.*)*lock"):
        refuse_unknown_plugin("2.9.0")


def test_the_plugin_has_what_is_put_on_top_of_it() -> None:
    report = inspect.signature(plugin.Executor._report_job_error_threadsafe)
    assert list(report.parameters) == ["self", "job_info", "msg"]
    for name in ("run_job", "check_active_jobs", "get_account_arg", "shutdown", "cancel"):
        assert callable(getattr(plugin.Executor, name))
    assert "get_submit_command(" in inspect.getsource(plugin.Executor.run_job)


def test_only_a_rule_that_uses_the_database_is_submitted_with_its_password() -> None:
    parameters = {
        "run_uuid": "run",
        "slurm_logfile": "log",
        "comment_str": "rule",
        "account": "",
        "partition": "",
        "workdir": "",
    }
    with_db, without = (
        submit_command(SimpleNamespace(resources=resources, threads=1), parameters)
        for resources in ({"db": 1}, {})
    )
    assert with_db.startswith("sbatch ")
    assert without == f"env -u {PASSWORD_VARIABLE} -u PGPASSWORD {with_db}"


@pytest.mark.parametrize(
    "message",
    [
        # As Slurm 22.05 says it: stopped, hanging, and the database of accounts.
        "sbatch: error: Batch job submission failed: Unable to contact slurm controller "
        "(connect failure)",
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
        "sacctmgr: error: Sending PersistInit msg: Connection refused",
    ],
)
def test_an_absent_controller_is_known_by_what_its_commands_say(message: str) -> None:
    assert is_away(message)


@pytest.mark.parametrize(
    "message",
    [
        "sbatch: error: invalid partition specified: nowhere",
        "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy "
        "(job submit limit, user's size and/or time limits)",
        "The given account mylab appears to be invalid.",
    ],
)
def test_a_refusal_is_not_an_absence(message: str) -> None:
    assert not is_away(message)


def test_a_script_runs_without_a_password_that_it_does_not_use() -> None:
    script = (
        "from pathlib import Path; "
        "from notemill.database.password import leave_password_out as leave; "
        "leave(); print(Path('/proc/self/environ').read_bytes())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        env={**os.environ, PASSWORD_VARIABLE: "secret-word", "ANOTHER": "kept-word"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "secret-word" not in done.stdout
    assert PASSWORD_VARIABLE not in done.stdout
    assert "kept-word" in done.stdout
