"""Intervals of what was drawn hold what they are of, by simulation."""

from __future__ import annotations

import numpy as np

from notemill.audit.estimate import _strata
from notemill.audit.key import AuditKey, KeyText
from notemill.audit.population import _drawn, number_of
from notemill.audit.record import AuditDesign, StratumDrawn
from notemill.statistics.strata import cohort_figures

TEXTS = 12_000
READ = 200
TRIALS = 100


def test_prevalence_and_sensitivity_of_a_rare_class_are_held(
    prevalence: float = 0.02, sensitivity: float = 0.85, specificity: float = 0.98
) -> None:
    """200 read of the model's yes and 200 of its no; a normal approximation holds 64 of 100."""
    rng = np.random.default_rng(1)
    numbers = {str(text): number_of(1, "drawn", str(text)) for text in range(TEXTS)}
    by_number = sorted(numbers, key=lambda text: numbers[text])
    held = {"prevalence": 0, "sensitivity": 0}
    plain = 0
    for _ in range(TRIALS):
        # Which text is which is what differs; the draw takes the same numbers.
        truth = rng.random(TEXTS) < prevalence
        said = np.where(truth, rng.random(TEXTS) < sensitivity, rng.random(TEXTS) >= specificity)
        strata, key = [], []
        for place, answer in enumerate((True, False)):
            its = [text for text in by_number if said[int(text)] == answer]
            smallest = [(-numbers[text], text, 1) for text in its[:READ]]
            drawn = _drawn(smallest, [(1, text) for text in its[:READ]], READ, len(its))
            assert len(drawn) == READ
            strata.append(stratum("yes" if answer else "no", len(its)))
            key += [
                KeyText(
                    text_sha256=each.text_sha256,
                    stratum=place,
                    notes=1,
                    certain=False,
                    rows={},
                    parts=[],
                )
                for each in drawn
            ]
        settled = {text: "yes" if truth[int(text)] else "no" for text in numbers}
        read = list(_strata(design(strata), AuditKey(question=[], texts=key), settled))
        figures = cohort_figures(read, "yes", seed=1)
        true = {"prevalence": truth.mean(), "sensitivity": said[truth].mean()}
        for name in held:
            figure = getattr(figures, name)
            held[name] += figure.low <= true[name] <= figure.high
        shares = [each.share("yes") for each in read]
        weights = [each.notes / TEXTS for each in read]
        error = np.sqrt(
            sum(w**2 * p * (1 - p) / READ for w, p in zip(weights, shares, strict=True))
        )
        value = sum(w * p for w, p in zip(weights, shares, strict=True))
        plain += abs(value - true["prevalence"]) <= 1.96 * error
    assert min(held.values()) / TRIALS >= 0.93
    assert plain / TRIALS < 0.8


def stratum(answer: str, texts: int) -> StratumDrawn:
    return StratumDrawn(
        name=answer,
        answer=answer,
        evidence=None,
        notes=texts,
        texts=texts,
        drawn=READ,
        certain=0,
        shared=0,
    )


def design(strata: list[StratumDrawn]) -> AuditDesign:
    return AuditDesign(
        name="audit",
        cohort="c",
        experiment="e",
        field="f",
        choices=["yes", "no"],
        cannot_tell="cannot tell",
        readers=["ana"],
        read_by={"ana": 400},
        seed=1,
        allocation="",
        shared=0.0,
        notes=TEXTS,
        texts=TEXTS,
        blank=0,
        strata=strata,
        notes_digest="",
        answers_digest="",
        drawn_at="",
        notemill="",
    )
