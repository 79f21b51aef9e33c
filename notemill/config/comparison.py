"""`comparisons`: two experiments held against each other, on the same notes."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from notemill.config.base import Name, Section
from notemill.config.tasks import RUN_NAME_PATTERN

EXPERIMENT_ID = re.compile(rf"({RUN_NAME_PATTERN[1:-1]})-[0-9a-f]{{12}}")
_NAME = re.compile(RUN_NAME_PATTERN)


def _experiment(named: str) -> str:
    if not (_NAME.fullmatch(named) or EXPERIMENT_ID.fullmatch(named)):
        raise ValueError(
            "write an experiment's name, or the id of one that was answered before, as its folder "
            "below results/answers is named: pneumonia-0123456789ab"
        )
    return named


Compared = Annotated[str, AfterValidator(_experiment)]
"""An experiment's name in the configuration, or the id of one that was answered before."""


class Comparison(Section):
    """Two experiments over one cohort. What they answered is compared field by field."""

    experiments: tuple[Compared, Compared] = Field(
        description="Two experiments: names of this configuration, or ids (NAME-0123456789ab) of "
        "ones that were answered before. Differences are the second less the first."
    )
    cohort: Name | None = Field(
        None, description="The cohort; needed where both experiments have several in common."
    )
    evaluation: Name | None = Field(
        None, description="One of `evaluations`, whose gold says which of the two is right."
    )
    fields: list[str] | None = Field(
        None, description="Fields of the answer to compare; by default all that both have."
    )
    tolerance: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict,
        description="By field: numbers that differ by no more than this count as equal.",
    )

    @model_validator(mode="after")
    def _two(self) -> Comparison:
        if self.experiments[0] == self.experiments[1]:
            raise ValueError("experiments names one twice; `repeat` asks one experiment again")
        return self
