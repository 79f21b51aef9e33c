"""Settings that notemill sends itself, and those that an engine is not sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from notemill.config import OllamaEngine, Options, read_config
from notemill.engines.ollama.server import _batch_environment
from notemill.engines.process import server_environment
from tests.unit.config.changes import changed, refusal
from tests.unit.conftest import config


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
