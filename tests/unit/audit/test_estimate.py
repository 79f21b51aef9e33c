"""Figures of readings by hand, where one text is many notes; and what is told beside them."""

import pytest

from notemill.audit.estimate import with_model
from notemill.audit.key import AuditKey, KeyText
from notemill.audit.readings import Reading, Readings
from notemill.audit.record import AuditDesign, StratumDrawn
from tests.unit.audit.auditing import Auditing
from tests.unit.audit.conftest import certain

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


def test_a_reader_of_the_figures_is_told_what_no_interval_holds(filled: Auditing) -> None:
    """Of 32 texts a fifth, or one a stratum, have both readers, the others one."""
    filled.read()
    key, remarks = filled.key(), filled.estimate().remarks
    once = [text for text in key.texts if ("ana" in text.rows) != ("ben" in text.rows)]
    assert 0 < len(once) < len(key.texts)
    told = f"{len(once)} of {len(key.texts)} texts had one reader"
    assert sum(each.startswith(told) for each in remarks) == 1
    assert sum("sampling error alone" in each for each in remarks) == 1
    assert sum("kappa and AC1 between readers are of texts as" in each for each in remarks) == 1


def test_where_all_texts_had_both_readers_none_is_said_to_have_had_one(
    auditing: Auditing,
) -> None:
    auditing.draw("--texts", "32", "--shared", "1")
    for reader in ("ana", "ben"):
        auditing.fill(reader, certain)
    auditing.read()
    remarks = auditing.estimate().remarks
    assert not any("had one reader" in each for each in remarks)
    assert sum("sampling error alone" in each for each in remarks) == 1
