"""A shard's job and its Ollama: what is wrong is told at the start, and nothing outlives it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from notemill.answers.job import answer_shards
from notemill.errors import NotemillError
from tests.processes import environment_of
from tests.servers.shard_site import SICK, WELL, ShardSite, one
from tests.unit.engines.waiting import until


@pytest.mark.parametrize(
    ("faults", "engine", "message"),
    [
        ([{"fault": "version", "value": "0.30.0"}], {}, "counts cached tokens as none"),
        ([{"fault": "version", "value": "0.12.5"}], {}, "cuts prompts that are too long"),
        ([{"fault": "version", "value": "1.2.3"}, {"fault": "cuts"}], {}, "longer than num_ctx"),
        ([{"fault": "wrong_digest"}], {}, "has the digest 000000000000"),
        ([{"fault": "size_vram", "value": 0}], {"gpu": "required"}, "are on the GPU"),
        ([{"fault": "size_vram", "value": 0.7}], {"gpu": "required"}, "are on the GPU"),
        ([{"fault": "context_length", "value": 512}], {}, "runs with a context of 512"),
        ([{"fault": "ignores_schema"}], {}, "does not hold to a JSON schema"),
        ([{"fault": "native_key_order"}], {}, "alphabetical order"),
        (
            [{"fault": "error_500", "value": "invalid JSON schema in format"}],
            {},
            "refuses the request: status 500, invalid JSON schema in format",
        ),
        ([{"fault": "error_500", "value": "no memory"}], {}, "before the first note: status 500"),
        *(
            (
                [{"fault": "load_fails", "value": words}],
                {},
                f"can't load the model: {words[:20]}(.|\n)*when memory is short: fewer slots",
            )
            for words in (
                "model requires more system memory (24.0 GiB) than is available (7.5 GiB)",
                "llama runner process has terminated: cudaMalloc failed: out of memory",
                "model runner has unexpectedly stopped, this may be due to resource limitations",
            )
        ),
    ],
)
def test_what_is_wrong_with_a_server_is_said_before_the_first_note(
    tmp_path: Path, faults: list[dict[str, Any]], engine: dict[str, Any], message: str
) -> None:
    site = ShardSite(tmp_path, [SICK], engine=engine, faults=faults)
    with pytest.raises(NotemillError, match=message):
        site.answer()
    if (tmp_path / "asked.jsonl").exists():
        assert all(SICK not in str(request) for request in site.asked())


def test_a_gpu_that_was_given_must_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert one(ShardSite(tmp_path, [SICK], engine={"gpu": "auto"}))["status"] == "answered"


def test_a_model_that_is_not_in_the_store_is_named(tmp_path: Path) -> None:
    site = ShardSite(tmp_path, [SICK], experiment={"model": "llama9:1b"})
    with pytest.raises(
        NotemillError, match="'llama9:1b' is not in the store, which holds: standin"
    ):
        site.answer()


def test_a_missing_model_is_pulled_where_allowed(tmp_path: Path) -> None:
    site = ShardSite(tmp_path, [SICK], engine={"pull": True}, experiment={"model": "other:1b"})
    assert one(site)["status"] == "answered"


def test_notes_that_are_not_the_manifests_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "other").mkdir()
    site = ShardSite(tmp_path / "mine", [SICK])
    other = ShardSite(tmp_path / "other", [WELL])
    site.job().notes.write_bytes(other.job().notes.read_bytes())
    with pytest.raises(NotemillError, match="does not hold the notes that its manifest tells of"):
        site.answer()


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    site = ShardSite(tmp_path, [SICK], engine={"command": ["/opt/no/such/ollama"]})
    with pytest.raises(NotemillError, match="can't be run"):
        site.answer()


def test_a_command_that_takes_no_serve_is_told_with_its_last_words(tmp_path: Path) -> None:
    site = ShardSite(tmp_path, [SICK])
    site.engine = {"command": [*site.config.engines["engine"].command, "--host=0.0.0.0"]}
    with pytest.raises(NotemillError, match="unknown flag"):
        site.answer()


def test_a_setup_runs_before_the_command(tmp_path: Path) -> None:
    site = ShardSite(tmp_path, [SICK], engine={"setup": f"echo loaded > {tmp_path}/module"})
    assert one(site)["status"] == "answered"
    assert (tmp_path / "module").read_text() == "loaded\n"


def test_nothing_of_a_server_outlives_its_job(tmp_path: Path) -> None:
    ShardSite(tmp_path, [SICK]).answer()
    assert not servers_of(tmp_path)


def test_sigterm_ends_the_job_with_its_server_and_keeps_the_journal(tmp_path: Path) -> None:
    notes = [f"{n}: {SICK}" for n in range(200)]
    site = ShardSite(tmp_path, notes, faults=[{"fault": "slow", "value": 0.2, "match": SICK}])
    site.job()  # records the model
    child = os.fork()
    if child == 0:
        run_as_job(site, tmp_path)
    journal = site.job().output.with_suffix(".journal.jsonl")
    until(lambda: journal.exists() and journal.read_text().count('"text"') >= 5)
    os.kill(child, 15)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 143
    assert not servers_of(tmp_path)
    kept = journal.read_text().count('"text"')
    assert kept >= 5
    assert not site.job().output.exists()
    site.faults = []
    (tmp_path / "asked.jsonl").unlink()
    assert {row["status"] for row in site.answer()} == {"answered"}
    asked = [request for request in site.asked() if request["options"]["num_predict"] == 128]
    assert len(asked) == 200 - kept


def run_as_job(site: ShardSite, folder: Path) -> None:
    """In a forked child: the job as a script runs it."""
    from notemill.logs import job_log  # noqa: PLC0415

    try:
        with job_log(folder / "job.log"):
            answer_shards([site.job()])
    except SystemExit as end:
        os._exit(int(end.code or 0))
    os._exit(0)


def servers_of(folder: Path) -> list[psutil.Process]:
    """Running processes whose environment names the folder: the server and its runner."""
    return [
        process
        for process in psutil.process_iter()
        if str(folder) in environment_of(process).get("OLLAMA_MODELS", "")
    ]
