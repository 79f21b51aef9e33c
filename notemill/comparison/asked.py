"""What two experiments were asked, and where that differs."""

from __future__ import annotations

import json
from difflib import unified_diff

from notemill.answers.experiment_record import Asked
from notemill.comparison.record import Difference
from notemill.comparison.sides import Answered


def differences(first: Answered, second: Answered) -> list[Difference]:
    """Each part of what was asked, with the unified diff of the two; empty where they are equal."""
    names = first.experiment, second.experiment
    parts = [_parts(side.asked) for side in (first, second)]
    models = [
        [f"{side.model}", f"digest {side.origins[0].model_digest}"] for side in (first, second)
    ]
    told = [
        Difference(
            part=part,
            known=parts[0] is not None and parts[1] is not None,
            diff=_diff(parts[0][part], parts[1][part], names) if parts[0] and parts[1] else "",
        )
        for part in ("system prompt", "user prompt", "schema", "JSON schema", "options")
    ]
    return [*told, Difference(part="model", known=True, diff=_diff(models[0], models[1], names))]


def remarks(
    first: Answered, second: Answered, told: list[Difference], texts: int, settled: int = 0
) -> list[str]:
    """What a reader of the differences has to know.

    texts: that were compared; settled: further ones, by the gates of both.
    """
    lines = [
        f"of {side.experiment} it is not known what was asked, so no diff tells what differs: its "
        "record was written by a version of notemill that did not keep it"
        for side in (first, second)
        if side.asked is None
    ]
    parts = [each.part for each in told if each.diff and each.part != "JSON schema"]
    if len(parts) > 1:
        lines.append(
            f"they differ in {', '.join(parts[:-1])} and {parts[-1]}: what the answers differ by "
            "is of all of these together"
        )
    if not any(each.diff for each in told) and all(each.known for each in told):
        lines.append(
            "nothing of what was asked differs but how notemill asks, or files of the task"
        )
    but = f" but the {settled} that the gates of both settled" if settled else ""
    if texts:
        lines.append(
            f"all {texts} texts of the cohort{but} were compared, so of this cohort every "
            "difference is known without sampling error: intervals and p are for further texts of "
            "the same kind"
        )
    return lines


def _parts(asked: Asked | None) -> dict[str, list[str]] | None:
    if asked is None:
        return None
    return {
        "system prompt": asked.system_prompt.splitlines(),
        "user prompt": asked.user_prompt.splitlines(),
        "schema": asked.schema_source.splitlines(),
        "JSON schema": json.dumps(asked.json_schema, indent=2, ensure_ascii=False).splitlines(),
        "options": [
            f"{name}: {json.dumps(value, sort_keys=True, ensure_ascii=False)}"
            for name, value in sorted(asked.options.items())
        ],
    }


def _diff(one: list[str], other: list[str], names: tuple[str, str]) -> str:
    return "\n".join(unified_diff(one, other, *names, lineterm=""))
