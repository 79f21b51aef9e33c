"""The endpoints that an engine names: a list of addresses, or what is published in a folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from notemill.config import Engine
from notemill.config.addresses import is_encrypted_or_local
from notemill.endpoints.publication import Published, published
from notemill.engines.api_key import api_key
from notemill.engines.protocol import At, Start
from notemill.errors import EngineRefused, NotemillError


@dataclass(frozen=True)
class Known:
    """An endpoint that may be asked, once it is proven.

    slots, context (tokens of each), digest, program (name and version): as it is published; of an
    address nothing is known. where: job and computer, for messages.
    """

    at: At
    slots: int | None = None
    context: int | None = None
    model: str = ""
    digest: str = ""
    program: str = ""
    where: str = ""
    draining: bool = field(default=False, compare=False)

    @property
    def name(self) -> str:
        """Its published name, or its address."""
        return self.at.name

    def refuse(self, start: Start) -> None:
        """Raise EngineRefused when what is known of it does not fit what it is to be asked."""
        record, num_ctx = start.record, start.options.num_ctx
        if self.digest and record.digest and self.digest != record.digest:
            raise EngineRefused(
                f"its model '{record.model}' has the digest {self.digest}, the record says "
                f"{record.digest}",
                where=self.where,
                remedy="end this server, and start one with the recorded model",
            )
        if self.context and self.context != num_ctx:
            raise EngineRefused(
                f"its slots have {self.context} tokens of context, the experiment's num_ctx is "
                f"{num_ctx}",
                where=self.where,
                remedy="start a server for this num_ctx, or set the experiment's to that; what "
                "changes num_ctx changes the experiment",
            )


@dataclass(frozen=True)
class Seen:
    """What a look at the endpoints found. passed_over: why what else is there is not asked, by
    name; may_grow: whether others may come."""

    known: list[Known]
    passed_over: dict[str, str]
    may_grow: bool = True

    def told(self) -> str:
        """What was passed over, in words."""
        return "; ".join(f"{name}: {why}" for name, why in self.passed_over.items())


def endpoints_of(engine: Engine, model: str) -> Seen:
    """The endpoints that an engine names, for one model.

    Raises NotemillError where the folder is not there or not the user's alone, or the key's file
    can't be used.
    """
    assert engine.endpoints is not None
    path = "/v1" if engine.speaks_openai else ""
    if isinstance(engine.endpoints, Path):
        return _in_folder(engine, engine.endpoints, model, path)
    key = api_key(engine)
    return Seen(
        [
            Known(At(address, address, key, authority=_authority(engine)), where=address)
            for address in engine.endpoints
        ],
        {},
        may_grow=False,
    )


def _in_folder(engine: Engine, folder: Path, model: str, path: str) -> Seen:
    found = published(folder)
    seen = Seen([], {one.name: one.reason for one in found.passed_over})
    for one in found.endpoints:
        if why := _not_for(engine, model, one):
            seen.passed_over[one.name] = why
            continue
        told = one.endpoint
        authority = _authority(engine)
        at = At(one.name, told.address + path, one.token, told.certificate, authority, ours=True)
        seen.known.append(
            Known(
                at,
                slots=told.slots,
                context=told.context,
                model=told.model,
                digest=told.digest,
                program=told.engine,
                where=f"{told.job} on {told.node}",
                draining=told.state == "draining",
            )
        )
    return seen


def _not_for(engine: Engine, model: str, one: Published) -> str:
    """Why a published endpoint is not asked by this engine's jobs, empty if it may be."""
    told = one.endpoint
    if told.kind != engine.kind:
        return f"it is of kind {told.kind}, the engine of kind {engine.kind}"
    if told.model != model:
        return f"it has the model '{told.model}', not '{model}'"
    if not (engine.trusted_network or is_encrypted_or_local(told.address)):
        return (
            "it would get notes over the network unencrypted; start it with TLS, or say "
            "`trusted_network: true` where nobody else reads on it"
        )
    return ""


def _authority(engine: Engine) -> Path | None:
    if engine.ca_file and not engine.ca_file.is_file():
        raise NotemillError(
            "the file with the endpoints' authority is not there",
            where=f"{engine.ca_file} (engines.*.ca_file)",
            remedy="name the PEM file of who vouches for their certificates",
        )
    return engine.ca_file
