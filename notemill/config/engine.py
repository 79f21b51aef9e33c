"""`engines`: the servers that answer, and how a job starts them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from notemill.config.base import Section, UserPath
from notemill.config.owned import refused_variables


class Stage(Section):
    """A copy of the model on the node's own disk, for all of a user's jobs there."""

    to: str = Field(
        min_length=1,
        description="The node's own disk: a full path, or a variable that the site sets in jobs, "
        "such as $SLURM_TMPDIR. What this makes there is readable by you alone.",
    )
    keep: bool = Field(
        False,
        description="Whether the copy stays when no job uses it. By default the last one that does "
        "removes it.",
    )


_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_encrypted_or_local(address: str) -> bool:
    """Whether what is sent to the address can't be read on the network."""
    parts = urlsplit(address)
    return parts.scheme == "https" or parts.hostname in _LOOPBACK


class _Engine(Section):
    endpoints: UserPath | tuple[str, ...] | None = Field(
        None,
        description="Servers that live on, which answer jobs ask in the place of starting their "
        "own: a list of addresses, or the folder in which `notemill serve` publishes them. Jobs "
        "then ask for no GPU.",
    )
    trusted_network: bool = Field(
        False,
        description="Whether notes may go to endpoints of other computers unencrypted (http://): "
        "only where nobody else reads on the network between them.",
    )
    api_key_file: UserPath | None = Field(
        None,
        description="File (mode 0600) with the key that an address, or those of a list of "
        "endpoints, ask for.",
    )
    ca_file: UserPath | None = Field(
        None,
        description="File (PEM) with the authority that vouches for the endpoints' certificates, "
        "in the place of the system's.",
    )
    no_endpoint_minutes: float = Field(
        10,
        gt=0,
        le=10_000,
        description="Minutes without any endpoint to ask after which a job ends; its journal "
        "keeps what was answered.",
    )
    slots: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = Field(
        "auto",
        description="Notes that one server answers at once; all are kept busy. auto: as many as "
        "were fastest when the pilot, or the first job on another kind of GPU, measured it.",
    )
    classes: Literal["auto", "off"] | list[Annotated[int, Field(ge=256)]] = Field(
        "auto",
        description="Whether short notes are asked with more slots of a shorter context, and long "
        "ones after them with few of num_ctx: auto where the server gives each slot as much "
        "context and it pays, off, or the shorter contexts in tokens: [2048, 4096].",
    )
    servers: int = Field(
        1,
        ge=1,
        le=64,
        description="Servers that one job starts, one a GPU: so many GPUs it asks for. Notes come "
        "from one queue for all.",
    )
    stage: Stage | None = Field(
        None,
        description="Copies the model to the node's own disk, once a node, and starts it there.",
    )
    setup: str = Field(
        "",
        description="Shell lines that run before the command, in a login shell: "
        "`module load singularity`.",
    )
    environment: dict[str, str] = Field(
        default_factory=dict,
        description="Further environment variables of the server. Not for secrets.",
    )
    gpu: Literal["auto", "required", "off"] = Field(
        "auto",
        description="Whether the whole model must be on the GPU: auto asks it when the job was "
        "given one.",
    )
    start_timeout_s: float = Field(
        1800, gt=0, description="Seconds for the server to start and load the model."
    )
    answer_timeout_s: float = Field(
        300, gt=0, description="Seconds for one request, waiting included; doubled on a retry."
    )
    restarts: int = Field(
        3,
        ge=0,
        description="How often in a row, with no note ended between, one job starts a lost server "
        "again before it gives it up; it fails with the last one.",
    )

    speaks_openai: ClassVar[bool] = True
    """Whether its interface is OpenAI's."""

    @property
    def computes_here(self) -> bool:
        """Whether its jobs start their own servers."""
        return self.endpoints is None

    @property
    def takes_gpus(self) -> bool:
        """Whether its jobs compute on GPUs of their own."""
        return self.computes_here

    @property
    def sizes_slots_alike(self) -> bool:
        """Whether its server gives each slot as much context, so that a long note costs slots."""
        return False

    @property
    def identity(self) -> dict[str, Any]:
        """What of the engine can change an answer, for the fingerprint."""
        return {"engine": self.kind, "kv_cache_type": None}  # type: ignore[attr-defined]

    @field_validator("slots", mode="before")
    @classmethod
    def _a_number_or_auto(cls, slots: Any) -> Any:
        """One message for both."""
        if slots != "auto" and (type(slots) is not int or slots not in range(1, 257)):
            raise ValueError("write a number from 1 to 256, or auto")
        return slots

    @field_validator("classes", mode="before")
    @classmethod
    def _auto_off_or_contexts(cls, classes: Any) -> Any:
        """One message for all; YAML reads a bare `off` as false."""
        if classes is False:
            return "off"
        if isinstance(classes, list):
            if classes and all(type(each) is int and each >= 256 for each in classes):
                return sorted(set(classes))
        elif classes in ("auto", "off"):
            return classes
        raise ValueError("write auto, off, or a list of contexts of 256 tokens or more: [2048]")

    @field_validator("endpoints", mode="before")
    @classmethod
    def _a_folder_or_addresses(cls, endpoints: Any) -> Any:
        """One message for both."""
        path = isinstance(endpoints, str | Path) and str(endpoints).strip()
        if endpoints is None or (path and not re.match(r"https?://", str(endpoints))):
            return endpoints
        listed = isinstance(endpoints, list | tuple) and endpoints
        if listed and all(isinstance(each, str) for each in endpoints):
            return tuple(each.strip().rstrip("/") for each in endpoints)
        raise ValueError("write a list of addresses, [http://127.0.0.1:11434], or a folder")

    @field_validator("endpoints")
    @classmethod
    def _addresses(cls, endpoints: Path | tuple[str, ...] | None) -> Path | tuple[str, ...] | None:
        if not isinstance(endpoints, tuple):
            return endpoints
        for each in endpoints:
            if problem := _no_address(each):
                raise ValueError(problem)
        if twice := {each for each in endpoints if endpoints.count(each) > 1}:
            raise ValueError(f"names {min(twice)} twice")
        return endpoints

    @model_validator(mode="after")
    def _endpoints_fit(self) -> _Engine:
        if self.endpoints is None:
            for name in ("trusted_network", "ca_file"):
                if getattr(self, name):
                    raise ValueError(f"`{name}` is of `endpoints`")
            return self
        if isinstance(self.endpoints, Path):
            if self.api_key_file:
                raise ValueError(
                    "`api_key_file` is for a list of addresses; in a folder of endpoints each has "
                    "its own token"
                )
        elif not self.trusted_network:
            _refuse_unencrypted(self.endpoints)
        if isinstance(self.classes, list):
            raise ValueError(
                "`classes` need a server that the job starts: `endpoints` have their own contexts"
            )
        return self

    @model_validator(mode="after")
    def _gpus_are_shared_out(self) -> _Engine:
        pinned = sorted(name for name in self.environment if name.endswith("_VISIBLE_DEVICES"))
        if self.servers > 1 and pinned:
            raise ValueError(
                f"`environment` may not set {', '.join(pinned)} beside `servers`, which share the "
                "job's GPUs out"
            )
        return self

    @field_validator("environment")
    @classmethod
    def _none_of_notemills(cls, environment: dict[str, str]) -> dict[str, str]:
        if refused := refused_variables(environment):
            raise ValueError("; ".join(refused))
        return environment


def _no_address(address: str) -> str:
    """Why it is none, empty if it is one."""
    try:
        parts = urlsplit(address)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        fits = None
    if not fits or re.search(r"[\s?#]", address):
        return f"'{address.rpartition('@')[2]}' is no address such as http://127.0.0.1:11434"
    if parts.username or parts.password:
        return f"no name or password in an address ({parts.hostname}): `api_key_file` has the key"
    return ""


def _refuse_unencrypted(addresses: Sequence[str]) -> None:
    """Raise ValueError for an address to which notes would go readable."""
    for address in addresses:
        if not is_encrypted_or_local(address):
            raise ValueError(
                f"{address} gets notes over the network unencrypted; use https://, or http:// to "
                "127.0.0.1 through a tunnel, or say `trusted_network: true` where nobody else "
                "reads on it"
            )


def _needed_without_endpoints(value: Any, info: ValidationInfo) -> Any:
    """Servers elsewhere have their own."""
    if value is None and not info.data.get("endpoints"):
        raise PydanticCustomError("missing", "missing")
    return value


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


class OllamaEngine(_Engine):
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

    _models = field_validator("models")(_needed_without_endpoints)

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


class OpenAiEngine(_Engine):
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


class LlamaCppEngine(_Engine):
    """The llama.cpp that comes with notemill, on the CPU: each job starts it and ends it."""

    kind: Literal["llamacpp"]
    weights: UserPath | None = Field(
        None,
        validate_default=True,
        description="The model's file (GGUF), whose sha256 identifies it. May be left out beside "
        "`endpoints`.",
    )

    _weights = field_validator("weights")(_needed_without_endpoints)

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
