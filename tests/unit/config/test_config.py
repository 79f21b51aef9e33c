"""notemill.config: what is accepted, and one clear line for everything that is not."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from notemill.answers.columns import OWN_COLUMNS
from notemill.answers.shard import OUTCOME_FIELDS
from notemill.config import OllamaEngine, Options, read_config
from notemill.engines.ollama.server import _batch_environment
from notemill.engines.process import server_environment
from notemill.errors import NotemillError
from notemill.notes.shard import notes_schema
from tests.unit.conftest import config, config_values

ABSENT = object()
ROOT = Path(__file__).parents[3]


def changed(path: str, value: Any) -> dict[str, Any]:
    """The configuration with one key changed, 'cohorts.chest.shards' for instance."""
    values = copy.deepcopy(config_values())
    *sections, key = path.split(".")
    place = values
    for section in sections:
        place = place.setdefault(section, {})
    if value is ABSENT:
        del place[key]
    else:
        place[key] = value
    return values


def refusal(values: Any) -> NotemillError:
    with pytest.raises(NotemillError) as refused:
        read_config(values, where="my.yaml")
    assert refused.value.where == "my.yaml"
    return refused.value


def test_defaults_are_the_documented_ones() -> None:
    read = config()
    assert (read.results, read.tasks) == (Path("results"), Path("config/tasks"))
    assert read.cohorts_of("cough") == ["chest"]
    assert read.experiments["cough"].failures == "r_failures"
    assert read.experiments["cough"].answer_prefix == "llm_"
    assert read.engines["local"].slots == 8


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
        ("database", ABSENT, "database: missing"),
        ("results", "a {b}", "results: a path with { or }, which Snakemake takes for a wildcard"),
        ("cohorts.chest.query", ABSENT, "cohorts.chest.query: missing"),
        ("engines.local.models", ABSENT, "engines.local.models: missing"),
        ("experiments.cough.results_table", ABSENT, "experiments.cough.results_table: missing"),
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


class TestWhatNotemillSendsItself:
    """A setting that changes answers stands in `options`, or the experiment's row would lie."""

    ENGINE = "engines.local.environment"

    @pytest.mark.parametrize(
        ("variable", "instead"),
        [
            ("OLLAMA_MODELS", "write the engine's `models` instead"),
            ("OLLAMA_KV_CACHE_TYPE", "`kv_cache_type`"),
            ("OLLAMA_NUM_PARALLEL", "`slots`"),
            ("OLLAMA_CONTEXT_LENGTH", "`options.num_ctx`"),
            ("OLLAMA_FLASH_ATTENTION", "`flash_attention`"),
            ("OLLAMA_LOAD_TIMEOUT", "`start_timeout_s`"),
            ("OLLAMA_HOST", "a free port of its own"),
            ("OLLAMA_NOPRUNE", "notemill sets it"),
            ("OLLAMA_NO_CLOUD", "notemill sets it"),
            ("OLLAMA_KEEP_ALIVE", "notemill sets it"),
            ("OLLAMA_MAX_LOADED_MODELS", "notemill sets it"),
            ("OLLAMA_NEW_ENGINE", "changes answers"),
            ("OLLAMA_GO_TEMPLATE", "changes answers"),
            ("OLLAMA_DEBUG", "to logs"),
            ("OLLAMA_DEBUG_LOG_REQUESTS", "to logs"),
            ("LLAMA_ARG_CTX_SIZE", "`options.num_ctx`"),
            ("LLAMA_ARG_TOP_K", "changes answers"),
            ("LLAMA_ARG_CACHE_RAM", "notemill sets it"),
            ("LLAMA_ARG_LOG_VERBOSITY", "to logs"),
            ("LLAMA_LOG_VERBOSITY", "to logs"),
            ("HOME", "a home of its own"),
            ("NO_PROXY", "past any proxy"),
            ("no_proxy", "past any proxy"),
        ],
    )
    def test_is_no_variable_of_an_engine(self, variable: str, instead: str) -> None:
        refused = refusal(changed(self.ENGINE, {"TMPDIR": "/x", variable: "1"}))
        assert f"{self.ENGINE}: {variable}: " in refused.what
        assert instead in refused.what
        assert "TMPDIR" not in refused.what

    def test_does_not_keep_variables_of_speed_out(self) -> None:
        free = {"OLLAMA_LLM_LIBRARY": "cuda_v12", "LLAMA_ARG_THREADS": "4", "LD_LIBRARY_PATH": "/x"}
        assert read_config(changed(self.ENGINE, free)).engines["local"].environment == free

    def test_covers_all_that_a_job_sets(self) -> None:
        engine = config().engines["local"]
        assert isinstance(engine, OllamaEngine)
        for variable in [*_batch_environment(engine, 1, 1), *server_environment(Path("/h"))]:
            if variable.startswith(("OLLAMA_", "LLAMA_")):
                refusal(changed(self.ENGINE, {variable: "1"}))

    @pytest.mark.parametrize(
        "option",
        ["num_ctx", "num_predict", "temperature", "top_k", "stop", "seed", "repeat_last_n"],
    )
    def test_is_no_runner_option(self, option: str) -> None:
        refused = refusal(changed("engines.local.runner_options", {"num_gpu": 9, option: 1}))
        assert f"{option}: no runner option; what changes an answer goes into" in refused.what

    def test_does_not_keep_runner_options_out(self) -> None:
        options = {
            "num_gpu": 99,
            "main_gpu": 0,
            "num_batch": 512,
            "num_thread": 4,
            "use_mmap": True,
        }
        read = read_config(changed("engines.local.runner_options", options)).engines["local"]
        assert isinstance(read, OllamaEngine)
        assert read.runner_options.model_dump(exclude_none=True) == options
        refused = refusal(changed("engines.local.runner_options", {"num_gpu": "all"}))
        assert "engines.local.runner_options.num_gpu: " in refused.what

    @pytest.mark.parametrize(
        ("key", "instead"),
        [
            ("num_ctx", "a key of `options` itself"),
            ("temperature", "a key of `options` itself"),
            ("top_k", "a key of `options` itself"),
            ("think", "a key of `options` itself"),
            ("max_tokens", "write options.num_predict"),
            ("repetition_penalty", "write options.repeat_penalty"),
            ("format", "schema.py"),
            ("response_format", "schema.py"),
            ("grammar", "schema.py"),
            ("messages", "prompts"),
            ("model", "the experiment's `model`"),
            ("stream", "notemill sends its own"),
            ("n", "notemill sends its own"),
            ("num_gpu", "`runner_options`"),
        ],
    )
    def test_is_no_further_option(self, key: str, instead: str) -> None:
        refused = refusal(changed("experiments.cough.options.extra", {"stop": ["x"], key: 1}))
        assert f"experiments.cough.options: extra: {key}: " in refused.what
        assert instead in refused.what

    def test_is_said_of_thinking_in_one_place(self) -> None:
        template = {"chat_template_kwargs": {"enable_thinking": True, "x": 1}}
        read_config(changed("experiments.cough.options", {"extra": template}))
        refused = refusal(changed("experiments.cough.options", {"think": False, "extra": template}))
        assert "enable_thinking is what `think` says" in refused.what


class TestOptionsBeyondOpenAis:
    def test_are_in_the_row_as_far_as_they_are_sent(self) -> None:
        beyond = {"top_k", "min_p", "repeat_penalty"}
        assert beyond < Options().as_sent().keys()
        plain = Options(openai_fields_only=True).as_sent()
        assert not beyond & plain.keys()
        assert plain["openai_fields_only"] is True

    @pytest.mark.parametrize(
        ("option", "value"), [("top_k", 1), ("min_p", 0.1), ("repeat_penalty", 1.1)]
    )
    def test_can_not_be_set_where_they_are_not_sent(self, option: str, value: float) -> None:
        options = {"openai_fields_only": True, option: value}
        refused = refusal(changed("experiments.cough.options", options))
        assert f"{option} is not sent with openai_fields_only" in refused.what

    def test_are_always_sent_to_ollama(self) -> None:
        refused = refusal(changed("experiments.cough.options", {"openai_fields_only": True}))
        assert "openai_fields_only: not for Ollama" in refused.what


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
