"""Strategies: schemas as Pydantic allows them, each with answers that fit it."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

HEAD = """
import collections.abc
import datetime
import decimal
import enum
import ipaddress
import pathlib
import uuid
from typing import Annotated, Any, Literal, NamedTuple, Optional, Union

import pydantic
from pydantic import BaseModel, Field, RootModel
from pydantic.dataclasses import dataclass
from typing_extensions import TypedDict


class Kind(enum.Enum):
    ACUTE = "acute"
    CHRONIC = "chronic"


class Mixed(enum.Enum):
    ONE = 1
    TWO = "two"


class Grade(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Words(RootModel[list[str]]):
    pass


class Cat(BaseModel):
    kind: Literal["cat"]
    name: str


class Dog(BaseModel):
    kind: Literal["dog"]
    age: int


class Typed(TypedDict):
    a: int


class Pair(NamedTuple):
    a: int
    b: str


@dataclass
class Data:
    a: int


class Aliased(BaseModel):
    a: int = Field(alias="A")


class Serialized(BaseModel):
    a: int

    @pydantic.field_serializer("a")
    def text(self, a):
        return f"{a}!"


class Open(BaseModel):
    model_config = {"extra": "allow"}
    a: int
"""


@dataclass(repr=False)
class Drawn:
    """A type as source code, and JSON values that fit it.

    plain: the stored value is the drawn one. sure: `judge` accepts every drawn value.
    """

    source: str
    values: st.SearchStrategy[Any]
    plain: bool = True
    sure: bool = True

    def __repr__(self) -> str:
        return self.source


TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
SHORT = st.text(st.characters(codec="utf-8"), max_size=5)
ABC = st.from_regex("[a-c]{1,3}", fullmatch=True)
INT64 = st.integers(-(2**63), 2**63 - 1)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
NEVER = st.just(None)

SIMPLE = [
    Drawn("str", TEXT),
    Drawn("Annotated[str, Field(max_length=5)]", SHORT),
    Drawn("Annotated[str, Field(max_length=300)]", TEXT),
    Drawn("Annotated[str, Field(pattern='^[a-c]{1,3}$')]", ABC),
    Drawn("int", INT64),
    Drawn("Annotated[int, Field(ge=0, le=10)]", st.integers(0, 10)),
    Drawn("float", FLOAT),
    Drawn("bool", st.booleans()),
    Drawn("None", st.none()),
    Drawn("Any", st.one_of(TEXT, INT64, st.booleans(), st.none(), st.lists(INT64, max_size=3))),
    Drawn("Literal['a', 'bcd']", st.sampled_from(["a", "bcd"])),
    Drawn("Literal['']", st.just("")),
    Drawn("Literal[1, 2]", st.sampled_from([1, 2])),
    Drawn("Literal[True]", st.just(True)),
    Drawn("Literal[1, 'a', None]", st.sampled_from([1, "a", None])),
    Drawn("Literal['a', None]", st.sampled_from(["a", None])),
    Drawn("Kind", st.sampled_from(["acute", "chronic"])),
    Drawn("Mixed", st.sampled_from([1, "two"])),
    Drawn("Grade", st.sampled_from([1, 2])),
    Drawn("Words", st.lists(TEXT, max_size=3)),
    Drawn("RootModel[str]", TEXT),
    Drawn("Typed", st.fixed_dictionaries({"a": INT64})),
    Drawn("Data", st.fixed_dictionaries({"a": INT64})),
    Drawn("Open", st.fixed_dictionaries({"a": INT64}, optional={"b": TEXT})),
    Drawn("datetime.date", st.dates().map(datetime.date.isoformat)),
    Drawn("datetime.time", st.times().map(datetime.time.isoformat), plain=False),
    Drawn("datetime.datetime", st.datetimes().map(datetime.datetime.isoformat), plain=False),
    Drawn("uuid.UUID", st.uuids().map(str)),
    Drawn("dict[int, str]", st.dictionaries(INT64.map(str), TEXT, max_size=3)),
    Drawn("dict", st.dictionaries(TEXT, INT64, max_size=3)),
    Drawn("collections.abc.Sequence[int]", st.lists(INT64, max_size=3)),
    Drawn(
        "Annotated[Cat | Dog, Field(discriminator='kind')]",
        st.one_of(
            st.fixed_dictionaries({"kind": st.just("cat"), "name": TEXT}),
            st.fixed_dictionaries({"kind": st.just("dog"), "age": INT64}),
        ),
    ),
    # What validators make of an answer may be no answer any more.
    Drawn("Annotated[str, pydantic.AfterValidator(str.strip)]", TEXT, plain=False),
    Drawn(
        "Annotated[str, Field(max_length=5), pydantic.AfterValidator(lambda v: v + '!')]",
        SHORT,
        plain=False,
        sure=False,
    ),
    Drawn("Annotated[str, pydantic.AfterValidator(len)]", TEXT, plain=False, sure=False),
    Drawn("Annotated[str, pydantic.BeforeValidator(lambda v: v)]", TEXT),
    Drawn("Annotated[str, pydantic.StringConstraints(to_upper=True)]", TEXT, plain=False),
    # What is refused, or else must hold what it promises.
    *(
        Drawn(source, NEVER, plain=False, sure=False)
        for source in (
            "decimal.Decimal",
            "bytes",
            "datetime.timedelta",
            "pathlib.Path",
            "ipaddress.IPv4Address",
            "complex",
            "set[str]",
            "frozenset[int]",
            "Pair",
            "Aliased",
            "Serialized",
            "collections.abc.Callable[[], int]",
            "type[int]",
            "object",
            "collections.abc.Iterable[int]",
            "pydantic.Json",
            "pydantic.SecretStr",
            "pydantic.AnyUrl",
            "Annotated[float, Field(ge=0)]",
            "Annotated[str, pydantic.PlainSerializer(lambda v: v + '!')]",
            "Annotated[int, pydantic.PlainValidator(lambda v: v)]",
            "Annotated[str, pydantic.WithJsonSchema({'type': 'integer'})]",
            "Undefined",
        )
    ),
]  # fmt: skip


UNSURE = [
    "Annotated[int, pydantic.AfterValidator(str)]",
    "Annotated[int, pydantic.AfterValidator(lambda v: None)]",
    "Annotated[int, pydantic.AfterValidator(lambda v: v / 3)]",
    "Annotated[int, pydantic.AfterValidator(lambda v: v + 2**62)]",
]
SIMPLE += [Drawn(source, INT64, plain=False, sure=False) for source in UNSURE]


def _list_of(part: Drawn) -> Drawn:
    return Drawn(f"list[{part.source}]", st.lists(part.values, max_size=3), part.plain, part.sure)


def _dict_of(part: Drawn) -> Drawn:
    values = st.dictionaries(TEXT, part.values, max_size=3)
    return Drawn(f"dict[str, {part.source}]", values, part.plain, part.sure)


def _optional(part: Drawn) -> Drawn:
    values = st.one_of(st.none(), part.values)
    return Drawn(f"Optional[{part.source}]", values, part.plain, part.sure)


def _either(parts: tuple[Drawn, Drawn]) -> Drawn:
    """A value may fit the other part too, which then makes something else of it."""
    one, other = parts
    source = f"Union[{one.source}, {other.source}]"
    sure = one.sure and other.sure
    return Drawn(source, st.one_of(one.values, other.values), False, sure)


def _tuple_of(parts: tuple[Drawn, Drawn]) -> Drawn:
    one, other = parts
    values = st.tuples(one.values, other.values).map(list)
    plain, sure = one.plain and other.plain, one.sure and other.sure
    return Drawn(f"tuple[{one.source}, {other.source}]", values, plain, sure)


TYPES = st.recursive(
    st.one_of(st.sampled_from([drawn for drawn in SIMPLE if drawn.sure]), st.sampled_from(SIMPLE)),
    lambda inner: st.one_of(
        inner.map(_list_of),
        inner.map(_dict_of),
        inner.map(_optional),
        st.tuples(inner, inner).map(_either),
        st.tuples(inner, inner).map(_tuple_of),
    ),
    max_leaves=4,
)

NAMES = st.one_of(
    st.sampled_from(["response", "since", "Pain", "pain", "class_", "größe", "x" * 60, "x" * 61]),
    st.from_regex("[a-z][a-z0-9_]{0,8}", fullmatch=True).map(lambda name: f"f{name}"),
)
EXTRAS = [
    "    model_config = {'extra': 'allow'}\n",
    "    model_config = {'alias_generator': str.upper}\n",
    "    @pydantic.computed_field\n    @property\n    def more(self) -> int:\n        return 1\n",
    "    @pydantic.model_serializer\n    def as_list(self):\n        return [1]\n",
    "    @pydantic.model_validator(mode='after')\n    def same(self):\n        return self\n",
]
ENDS = [" = Field(exclude=True)", " = Field(alias='other')", " = None", " = Field(title='T')"]


@st.composite
def schemas(draw: st.DrawFn) -> tuple[str, dict[str, Drawn]]:
    """The source of a class Answer, to stand below HEAD, and its fields' types by name."""
    fields = draw(st.dictionaries(NAMES, TYPES, min_size=1, max_size=4))
    lines = []
    for name, drawn in fields.items():
        end = draw(st.sampled_from([""] * 12 + ENDS))
        lines.append(f"    {name}: {drawn.source}{end}\n")
    extra = draw(st.sampled_from([""] * 10 + EXTRAS))
    return f"class Answer(BaseModel):\n{''.join(lines)}{extra}", fields


def as_json(value: Any) -> str:
    """An answer as an engine writes it."""
    return json.dumps(value, ensure_ascii=False)
