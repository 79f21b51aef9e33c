"""The keys that every kind of engine has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from notemill.config.addresses import no_address, refuse_unencrypted
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


class EveryEngine(Section):
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
            if problem := no_address(each):
                raise ValueError(problem)
        if twice := {each for each in endpoints if endpoints.count(each) > 1}:
            raise ValueError(f"names {min(twice)} twice")
        return endpoints

    @model_validator(mode="after")
    def _endpoints_fit(self) -> EveryEngine:
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
            refuse_unencrypted(self.endpoints)
        if isinstance(self.classes, list):
            raise ValueError(
                "`classes` need a server that the job starts: `endpoints` have their own contexts"
            )
        return self

    @model_validator(mode="after")
    def _gpus_are_shared_out(self) -> EveryEngine:
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


def needed_without_endpoints(value: Any, info: ValidationInfo) -> Any:
    """Servers elsewhere have their own."""
    if value is None and not info.data.get("endpoints"):
        raise PydanticCustomError("missing", "missing")
    return value
