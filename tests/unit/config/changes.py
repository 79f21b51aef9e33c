"""A configuration with one key changed, and how it is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from notemill.config import read_config
from notemill.errors import NotemillError
from tests.unit.conftest import config_values

ABSENT = object()


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
