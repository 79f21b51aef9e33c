"""Figures of readings by hand, where one text is many notes."""

import pytest

from notemill.audit.estimate import with_model
from notemill.audit.key import AuditKey, KeyText
from notemill.audit.readings import Reading, Readings
from notemill.audit.record import AuditDesign, StratumDrawn

HEAVY = 1000
"""Notes of the text that was taken for certain; of 9,000 others, one each, 30 were drawn."""


def design() -> AuditDesign:
    stratum = StratumDrawn(
        name="yes",
        answer="yes",
        evidence=None,
        notes=10_000,
        texts=9_001,
        drawn=31,
        certain=1,
        shared=31,
    )
    return AuditDesign.model_construct(
        readers=["ann"], choices=["yes", "no"], cannot_tell="cannot tell", strata=[stratum], seed=1
    )


def test_a_text_taken_for_certain_weighs_its_own_notes_in_a_readers_agreement_with_the_model():
    texts = [
        KeyText(
            text_sha256=f"{number:064x}",
            stratum=0,
            notes=1 if number else HEAVY,
            certain=not number,
            rows={"ann": f"R{number}"},
            parts=[],
        )
        for number in range(31)
    ]
    answers = {text.text_sha256: "no" if text.certain else "yes" for text in texts}
    reading = Reading.model_construct(answers=answers)
    readings = Readings.model_construct(readers={"ann": reading})
    [figure] = [
        each.agreement
        for each in with_model(design(), AuditKey(question=[], texts=texts), readings)
    ]
    assert figure.value == pytest.approx(0.9)
    assert figure.low > 0.8
