"""engines.*.classes: what it may be, and which servers size their slots alike."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from notemill.errors import NotemillError
from tests.unit.conftest import config

OLLAMA = {"kind": "ollama", "models": "/models"}
LLAMA_SERVER = ["llama-server", "-c", "{context_total}", "-np", "{slots}"]


def engine(**values: Any) -> Any:
    return config(engines={"local": values}).engines["local"]


@pytest.mark.parametrize(
    ("written", "read"),
    [("off", "off"), ("auto", "auto"), ("[4096, 2048, 2048]", [2048, 4096])],
)
def test_it_is_read_as_yaml_gives_it(written: str, read: object) -> None:
    assert engine(**OLLAMA, classes=yaml.safe_load(written)).classes == read


@pytest.mark.parametrize("wrong", [True, [], [100], ["2048"], [True], 2048, "on", [2048.0]])
def test_anything_else_is_refused_with_what_it_may_be(wrong: object) -> None:
    with pytest.raises(NotemillError, match="write auto, off, or a list of contexts"):
        engine(**OLLAMA, classes=wrong)


def test_contexts_are_refused_for_a_server_that_no_job_starts() -> None:
    with pytest.raises(NotemillError, match="not for an `address`"):
        engine(kind="openai", address="https://gpu/v1", classes=[2048])


@pytest.mark.parametrize(
    ("values", "alike"),
    [
        (OLLAMA, True),
        ({"kind": "openai", "command": LLAMA_SERVER}, True),
        ({"kind": "openai", "command": [*LLAMA_SERVER, "--kv-unified"]}, False),
        ({"kind": "openai", "command": [*LLAMA_SERVER, "--no-kv-unified"]}, True),
        ({"kind": "openai", "command": ["vllm", "serve", "--max-model-len", "{context}"]}, False),
        ({"kind": "openai", "address": "https://gpu/v1"}, False),
        ({"kind": "llamacpp", "weights": "/m.gguf"}, False),
    ],
)
def test_a_paged_or_unified_cache_is_not_divided(values: dict[str, Any], alike: bool) -> None:
    assert engine(**values).sizes_slots_alike is alike
