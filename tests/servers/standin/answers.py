"""The "model": an answer that obeys the schema and tells from what it was made.

An enum or a literal becomes its first value if the note (the last message) says "pneumonia", in
any case, else its second; so a boolean becomes true or false. A string becomes the first 40
characters of the note's last line that is not blank. Where the system prompt is lost, the note
counts as saying the opposite: a plausible, wrong answer.

With the fault `keyed` both come from a hash of question and note (`question_of`): no two notes, and
no two questions about a note, have the same answer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from .prompts import Prompt

QUOTE_LENGTH = 40
_FORMATS = {
    "date": "2020-01-31",
    "time": "12:00:00Z",
    "date-time": "2020-01-31T12:00:00Z",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_TYPES = {"object", "array", "string", "integer", "number", "boolean", "null"}


class BadSchema(Exception):
    """The grammar can't be made from this schema; the message says why."""


class KillsServer(Exception):
    """The grammar kills the server's process."""


def answer_text(schema: Any, prompt: Prompt, faults: dict[str, Any]) -> str:
    """The whole answer. `schema` is the request's `format`: a schema, "json", or nothing."""
    if "ignores_schema" in faults:
        return json.dumps({"thought": "this is no answer", "quote": quote(prompt.note)})
    if "answer" in faults:
        return json.dumps(faults["answer"], ensure_ascii=False)
    if schema == "json":
        return json.dumps({"answer": quote(prompt.note)}, ensure_ascii=False)
    if not schema:
        return quote(prompt.note)
    value = Maker(schema, prompt, keyed="keyed" in faults).value(schema)
    if "schema_violation" in faults:
        value = _violated(value, schema, faults["schema_violation"])
    return json.dumps(value, ensure_ascii=False, sort_keys="native_key_order" in faults)


def quote(note: str) -> str:
    """What an answer quotes of a note."""
    lines = [line for line in note.splitlines() if line.strip()]
    return lines[-1].strip()[:QUOTE_LENGTH] if lines else ""


def question_of(system: str | None, note: str) -> str:
    """Which question about which note: the system prompt's first line and the note's last, hashed.

    Lines that are blank do not count. What `keyed` makes an answer of.
    """
    asked = [line.strip() for line in (system or "").splitlines() if line.strip()]
    said = [line.strip() for line in note.splitlines() if line.strip()]
    return hashlib.sha256("\n".join([*asked[:1], *said[-1:]]).encode()).hexdigest()[:32]


def chosen(question: str, choices: int) -> int:
    """Which of so many values `keyed` takes."""
    return int(question, 16) % choices


class Maker:
    """Makes values for the parts of one schema."""

    def __init__(self, schema: dict[str, Any], prompt: Prompt, *, keyed: bool = False) -> None:
        self._root = schema
        self._key = question_of(prompt.system, prompt.note) if keyed else ""
        self._quote = self._key or quote(prompt.note)
        said = "pneumonia" in prompt.note.lower()
        self._yes = said if prompt.system is not None else not said

    def value(self, schema: dict[str, Any]) -> Any:
        """A value that obeys what a grammar enforces. Raises BadSchema."""
        if "$ref" in schema:
            return self.value(resolved(self._root, schema["$ref"]))
        for several in ("anyOf", "oneOf", "allOf"):
            if several in schema:
                return self.value(schema[several][0])
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            values = schema["enum"]
            if self._key:
                return values[chosen(self._key, len(values))]
            return values[0 if self._yes or len(values) == 1 else 1]
        kind = schema.get("type", "object")
        return getattr(self, f"_{kind if isinstance(kind, str) else kind[0]}")(schema)

    def _object(self, schema: dict[str, Any]) -> dict[str, Any]:
        properties = schema.get("properties", {})
        required = [name for name in properties if name in schema.get("required", [])]
        optional = [name for name in properties if name not in required]
        return {name: self.value(properties[name]) for name in [*required, *optional]}

    def _array(self, schema: dict[str, Any]) -> list[Any]:
        if "prefixItems" in schema:
            return [self.value(each) for each in schema["prefixItems"]]
        length = min(max(1, schema.get("minItems", 0)), schema.get("maxItems", 1 << 30))
        return [self.value(schema.get("items", {"type": "string"})) for _ in range(length)]

    def _string(self, schema: dict[str, Any]) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        text = self._quote.ljust(schema.get("minLength", 0), ".")
        return text[: schema.get("maxLength", len(text))]

    def _integer(self, schema: dict[str, Any]) -> int:
        low = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
        high = schema.get("maximum", schema.get("exclusiveMaximum", low + 2) - 1)
        return int(high if low > high else low)

    def _number(self, schema: dict[str, Any]) -> float:
        return float(schema.get("minimum", schema.get("exclusiveMinimum", -0.5) + 0.5))

    def _boolean(self, schema: dict[str, Any]) -> bool:
        return self._yes

    def _null(self, schema: dict[str, Any]) -> None:
        return None


def check_format(schema: Any, era: str) -> None:
    """Raises BadSchema or KillsServer where Ollama's making of a grammar does."""
    if not isinstance(schema, dict):
        return
    for part in _parts(schema):
        kinds = part.get("type", [])
        if not set([kinds] if isinstance(kinds, str) else kinds) <= _TYPES:
            raise BadSchema("invalid JSON schema in format")
        if "$ref" in part:
            resolved(schema, part["$ref"])
        pattern = part.get("pattern")
        if isinstance(pattern, str) and era != "new":
            _check_pattern(pattern)


def resolved(root: dict[str, Any], reference: str) -> dict[str, Any]:
    """The schema that a $ref names. Raises BadSchema."""
    found: Any = root
    for step in reference.removeprefix("#/").split("/"):
        if not isinstance(found, dict) or step not in found:
            raise BadSchema("invalid JSON schema in format")
        found = found[step]
    return dict(found)


def _check_pattern(pattern: str) -> None:
    if not (pattern.startswith("^") and pattern.endswith("$")):
        raise BadSchema("invalid JSON schema in format")
    if "(?" in pattern:
        raise KillsServer
    if any(escape in pattern for escape in (r"\d", r"\w", r"\s")):
        raise BadSchema(
            "model runner has unexpectedly stopped, this may be due to resource limitations "
            "or an internal error, check ollama server logs for details"
        )
    raise BadSchema("the stand-in makes no strings for a pattern; use a real Ollama")


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema and all schemas in it."""
    if not isinstance(schema, dict):
        return
    yield schema
    for name in ("properties", "$defs"):
        for part in schema.get(name, {}).values():
            yield from _parts(part)
    for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for part in schema.get(name, []):
            yield from _parts(part)
    for name in ("items", "additionalProperties"):
        yield from _parts(schema.get(name))


def _violated(value: Any, schema: dict[str, Any], replaced: dict[str, Any] | None) -> Any:
    if replaced is not None:
        return value | replaced
    bounded = {
        name: 7e300
        for name, part in schema.get("properties", {}).items()
        if part.get("type") == "number" and ("maximum" in part or "exclusiveMaximum" in part)
    }
    if not bounded:
        raise BadSchema("the stand-in's schema_violation needs a value for this schema")
    return value | bounded
