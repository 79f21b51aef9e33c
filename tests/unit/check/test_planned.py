"""`notemill check` by itself: from files alone, everything at once."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from rich.console import Console

from notemill.check.finding import Finding
from notemill.cli.check import print_findings
from notemill.config.database import PASSWORD_VARIABLE
from notemill.files import write_text
from notemill.paths import Layout
from notemill.plan.runs import plan_runs
from tests.unit.check.conftest import Checked, files, one
from tests.unit.conftest import write_task


def test_all_refusals_come_at_once_each_with_where_and_remedy(checked: Checked) -> None:
    checked.clinic.fill((1, "x"))
    checked.clinic.extract()
    checked.cohort["query"] = "SELECT visit, note FROM notes WHERE visit > 0"
    write_task(checked.folder / "tasks", "class Nothing: pass\n", name="empty")
    good = checked.experiment
    checked.values["experiments"] |= {
        "fever": good | {"task": "absent", "results_table": "a"},
        "ache": good | {"task": "empty", "results_table": "b"},
        "rash": good | {"results_table": "r_failures"},
        "other": good | {"results_table": "c", "model": "m:2"},
    }
    checked.values["database"] = {"url": "mysql+pymysql://db/clinic", "option_file": "/absent"}
    found = checked.found()
    refused = [each for each in found if each["level"] == "refusal"]
    assert checked.status == 1
    for words in (
        "with another query",
        "absent",
        "schema.py",
        "r_failures is the table of failures already",
        "does not have m:2; it holds: m:1",
        "option_file can't be read",
    ):
        assert any(words in each["what"] + each["where"] for each in refused), words
    assert len(refused) == 6
    assert all(each["where"] and each["remedy"] for each in found if each["level"] != "ok")
    assert one(found, "experiment cough-")["level"] == "ok"
    said = {"nothing else of experiment fever was looked at"}
    assert said < {detail for each in refused for detail in each["details"]}


def test_nothing_is_written_and_a_second_check_says_the_same(checked: Checked) -> None:
    before = files(checked.folder) | {checked.folder / "my.yaml": b""}

    def text() -> str:
        return re.sub(r"[\d.]+ GiB free", "", checked.text())

    first = text()
    assert files(checked.folder).keys() == before.keys()
    assert text() == first
    assert checked.status == 0
    assert not checked.clinic.layout.results.exists()


def test_a_configuration_that_cannot_be_read_is_a_finding_for_scripts_too(
    checked: Checked,
) -> None:
    checked.values["databse"] = {}
    (finding,) = checked.found()
    assert checked.status == 1
    assert finding["level"] == "refusal"
    assert "did you mean 'database'?" in finding["what"]
    assert finding["details"] == ["nothing else was looked at"]


def test_tables_are_told_in_the_words_of_the_database(checked: Checked) -> None:
    columns, key = one(checked.found(), "table r")["details"]
    assert columns.startswith("visit as in your table, llm_response VARCHAR(255), llm_reason TEXT")
    assert key == "key: visit, experiment, cohort"
    checked.clinic.fill((1, "x"))
    checked.clinic.extract()
    assert one(checked.found(), "table r")["details"][0].startswith("visit BIGINT, llm_response")
    checked.values["database"] = {"url": "mysql+pymysql://db.example.org/clinic"}
    found = checked.found()
    assert "llm_reason MEDIUMTEXT" in one(found, "table r")["details"][0]
    failures, _ = one(found, "table r_failures")["details"]
    assert failures.startswith("visit BIGINT, status VARCHAR(32), detail MEDIUMTEXT")
    experiments, key = one(found, "table notemill_experiments")["details"]
    assert "system_prompt MEDIUMTEXT" in experiments
    assert key == "key: experiment, cohort"


def test_it_says_which_field_is_the_evidence_and_refuses_one_that_is_none(
    checked: Checked,
) -> None:
    file = checked.folder / "tasks" / "cough" / "task.yaml"
    file.write_text("evidence: reason")
    assert (
        "evidence: reason, words of the note"
        in one(checked.found(), "experiment cough-")["details"]
    )
    assert "evidence_grade VARCHAR(32)" in one(checked.found(), "table r")["details"][0]
    file.write_text("evidence: response")
    (refused,) = [each for each in checked.found() if each["level"] == "refusal"]
    assert refused["where"] == str(file)
    assert "can't hold a quote" in refused["what"]


def test_results_on_disk_are_told_from_new_ones(checked: Checked) -> None:
    def there() -> str:
        *_, said = one(checked.found(), "experiment cough-")["details"]
        return str(said)

    assert there() == "chest: new results"
    (run,) = plan_runs(checked.config)
    layout = Layout(checked.config.results)
    shard = layout.answers("chest", run.experiment_id, "cut-0003", "0001")
    write_text(shard, "")
    write_text(shard.with_suffix(".journal.jsonl"), "")
    assert there() == "chest: 1 of 3 shards are answered already"
    checked.cohort["shards"] = 4
    assert "its answers are kept, no shard of this cut is done" in there()
    checked.cohort["shards"] = 3
    checked.experiment["options"] = {"seed": 7}
    assert (
        there() == f"chest: new results, beside those of {run.experiment_id}; every text is asked"
    )
    checked.experiment.pop("options")
    write_text(layout.load("chest", run.experiment_id), "")
    assert there() == "chest: answered and loaded before"


def test_shards_are_judged_by_the_texts_that_there_are(checked: Checked) -> None:
    checked.clinic.fill(*((n, f"note {n}") for n in range(30)))
    checked.clinic.extract()
    found = checked.found()
    assert one(found, "10 texts a shard")["where"] == "cohorts.chest.shards: 3"
    assert "30 notes, 30 texts to ask" in one(found, "cohort chest: 3 shards")["what"]
    checked.cohort["shards"] = 1
    found = checked.found()
    assert not [each for each in found if each["level"] == "warning"]
    assert "its answers move from 3 shards" in one(found, "cohort chest: 1 shard,")["what"]


def test_evaluations_are_told_and_their_gold_is_looked_for(checked: Checked) -> None:
    gold = checked.folder / "gold.csv"
    gold.write_text("visit,response\n1,yes\n")
    evaluation = {"cohort": "chest", "file": str(gold), "fields": ["response"]}
    missing = evaluation | {"file": str(checked.folder / "none.csv")}
    free_text = evaluation | {"fields": {"reason": "response"}}
    checked.values["evaluations"] = {"a": evaluation, "b": missing, "c": free_text}
    found = checked.found()
    assert one(found, "evaluation a: response of cough against")["level"] == "ok"
    assert one(found, "gold file of evaluation 'b' is not there")["level"] == "refusal"
    assert one(found, "field reason of task 'cough' is free text")["level"] == "refusal"
    assert one(found, "table notemill_evaluations")["level"] == "ok"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"max_failed_share": 1}, "no share of failed notes stops it"),
        ({"options": {"num_ctx": 1024, "num_predict": 900}}, "tokens are left for a note"),
    ],
)
def test_what_costs_is_a_warning_and_stops_nothing(
    checked: Checked, changes: dict[str, object], words: str
) -> None:
    assert words not in checked.text()
    checked.experiment.update(changes)
    assert one(checked.found(), words)["level"] == "warning"
    assert checked.status == 0


def test_the_model_must_be_the_one_that_the_first_job_would_want(checked: Checked) -> None:
    checked.experiment["digest"] = "0" * 64
    assert "the digest pinned for m:1 is 000" in checked.text()
    assert checked.status == 1
    checked.experiment["digest"] = checked.digest
    assert f"model m:1 is in {checked.folder / 'store'}, digest {checked.digest[:12]}" in (
        checked.text()
    )
    assert checked.status == 0
    checked.experiment["model"] = "m:2"
    checked.engine["pull"] = True
    assert "model m:2 will be pulled" in checked.text()
    checked.engine["models"] = str(checked.folder / "nowhere")
    assert checked.levels()[
        f"model m:2 will be pulled into {checked.folder}/nowhere, which is not there yet"
    ]
    checked.engine["command"] = ["apptainer", "exec", "/absent/ollama.sif", "ollama"]
    assert one(checked.found(), "the image in the engine's command is not there")["where"] == (
        "/absent/ollama.sif (engines.local.command)"
    )


def test_a_key_that_others_can_read_is_refused(checked: Checked) -> None:
    key = checked.folder / "key"
    key.write_text("sesame")
    key.chmod(0o644)
    checked.values["engines"]["local"] = {
        "kind": "openai",
        "address": "https://llm.example.org/v1",
        "api_key_file": str(key),
    }
    text = checked.text()
    assert "the file with the engine's key is open to others" in text
    assert "sesame" not in text
    key.unlink()
    assert "the file with the engine's key can't be read" in checked.text()


def test_no_password_and_no_note_is_printed(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "sesame")
    checked.clinic.fill((1, "PRIVATE"))
    checked.clinic.extract()
    text = checked.text() + checked.text("--json")
    assert "sesame" not in text
    assert "PRIVATE" not in text


def test_a_terminal_has_colours_and_a_pipe_has_words() -> None:
    finding = Finding(level="refusal", about="x", what="one\ntwo", where="here", remedy="do [it]")
    last = Finding(level="ok", about="x", what="fine")
    told = {}
    for terminal in (True, False):
        console = Console(file=StringIO(), force_terminal=terminal, width=60, _environ={})
        print_findings([finding, last], console)
        assert isinstance(console.file, StringIO)
        told[terminal] = console.file.getvalue()
    assert "\x1b[1;31mrefusal" in told[True]
    assert told[False] == (
        "ok       fine\n"
        "refusal  one\n"
        "         two\n"
        "           where: here\n"
        "           what to do: do [it]\n"
        "1 ok, 0 warnings, 1 refusal\n"
    )


def test_a_token_of_metrics_that_others_may_read_is_told_before_a_job_goes_unwatched(
    checked: Checked,
) -> None:
    token = checked.folder / "token"
    token.write_text("0123456789abcdef")
    token.chmod(0o644)
    checked.values["metrics"] = {"address": "0.0.0.0", "token_file": str(token)}
    told = one(checked.found(), "no metrics will be served")
    assert told["level"] == "warning" and str(token) in told["where"]
    assert told["remedy"] == f"chmod 600 {token}"
    token.chmod(0o600)
    assert not [each for each in checked.found() if "no metrics" in each["what"]]
