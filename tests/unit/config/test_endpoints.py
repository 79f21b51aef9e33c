"""`engines.*.endpoints`: what may stand there, and what is refused with a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from notemill.errors import NotemillError
from tests.unit.conftest import config

KEY = "/keys/pool"


def engine(**values: Any) -> Any:
    return config(engines={"local": {"kind": "ollama", **values}}).engines["local"]


def test_a_list_of_addresses_or_a_folder_and_neither_needs_a_model_store() -> None:
    listed = engine(endpoints=["http://127.0.0.1:11434/", "https://gpu7.example.org"])
    assert listed.endpoints == ("http://127.0.0.1:11434", "https://gpu7.example.org")
    assert (listed.computes_here, listed.takes_gpus) == (False, False)
    assert engine(endpoints="~/pool").endpoints == Path.home() / "pool"
    assert engine(models="/m").computes_here


def test_where_an_engine_runs_is_no_part_of_what_it_answers() -> None:
    assert engine(endpoints=["https://a"]).identity == engine(models="/m").identity


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"endpoints": []}, "write a list of addresses"),
        ({"endpoints": 5}, "write a list of addresses"),
        ({"endpoints": "http://127.0.0.1:1"}, "write a list of addresses"),
        ({"endpoints": ["gpu7:11434"]}, "is no address such as"),
        ({"endpoints": ["http://127.0.0.1:99999"]}, "is no address such as"),
        ({"endpoints": ["https://a", "https://a/"]}, "names https://a twice"),
        ({"endpoints": ["https://me:secret@a"]}, "no name or password in an address"),
        ({"endpoints": ["http://gpu7:11434"]}, "gets notes over the network unencrypted"),
        ({"endpoints": "/pool", "api_key_file": KEY}, "each has its own token"),
        ({"endpoints": "/pool", "classes": [512]}, "`classes` need a server that the job starts"),
        ({"models": "/m", "trusted_network": True}, "`trusted_network` is of `endpoints`"),
        ({"models": "/m", "api_key_file": KEY}, "`api_key_file` belongs to `endpoints`"),
        ({"kind": "openai", "address": "https://a/v1", "endpoints": "/pool"}, "not both"),
        ({"endpoints": "/pool", "no_endpoint_minutes": 0}, "greater than 0"),
    ],
)
def test_what_does_not_fit_is_one_message(values: dict[str, Any], words: str) -> None:
    with pytest.raises(NotemillError, match=words) as refused:
        engine(**values)
    assert "secret" not in str(refused.value)


def test_plain_http_to_others_where_the_network_is_trusted() -> None:
    assert engine(endpoints=["http://gpu7:11434"], trusted_network=True).trusted_network
