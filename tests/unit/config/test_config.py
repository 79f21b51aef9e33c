"""notemill.config: what is accepted, and one clear line for everything that is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from notemill.answers.columns import OWN_COLUMNS
from notemill.answers.shard import OUTCOME_FIELDS
from notemill.config import read_config
from notemill.notes.shard import notes_schema
from tests.unit.config.changes import ABSENT, changed, refusal
from tests.unit.conftest import config, config_values

ROOT = Path(__file__).parents[3]


def test_defaults_are_the_documented_ones() -> None:
    read = config()
    assert (read.results, read.tasks) == (Path("results"), Path("config/tasks"))
    assert read.cohorts_of("cough") == ["chest"]
    assert read.experiments["cough"].failures == "r_failures"
    assert read.experiments["cough"].answer_prefix == "llm_"
    assert read.engines["local"].slots == "auto"


def test_the_configurations_of_the_repository_are_accepted() -> None:
    for file in (ROOT / "config").glob("*.yaml"):
        read_config(yaml.safe_load(file.read_text()))


def test_a_home_is_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    values = config_values(
        results="~/x",
        tasks="~/x",
        database={
            "url": "mysql+pymysql://db.example.org/clinic",
            "option_file": "~/x",
            "tls": {"ca": "~/x", "cert": "~/x", "key": "~/x"},
        },
        engines={
            "local": {"kind": "ollama", "models": "~/x"},
            "embedded": {"kind": "llamacpp", "weights": "~/x"},
            "started": {"kind": "openai", "command": ["x"], "weights": "~/x"},
            "address": {"kind": "openai", "address": "https://h/v1", "api_key_file": "~/x"},
        },
    )
    read = read_config(values).model_dump_json()
    assert (read.count('"/home/me/x"'), read.count("~")) == (10, 0)


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        # missing and misspelt keys
        (
            "database",
            ABSENT,
            "cohorts.chest.query: there is no `database`; name one, or read `files`",
        ),
        ("results", "a {b}", "results: a path with { or }, which Snakemake takes for a wildcard"),
        ("cohorts.chest.query", ABSENT, "cohorts.chest: name either `query` or `files`"),
        ("cohorts.chest.files", "notes.csv", "cohorts.chest: name either `query` or `files`"),
        ("cohorts.chest.id_columns", ABSENT, "cohorts.chest: id_columns is missing"),
        ("cohorts.chest.text_column", ABSENT, "cohorts.chest: text_column is missing"),
        ("cohorts.chest.text_column", "a b", "cohorts.chest: text_column: use letters, digits"),
        ("cohorts.chest.files", ["a.csv", ""], "cohorts.chest.files: a path is empty"),
        ("engines.local.models", ABSENT, "engines.local.models: missing"),
        ("experiments.cough.results_table", ABSENT, "experiments.cough: say where the answers go"),
        (
            "experiments.cough.outputs",
            "a.txt",
            "a.txt: a name that ends in .parquet, .csv or .jsonl",
        ),
        ("experiments.cough.outputs", ["a.parquet.gz"], "says how rows are written"),
        ("experiments.cough.outputs", "{visit}.csv", "{visit} is nothing that a name can hold"),
        ("experiments.cough.outputs", "a{.csv", "a{.csv: a single { or }"),
        ("databse", {}, "databse: unknown key; did you mean 'database'?"),
        ("engines.local.modles", "x", "engines.local.modles: unknown key; did you mean 'models'?"),
        ("database.password", "hunter2", "database.password: unknown key"),
        (
            "experiments.cough.temperature",
            1,
            "experiments.cough.temperature: unknown key here; it belongs into another section",
        ),
        ("experiments.cough.options.num_ctxt", 1, "did you mean 'num_ctx'?"),
        # names
        ("cohorts.a-b", config_values()["cohorts"]["chest"], "cohorts.a-b: use letters, digits"),
        ("experiments.cough.results_table", "a-b", "cough.results_table: use letters, digits"),
        ("cohorts.chest.id_columns", ["a b"], "cohorts.chest.id_columns.0: use letters, digits"),
        ("experiments.cough.answer_prefix", "1", "cough.answer_prefix: use letters, digits"),
        ("experiments.cough.model", "a b", "experiments.cough.model: use a model's name and tag"),
        ("experiments.cough.digest", "abc", "experiments.cough.digest: use the whole sha256"),
        ("experiments.cough.engine", "x", "cough.engine: 'x' is not one of `engines` (local)"),
        ("experiments.cough.cohorts", ["x"], "cohorts: 'x' is not one of `cohorts` (chest)"),
        # values
        ("cohorts", {}, "cohorts: Dictionary should have at least 1 item"),
        ("cohorts.chest.query", "", "cohorts.chest.query: String should have at least 1 character"),
        ("cohorts.chest.id_columns", [], "cohorts.chest.id_columns: List should have at least 1"),
        ("cohorts.chest.id_columns", "visit", "id_columns: write a list: [one, another]"),
        ("cohorts.chest.shards", 0, "cohorts.chest.shards: Input should be greater than or equal"),
        ("cohorts.chest.shards", "many", "cohorts.chest.shards: Input should be a valid integer"),
        ("cohorts.chest.same_id_different_text", "new", "should be 'error', 'first' or 'last'"),
        ("experiments.cough.max_failed_share", 2, "should be less than or equal to 1"),
        (
            "experiments.cough.options",
            {"num_predict": 4096},
            "must be smaller than options.num_ctx",
        ),
        ("experiments.cough.results_table", "r" * 60, "longer than a table's name may be (64)"),
        ("experiments.cough.model", "m" * 256, "should have at most 255 characters"),
        # upper and lower case
        (
            "cohorts.CHEST",
            config_values()["cohorts"]["chest"],
            "cohorts.CHEST: differs from chest in upper and lower case alone",
        ),
        (
            "experiments.Cough",
            config_values()["experiments"]["cough"],
            "experiments.Cough: differs from cough in upper and lower case alone",
        ),
        # columns
        (
            "cohorts.chest.id_columns",
            ["NOTE"],
            "cohorts.chest: id_columns and text_column name one",
        ),
        ("cohorts.chest.id_columns", ["visit", "Visit"], "name one column twice"),
        # the database
        ("database.url", "postgresql://h/d", "database.url: starts with 'postgresql'; write mysql"),
        ("database.url", "h/d", "database.url: starts with ''; write mysql"),
        ("database.url", "mysql+pymysql://me:hunter2@h/d", "holds a password; take it out"),
        ("database.url", "mysql+pymysql://me:hun/ter2@h/d", "holds a password; take it out"),
        ("database.url", "mysql+pymysql://me@h/d?password=hunter2", "holds a password; take it"),
        ("database.url", "mysql+pymysql://h/d?a=1&passwd=hunter2", "holds a password; take it out"),
        ("database.reached_from", "home", "reached_from: Input should be 'login' or 'compute'"),
        # engines
        ("engines.local.kind", "olama", "engines.local.kind: missing or unknown; write ollama or"),
        ("engines.local.kind", ABSENT, "engines.local.kind: missing or unknown; write ollama or"),
        ("engines.local.gpu", "yes", "engines.local.gpu: Input should be 'auto', 'required' or"),
        ("engines.x", {"kind": "openai"}, "engines.x: give `address` (a running"),
        (
            "engines.x",
            {"kind": "openai", "address": "https://h/v1", "command": ["a"]},
            "engines.x: give either `address` or `command`, not both",
        ),
        (
            "engines.x",
            {"kind": "openai", "address": "http://h/v1"},
            "engines.x: `address` sends notes over the network unencrypted; use https://",
        ),
        (
            "engines.x",
            {"kind": "openai", "address": "http://127.0.0.1.evil.org/v1"},
            "unencrypted",
        ),
    ],
)
def test_what_is_wrong_is_named_on_one_line(path: str, value: Any, line: str) -> None:
    error = refusal(changed(path, value))
    lines = error.what.splitlines()
    assert len(lines) == 2
    assert line in lines[1]
    assert "hunter2" not in str(error)
    assert "ter2" not in str(error)


@pytest.mark.parametrize("values", [None, [], "x", {}])
def test_a_file_without_sections_is_refused(values: Any) -> None:
    assert "does not fit" in refusal(values).what


def test_all_wrong_keys_are_named_at_once() -> None:
    values = changed("cohorts.chest.shards", 0)
    values["engines"]["local"]["slots"] = 0
    values["more"] = 1
    assert len(refusal(values).what.splitlines()) == 4


@pytest.mark.parametrize(
    "url",
    [
        "mysql+pymysql://h/d",
        "mysql+pymysql://me@h:3306/d?charset=utf8mb4",
        "sqlite:///file.sqlite",
        "sqlite:////at/the:root@x/file.sqlite",
    ],
)
def test_addresses_without_a_password_pass(url: str) -> None:
    assert read_config(changed("database.url", url)).database.url == url


@pytest.mark.parametrize(
    "address",
    ["https://h/v1", "http://127.0.0.1:8000/v1", "http://localhost/v1", "http://[::1]:80"],
)
def test_encrypted_and_loopback_addresses_pass(address: str) -> None:
    read_config(changed("engines.x", {"kind": "openai", "address": address}))


@pytest.mark.parametrize(
    "engine",
    [{"kind": "llamacpp", "weights": "m.gguf"}, {"kind": "openai", "command": ["vllm", "{port}"]}],
)
def test_an_engine_that_the_job_starts_passes(engine: dict[str, Any]) -> None:
    read_config(changed("engines.x", engine))


def test_the_embedded_engines_former_spelling_is_told_the_new_one() -> None:
    refused = refusal(changed("engines.x", {"kind": "openai", "weights": "m.gguf"}))
    assert "write `kind: llamacpp`" in refused.what


def test_no_column_of_notemills_own_is_forgotten() -> None:
    """Those of the tables: test_tables.py."""
    assert OWN_COLUMNS.issuperset(notes_schema([]).names)
    assert OWN_COLUMNS.issuperset(field.name for field in OUTCOME_FIELDS)


def test_an_experiments_id_fits_into_its_column() -> None:
    longest = changed(f"experiments.{'e' * 40}", config_values()["experiments"]["cough"])
    read_config(longest)
    assert len("e" * 40 + "-" + "0" * 12) <= 64  # docs/data-model.md


@pytest.mark.parametrize(
    ("engine", "line"),
    [
        ({"address": "https://h/v1", "gpu": "required"}, "can't be proven of an `address`"),
        ({"kind": "llamacpp", "weights": "/m.gguf", "gpu": "required"}, "of the embedded llama"),
        ({"command": ["x"], "api_key_file": "/k"}, "`api_key_file` belongs to an `address`"),
    ],
)
def test_what_an_engine_could_not_do_is_refused(engine: dict[str, Any], line: str) -> None:
    assert line in refusal(changed("engines.other", {"kind": "openai"} | engine)).what
