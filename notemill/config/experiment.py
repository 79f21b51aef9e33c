"""`experiments`: which question, to which model, with which options."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from notemill.config.base import Name, Section, SqlName
from notemill.config.outputs import Outputs
from notemill.config.owned import refused_options

MODEL_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:/@-]*$"
DIGEST_PATTERN = r"^[0-9a-f]{64}$"
PREFIX_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,20}$|^$"
BEYOND_OPENAI = ("top_k", "min_p", "repeat_penalty")
"""Options that OpenAI's interface does not have; llama.cpp, vLLM and SGLang take them."""


class Options(Section):
    """What changes an answer. The same for every request of an experiment, and its identity."""

    num_ctx: int = Field(
        4096,
        ge=256,
        description="Tokens of context a slot: prompts, the longest note and the answer.",
    )
    num_predict: int = Field(
        256, ge=8, description="Tokens of one answer at first; an answer cut short gets double."
    )
    temperature: float = Field(0.0, ge=0, description="0 takes the likeliest token each time.")
    seed: int = Field(1, ge=0, description="Seed of the sampling.")
    top_k: int = Field(40, ge=0, description="Sampling cut by rank.")
    top_p: float = Field(0.9, gt=0, le=1, description="Sampling cut by probability mass.")
    min_p: float = Field(0.0, ge=0, lt=1, description="Sampling cut by share.")
    repeat_penalty: float = Field(1.0, gt=0, description="1 leaves copied words alone.")
    think: bool | None = Field(
        None, description="For thinking models: false asks them not to; empty says nothing."
    )
    openai_fields_only: bool = Field(
        False,
        description="For a server that refuses fields beyond OpenAI's own: top_k, min_p and "
        "repeat_penalty are not sent then, and can't be set.",
    )
    extra: dict[str, Any] = Field(
        default_factory=dict,
        description="Further options, sent to the engine as they are; none that notemill sends.",
    )

    @model_validator(mode="after")
    def _extra_is_further(self) -> Options:
        if refused := refused_options(self.extra):
            raise ValueError("extra: " + "; ".join(refused))
        template = self.extra.get("chat_template_kwargs")
        if self.think is not None and isinstance(template, dict) and "enable_thinking" in template:
            raise ValueError("extra: chat_template_kwargs.enable_thinking is what `think` says")
        return self

    @model_validator(mode="after")
    def _what_is_set_is_sent(self) -> Options:
        for name in self.not_sent:
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{name} is not sent with openai_fields_only, so it can't be set")
        return self

    @property
    def not_sent(self) -> tuple[str, ...]:
        """Names of the options that the engine never gets."""
        return BEYOND_OPENAI if self.openai_fields_only else ()

    def as_sent(self) -> dict[str, Any]:
        """The options as JSON, those that the engine never gets left out: what a row says of them.

        num_ctx is not sent to an OpenAI-compatible server; it is proven to be the server's.
        """
        return self.model_dump(mode="json", exclude=set(self.not_sent))


class Pilot(Section):
    """What is tried of an experiment before its shards; none of it changes an answer."""

    notes: int = Field(
        64, ge=0, le=10_000, description="Texts asked before the shards; 0 leaves the pilot out."
    )
    most_slots: int = Field(
        64, ge=1, le=256, description="The sweep tries 1, 2, 4 ... slots, no more than this."
    )
    sweep_minutes: float = Field(
        10, ge=0, description="No other number of slots is tried after so many; 0 tries none."
    )


class Repeat(Section):
    """What is asked again of an experiment at its end; none of it changes an answer."""

    notes: int = Field(
        0,
        ge=0,
        le=10_000,
        description="Texts of the cohort, drawn by chance, that are asked again when all are "
        "answered; 0 asks none.",
    )
    times: int = Field(1, ge=1, le=10, description="How often; the engine starts anew each time.")
    seed: Literal["same", "other"] = Field(
        "same",
        description="`same` asks with the experiment's own seed: what a restart and other "
        "neighbours in a batch change. `other` takes another one each time, which matters at a "
        "temperature above 0.",
    )


class Settings(Section):
    """What an experiment says beside its question and its tables."""

    engine: Name = Field(description="One of `engines`.")
    model: str = Field(
        pattern=MODEL_PATTERN,
        max_length=255,
        description="The model's name as the engine knows it, with its tag: llama3.1:8b-instruct.",
    )
    digest: str | None = Field(
        None,
        pattern=DIGEST_PATTERN,
        description="The model's digest (sha256, hex), to pin it; empty takes the one found by the "
        "first run and holds on to it.",
    )
    cohorts: list[Name] | None = Field(None, description="Cohorts to ask; empty asks all.")
    options: Options = Field(Options(), description="What changes an answer.")
    attempts: int = Field(
        3,
        ge=1,
        le=10,
        description="Tries a note, each changing something; beside them as many that a server's "
        "errors may cost.",
    )
    pilot: Pilot = Field(Pilot(), description="What is tried of it before its shards.")
    repeat: Repeat = Field(Repeat(), description="What is asked again of it at its end.")
    max_failed_share: float = Field(
        0.1,
        ge=0,
        le=1,
        description="A shard's job fails when more than this share of its texts has no valid "
        "answer: then something is wrong with the prompt or the model. One failed text is always "
        "allowed; 0 allows none. Of several tasks each has this share.",
    )
    answer_prefix: str = Field(
        "llm_",
        pattern=PREFIX_PATTERN,
        description="Put before each answer field's name to make its column.",
    )

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        if self.options.num_predict >= self.options.num_ctx:
            raise ValueError("options.num_predict must be smaller than options.num_ctx")
        return self


class Experiment(Settings):
    """One question put to one model about every note of its cohorts.

    together: the experiment that asks it beside its other tasks, each note first; empty for one
    that has a question of its own.
    """

    task: Name
    results_table: SqlName | None = None
    failures_table: SqlName | None = None
    outputs: Outputs = Field(default_factory=list)
    together: str = ""

    @model_validator(mode="after")
    def _answers_go_somewhere(self) -> Experiment:
        if self.results_table is None and self.failures_table is not None:
            raise ValueError("failures_table without results_table")
        if self.results_table is None and not self.outputs:
            raise ValueError(
                "say where the answers go: results_table (a table of the `database`) or outputs "
                "(files: answers.parquet, answers.csv, answers.jsonl), or both"
            )
        return self

    @model_validator(mode="after")
    def _failures_have_a_name(self) -> Experiment:
        if self.results_table is not None and len(self.failures) > 64:
            raise ValueError(
                f"{self.failures} is longer than a table's name may be (64); name failures_table"
            )
        return self

    @property
    def results(self) -> str:
        """Name of the results table, of an experiment that has one."""
        assert self.results_table is not None
        return self.results_table

    @property
    def failures(self) -> str:
        """Name of the failures table, of an experiment that has tables."""
        return self.failures_table or f"{self.results}_failures"
