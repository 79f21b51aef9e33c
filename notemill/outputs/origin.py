"""What stands beside a file: whose it is, and how each of its rows came to be."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

from notemill.answers.shard import ShardOrigin
from notemill.errors import NotemillError
from notemill.files import Record, check_folder, explained, read_json, sha256_of_file
from notemill.load.experiment import experiment_row
from notemill.load.work import Load
from notemill.outputs.rows import OrderedRows
from notemill.paths import origin_of_output

_JSON = ("json_schema", "options", "evidence", "gate")
"""Of the experiment's row, what a table holds as text."""


class Origin(Record):
    """How a file was made: what the experiments table says of an experiment, and the file itself.

    sha256: of the file; replaces: of the one that stood there, which a kill may have left.
    cohort_digest: of the notes. columns: names in their order. made: the experiment's row.
    """

    file: str
    form: str
    sha256: str
    replaces: str | None
    name: str
    cohort: str
    cohort_digest: str
    rows: int
    columns: list[str]
    in_order: bool
    values_compared: int
    made: dict[str, Any]


def check_output(path: Path) -> None:
    """Raise NotemillError if no file of any load could be written there."""
    check_folder(path.parent)
    beside = origin_of_output(path)
    with explained(path):
        if path.exists() and not path.is_file():
            raise _foreign(path, "is no file")
        if path.exists() and not beside.exists():
            raise _foreign(path, f"was not written by notemill ({beside.name} is not beside it)")


def known(path: Path, work: Load) -> str | None:
    """sha256 of the file that is there, None if there is none.

    Raises NotemillError unless a load of this experiment over these notes wrote it, whatever its
    fingerprint was, and it is as it was written; and where none could be written.
    """
    check_output(path)
    if not path.exists():
        return None
    remedy = f"delete it with its file, {path.name}, and run again: nothing is asked for it"
    problem = "this tells no file's origin"
    origin = read_json(Origin, origin_of_output(path), problem=problem, remedy=remedy)
    whose = (origin.name, origin.cohort, origin.cohort_digest)
    wanted = (work.run.name, work.manifest.cohort, work.manifest.digest)
    if whose != wanted:
        other = ", of other notes" if whose[:2] == wanted[:2] else ""
        raise _foreign(
            path,
            f"has answers of experiment '{origin.name}' over cohort '{origin.cohort}'{other}",
        )
    with explained(path):
        found = sha256_of_file(path)
    if found not in (origin.sha256, origin.replaces):
        raise _foreign(path, "is not as it was written: someone has changed it since")
    return found


def tells_of(path: Path, sha256: str) -> bool:
    """Whether what stands beside the file that `known` knows is of these bytes.

    It is not where a kill left it beside the file that was to be replaced.
    """
    origin = Origin.model_validate_json(origin_of_output(path).read_bytes())
    return origin.sha256 == sha256


def origin_of(
    path: Path,
    form: str,
    sha256: str,
    replaces: str | None,
    values: int,
    work: Load,
    origins: list[ShardOrigin],
    rows: OrderedRows,
) -> Origin:
    """What is told of a file that was written."""
    made = experiment_row(work, origins, rows.asked, rows.proof)
    made |= {key: json.loads(made[key]) for key in _JSON if isinstance(made.get(key), str)}
    return Origin(
        file=path.name,
        form=form,
        sha256=sha256,
        replaces=replaces,
        name=work.run.name,
        cohort=work.manifest.cohort,
        cohort_digest=work.manifest.digest,
        rows=rows.proof.counts.total(),
        columns=rows.schema.names,
        in_order=rows.in_order,
        values_compared=values,
        made={key: _told(value) for key, value in made.items()},
    )


def _told(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime | date) else value


def _foreign(path: Path, what: str) -> NotemillError:
    return NotemillError(
        f"the file that is there {what}; it is left alone",
        where=str(path),
        remedy="move it away, or name another file in `outputs`, and run again: nothing is asked "
        "for it",
    )
