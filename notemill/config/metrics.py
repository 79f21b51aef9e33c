"""`metrics`: whether jobs and servers tell Prometheus how they go."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from notemill.config.base import Section, UserPath

_Port = Annotated[int, Field(ge=1024, le=65535)]


class MetricsSection(Section):
    """Where each job and each server serves its metrics, on the node where it runs."""

    address: str = Field(
        "127.0.0.1",
        description="IP address to listen on. On loopback processes of the node alone reach it; "
        "0.0.0.0 or :: are all of the node's addresses.",
    )
    ports: tuple[_Port, _Port] | None = Field(
        None,
        description="First and last of the ports to take one from; any that is free without it.",
    )
    token_file: UserPath | None = Field(
        None,
        description="File, mode 0600, with the bearer token that a scrape must send. Needed where "
        "the address is not loopback.",
    )

    @field_validator("address")
    @classmethod
    def _is_an_ip_address(cls, address: str) -> str:
        try:
            return str(ipaddress.ip_address(address))
        except ValueError:
            raise ValueError("write an IP address: 127.0.0.1, or 0.0.0.0 for the node's") from None

    @field_validator("ports")
    @classmethod
    def _in_order(cls, ports: tuple[int, int] | None) -> tuple[int, int] | None:
        if ports and ports[0] > ports[1]:
            raise ValueError("write the smaller port first")
        return ports

    @model_validator(mode="after")
    def _token_beyond_loopback(self) -> MetricsSection:
        if not self.token_file and not ipaddress.ip_address(self.address).is_loopback:
            raise ValueError(
                "an address that others reach needs a token_file, a file of mode 0600 with a "
                "token; or leave address out for loopback"
            )
        return self

    @property
    def everywhere(self) -> bool:
        """Whether all of the node's addresses are listened on."""
        return ipaddress.ip_address(self.address).is_unspecified
