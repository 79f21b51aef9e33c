"""`outputs` of an experiment: files that its answers go to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from notemill.config.base import UserPath

Form = Literal["parquet", "csv", "jsonl"]
"""How a file holds rows."""
_NAMES = re.compile(
    r"\.(?:(?P<parquet>parquet)|(?:(?P<csv>csv)|(?P<jsonl>jsonl|ndjson))(?:\.(?P<packed>gz|zst))?)$"
)
PLACES = ("cohort", "task", "experiment")
"""What {} in a file's name stands for; experiment: its id, name and fingerprint."""
_PLACE = re.compile(r"\{([^{}]*)\}")
_OUTPUTS_IN_YAML: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
    ]
}


def form_of(path: Path) -> Form:
    """How the file holds rows, by its name."""
    found = _NAMES.search(path.name)
    return "parquet" if not found else next(f for f in _FORMS if found[f])


_FORMS: tuple[Form, ...] = ("parquet", "csv", "jsonl")


def packed_as(path: Path) -> Literal["gzip", "zstd"] | None:
    """How the file is compressed, by its name; a Parquet file compresses within."""
    found = _NAMES.search(path.name)
    packed = found["packed"] if found else None
    return {"gz": "gzip", "zst": "zstd"}.get(packed or "")  # type: ignore[return-value]


def _named(path: Path) -> Path:
    if not _NAMES.search(path.name):
        raise ValueError(
            f"{path.name}: a name that ends in .parquet, .csv or .jsonl, of the latter two also in "
            ".gz or .zst, says how rows are written"
        )
    places = _PLACE.findall(str(path))
    if odd := [place for place in places if place not in PLACES]:
        raise ValueError(
            f"{{{odd[0]}}} is nothing that a name can hold; there are "
            + ", ".join(f"{{{place}}}" for place in PLACES)
        )
    if set("{}") & set(_PLACE.sub("", str(path))):
        raise ValueError(f"{path.name}: a single {{ or }}")
    return path


def _listed(outputs: Any) -> Any:
    """One file is a list of one."""
    return [outputs] if isinstance(outputs, str | Path) else outputs


Outputs = Annotated[
    list[Annotated[UserPath, AfterValidator(_named)]],
    BeforeValidator(_listed),
    WithJsonSchema(_OUTPUTS_IN_YAML),
]
"""Files, in whose names PLACES stand for what differs."""
