"""Words of a profile's resources, read once for a rule instead of once for each of its jobs."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterable
from typing import Any

from snakemake import ioutils
from snakemake.resources import Resource

_WORD = re.compile(r"[A-Za-z0-9_-]+")
_NAME = re.compile(r"[A-Za-z_]\w*")


def settle_words(rules: Iterable[Any]) -> None:
    """Put words such as `gpu` or `8` in the place of the formulas that Snakemake takes them for.

    Snakemake evaluates each text of a profile as Python for every job, and takes it as it stands
    when that fails: a fifth of a plan's time. What has a name that such an expression is given
    (`attempt`) or any sign but a hyphen stays a formula.
    """
    given: dict[str, Any] = dict.fromkeys(
        ("wildcards", "input", "attempt", "threads", "rulename", "async_run")
    )
    variable = {*given, "system_tmpdir", "shutil"}
    functions: dict[str, Any] = {}
    ioutils.register_in_globals(functions)
    for rule in rules:
        for name, resource in list(rule.resources.items()):
            raw = resource.raw
            if not (isinstance(raw, str) and resource.is_evaluable() and _WORD.fullmatch(raw)):
                continue
            if variable.union(functions, dir(builtins)).isdisjoint(_NAME.findall(raw)):
                value = resource.evaluate(**given).value
                rule.resources[name] = Resource(name, value, raw=raw)
