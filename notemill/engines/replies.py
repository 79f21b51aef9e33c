"""What a server says with status 200, read with suspicion: a gateway or a bug may say anything."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from notemill.engines.protocol import RequestFailed

Tokens = Annotated[int, Field(ge=0, lt=2**31)]
"""A number of tokens; what is beyond is no number of tokens, and no column would hold it."""

_Said = TypeVar("_Said", bound="Said")


class Said(BaseModel):
    """A part of a reply. Types are strict; what notemill does not read may be anything."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


def read_reply(kind: type[_Said], body: bytes) -> _Said:
    """The body as what it must be. Raises RequestFailed that says what it is, never what it holds.

    Such a reply is a failure of the server, not an answer about the note.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise RequestFailed(f"status 200 with {_told(body, problem)}") from None


def _told(body: bytes, problem: Any) -> str:
    start = body[:64].strip()
    if not start:
        return "nothing in it"
    if problem["type"] == "json_invalid":
        return "a web page (HTML)" if start.startswith(b"<") else "what is not JSON"
    if not problem["loc"]:
        return "JSON that is no object"
    place = ".".join(map(str, problem["loc"]))  # names of our fields, and numbers
    return f"JSON whose `{place}` is missing or not as it must be"
