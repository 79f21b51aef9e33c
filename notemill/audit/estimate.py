"""From settled texts to the whole cohort's figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from notemill import __version__
from notemill.audit.key import AuditKey, KeyText
from notemill.audit.readings import Readings
from notemill.audit.record import (
    AuditDesign,
    AuditEstimate,
    BetweenReaders,
    Estimated,
    StratumRead,
    WithModel,
)
from notemill.clock import now
from notemill.statistics.figure import undefined
from notemill.statistics.measures import measured
from notemill.statistics.strata import Stratum, cohort_accuracy, cohort_figures, untold_share

_UNTOLD = ""
"""A right value that is no choice."""


def estimate(
    design: AuditDesign,
    key: AuditKey,
    readings: Readings,
    settled: Mapping[str, str],
    adjudicated: int,
    remarks: Sequence[str],
) -> AuditEstimate:
    """The cohort's figures. settled: each text's value; adjudicated: how many were disputed."""
    strata = list(_strata(design, key, settled))
    wrong = [
        Stratum(
            each.answer,
            each.notes,
            [*each.truths, *[_UNTOLD] * len(each.untold)],
            [*each.weights, *each.untold],
            each.whole,
        )
        for each in strata
    ]
    return AuditEstimate(
        design=design,
        strata=list(_read(design, key, settled)),
        between_readers=between_readers(design, key, readings),
        with_model=with_model(design, key, readings),
        adjudicated=adjudicated,
        cannot_tell=untold_share(strata, seed=design.seed),
        answered=_estimated(design, list(_strata(design, key, settled, answered=True))),
        all=_estimated(design, strata),
        accuracy_if_untold_wrong=cohort_accuracy(wrong, seed=design.seed),
        remarks=[*_remarks(design, key), *remarks],
        estimated_at=now(),
        notemill=__version__,
    )


def between_readers(design: AuditDesign, key: AuditKey, readings: Readings) -> list[BetweenReaders]:
    """Each two readers on the texts that both read."""
    labels = [*design.choices, design.cannot_tell]
    result = []
    for one, other in combinations(design.readers, 2):
        table = np.zeros((len(labels), len(labels) + 1))
        for text in key.texts:
            if one in text.rows and other in text.rows:
                first, second = (
                    labels.index(readings.readers[each].answers[text.text_sha256])
                    for each in (one, other)
                )
                table[first, second] += 1
        figures = measured(table, labels, seed=design.seed).answered
        told = (figures.accuracy, figures.kappa, figures.ac1)
        if not table.any():
            told = (undefined("no text was read by both"),) * 3
        agreement, kappa, ac1 = told
        result.append(
            BetweenReaders(
                readers=(one, other),
                labels=labels,
                table=table[:, :-1].astype(int).tolist(),
                agreement=agreement,
                kappa=kappa,
                ac1=ac1,
            )
        )
    return result


def with_model(design: AuditDesign, key: AuditKey, readings: Readings) -> list[WithModel]:
    """Each reader and the model, over the answered notes of the cohort."""
    result = []
    for reader in design.readers:
        answers = readings.readers[reader].answers
        its = key.of(reader)
        strata = list(_strata(design, key, answers, its, answered=True))
        result.append(
            WithModel(
                reader=reader,
                texts=len(its),
                cannot_tell=sum(said == design.cannot_tell for said in answers.values()),
                agreement=cohort_accuracy(strata, seed=design.seed),
            )
        )
    return result


def _estimated(design: AuditDesign, strata: Sequence[Stratum]) -> Estimated:
    return Estimated(
        accuracy=cohort_accuracy(strata, seed=design.seed),
        classes=[cohort_figures(strata, label, seed=design.seed) for label in design.choices],
    )


def _strata(
    design: AuditDesign,
    key: AuditKey,
    settled: Mapping[str, str],
    read: Sequence[KeyText] | None = None,
    *,
    answered: bool = False,
) -> Iterator[Stratum]:
    """The strata as they were read: texts taken for certain apart, which stand for themselves.

    answered: only those that the model answered.

    read: the texts of one reader, where it is of these alone; then those taken for certain stand
    for all of them, of which the reader has some by chance.
    """
    for place, stratum in enumerate(design.strata):
        if answered and (stratum.answer is None or stratum.settled):
            continue
        of = [text for text in key.texts if text.stratum == place]
        its = [text for text in (key.texts if read is None else read) if text.stratum == place]
        certain = [text for text in its if text.certain]
        notes = sum(text.notes for text in of if text.certain)
        if notes:
            whole = sum(text.notes for text in certain) == notes
            yield _stratum(design, place, certain, notes, settled, whole=whole)
        if notes < stratum.notes:
            rest = [text for text in its if not text.certain]
            yield _stratum(design, place, rest, stratum.notes - notes, settled)


def _stratum(
    design: AuditDesign,
    place: int,
    texts: Sequence[KeyText],
    notes: int,
    values: Mapping[str, str],
    *,
    whole: bool = False,
) -> Stratum:
    told = [text for text in texts if values[text.text_sha256] != design.cannot_tell]
    untold = [text for text in texts if values[text.text_sha256] == design.cannot_tell]
    return Stratum(
        answer=design.strata[place].answer,
        notes=notes,
        truths=[values[text.text_sha256] for text in told],
        weights=[text.notes for text in told],
        whole=whole,
        untold=[text.notes for text in untold],
    )


def _read(design: AuditDesign, key: AuditKey, settled: Mapping[str, str]) -> Iterator[StratumRead]:
    for place, stratum in enumerate(design.strata):
        found = Counter(settled[text.text_sha256] for text in key.texts if text.stratum == place)
        yield StratumRead(
            **stratum.model_dump(),
            truths={label: found[label] for label in design.choices},
            cannot_tell=found[design.cannot_tell],
        )


def _remarks(design: AuditDesign, key: AuditKey) -> Iterator[str]:
    yield "Texts were taken as independent of each other, those of one patient too."
    if design.blank:
        yield f"{design.blank} blank notes were not asked and are in no figure."
    for stratum in design.strata:
        if stratum.settled:
            taken = "without an answer" if stratum.answer is None else f"taken for {stratum.answer}"
            yield (
                f"{stratum.notes} notes were settled by the task's gate and not asked; in the "
                f"figures of all notes they are {taken}."
            )
    if len(design.readers) == 1:
        yield "There was one reader: how far readers agree is not known."
    else:
        yield (
            "Agreement, kappa and AC1 between readers are of texts as they were drawn, where rare "
            "answers are frequent: they are not the cohort's."
        )
    once = sum(sum(reader in text.rows for reader in design.readers) == 1 for text in key.texts)
    if once:
        yield (
            f"{once} of {len(key.texts)} texts had one reader, and no second one to find an error."
        )
    yield "Intervals hold sampling error alone, not what readers err by."
    if unread := [stratum.name for stratum in design.strata if not stratum.drawn]:
        yield f"Not read at all: {'; '.join(unread)}."
