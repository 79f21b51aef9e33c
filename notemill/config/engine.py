"""`engines`: the servers that answer, and how a job starts them, by kind."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, field_validator, model_validator

from notemill.config.base import Section, UserPath
from notemill.config.every_engine import EveryEngine, needed_without_endpoints


class RunnerOptions(Section):
    """Ollama's own options that change speed and memory, not answers."""

    num_gpu: int | None = Field(None, ge=-1, description="Layers on the GPU.")
    main_gpu: int | None = Field(None, ge=0, description="The GPU for small tensors.")
    num_batch: int | None = Field(None, ge=1, description="Tokens of a prompt read at once.")
    num_thread: int | None = Field(None, ge=1, description="CPU threads.")
    use_mmap: bool | None = Field(None, description="Whether the weights are mapped, not read.")
    draft_num_predict: int | None = Field(
        None, ge=0, description="Tokens that a draft model foresees (from 0.32)."
    )

    @model_validator(mode="before")
    @classmethod
    def _no_others(cls, values: Any) -> Any:
        if isinstance(values, dict) and (others := sorted(values.keys() - cls.model_fields.keys())):
            raise ValueError(
                f"{', '.join(map(str, others))}: no runner option; what changes an answer goes "
                "into experiments.*.options, or its `extra`"
            )
        return values


_NOT_PROVEN = (
    "`gpu: required` can't be proven of {}; leave it out, or let the job start a `command` of "
    "`kind: openai` (llama-server, vLLM)"
)


class OllamaEngine(EveryEngine):
    """An Ollama that each job starts for itself on loopback and ends, or several at `endpoints`."""

    speaks_openai: ClassVar[bool] = False

    kind: Literal["ollama"]
    command: list[str] = Field(
        default_factory=lambda: ["ollama"],
        min_length=1,
        description="How ollama is invoked, `serve` and the like are appended. {models} and "
        "{home} stand for the model store and the job's own home folder.",
    )
    models: UserPath | None = Field(
        None,
        validate_default=True,
        description="The model store (OLLAMA_MODELS), read-only for GPU jobs. May be left out "
        "beside `endpoints`.",
    )
    pull: bool = Field(
        False, description="Whether the model rule may pull a missing model into the store."
    )
    flash_attention: bool = Field(True, description="OLLAMA_FLASH_ATTENTION.")
    kv_cache_type: Literal["f16", "q8_0", "q4_0"] = Field(
        "f16", description="OLLAMA_KV_CACHE_TYPE; q8_0 halves the memory of the context."
    )
    runner_options: RunnerOptions = Field(
        RunnerOptions(),
        description="Ollama's own runner options, sent with every request. They change speed, not "
        "answers, so they are not part of the identity.",
    )

    _models = field_validator("models")(needed_without_endpoints)

    @property
    def store(self) -> Path:
        """The model store, where there is one."""
        assert self.models
        return self.models

    @property
    def sizes_slots_alike(self) -> bool:
        """Where it is the job's own: num_ctx x OLLAMA_NUM_PARALLEL."""
        return self.computes_here

    @model_validator(mode="after")
    def _key_of_endpoints(self) -> OllamaEngine:
        if self.api_key_file and not self.endpoints:
            raise ValueError("`api_key_file` belongs to `endpoints`; a job's own Ollama has no key")
        return self

    @property
    def identity(self) -> dict[str, Any]:
        """What of the engine can change an answer: also the precision of its context."""
        return super().identity | {"kv_cache_type": self.kv_cache_type}


class OpenAiEngine(EveryEngine):
    """Any server with OpenAI's chat interface and JSON-schema answers.

    Either `address` (a server that someone runs), or `command` (one that each job starts), or
    `endpoints` (several that live on), beside which a `command` is what `notemill serve` starts.
    """

    kind: Literal["openai"]
    address: str | None = Field(
        None, description="Base URL of a running server: https://host/v1, or http:// on loopback."
    )
    command: list[str] | None = Field(
        None,
        min_length=1,
        description="Command that the job starts. Filled in: {port}, {python}, {model}, {weights}, "
        "{slots}, {context} (tokens a slot), "
        "{context_total} (tokens of all slots), {threads}, {home}, {api_key_file}.",
    )
    weights: UserPath | None = Field(
        None, description="The model's file (GGUF), whose sha256 identifies it."
    )

    @property
    def sizes_slots_alike(self) -> bool:
        """Where the command divides {context_total} among its slots (llama-server).

        A paged cache (vLLM), or a unified one, is shared by the requests as they are.
        """
        words = " ".join(self.command or [])
        unified = re.search(r"(?<!\S)(-kvu|--kv-unified)(?!\S)", words)
        return self.computes_here and "{context_total}" in words and not unified

    @property
    def takes_gpus(self) -> bool:
        """Not for an address."""
        return self.computes_here and not self.address

    @model_validator(mode="after")
    def _classes_need_a_command(self) -> OpenAiEngine:
        if self.address and isinstance(self.classes, list):
            raise ValueError("`classes` need a server that the job starts: not for an `address`")
        return self

    @model_validator(mode="after")
    def _address_or_command(self) -> OpenAiEngine:
        if self.address and self.command:
            raise ValueError("give either `address` or `command`, not both")
        if self.address and self.endpoints:
            raise ValueError("give either `address` or `endpoints`, not both")
        if not (self.address or self.command or self.endpoints):
            raise ValueError(
                "`weights` without `command` meant the embedded llama.cpp, which has a kind of its "
                "own now: write `kind: llamacpp`"
                if self.weights
                else "give `address` (a running server) or `command` (one to start); for a GGUF "
                "file and the embedded llama.cpp write `kind: llamacpp`"
            )
        if self.api_key_file and not (self.address or self.endpoints):
            raise ValueError(
                "`api_key_file` belongs to an `address`; a command that the job starts is given a "
                "key of its own, in the file {api_key_file}"
            )
        if self.stage and not (self.command and self.weights):
            raise ValueError("`stage` copies `weights` for a `command` that takes {weights}")
        if self.servers > 1 and self.address:
            raise ValueError("`servers` are those that a job starts; an `address` is one")
        if self.gpu == "required" and not self.command:
            raise ValueError(_NOT_PROVEN.format("an `address`"))
        if self.address and not re.match(
            r"^(https://|http://(127\.0\.0\.1|localhost|\[::1\])[:/])", self.address
        ):
            raise ValueError(
                "`address` sends notes over the network unencrypted; use https://, or http:// to "
                "127.0.0.1 through a tunnel"
            )
        return self


class LlamaCppEngine(EveryEngine):
    """The llama.cpp that comes with notemill, on the CPU: each job starts it and ends it."""

    kind: Literal["llamacpp"]
    weights: UserPath | None = Field(
        None,
        validate_default=True,
        description="The model's file (GGUF), whose sha256 identifies it. May be left out beside "
        "`endpoints`.",
    )

    _weights = field_validator("weights")(needed_without_endpoints)

    @property
    def takes_gpus(self) -> bool:
        """A CPU build."""
        return False

    @model_validator(mode="after")
    def _on_the_cpu(self) -> LlamaCppEngine:
        if self.gpu == "required":
            raise ValueError(_NOT_PROVEN.format("the embedded llama.cpp, a CPU build"))
        if self.api_key_file and not self.endpoints:
            raise ValueError("`api_key_file` belongs to `endpoints`")
        return self


ENGINES = (OllamaEngine, OpenAiEngine, LlamaCppEngine)
"""Every kind; each has a room below notemill.engines and a line in notemill.engines.kinds."""

Engine = Annotated[OllamaEngine | OpenAiEngine | LlamaCppEngine, Field(discriminator="kind")]


def engine_kinds() -> list[str]:
    """What `kind` may be."""
    return [get_args(engine.model_fields["kind"].annotation)[0] for engine in ENGINES]
