"""Intervals of what was drawn hold what they are of, by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from notemill.audit.estimate import _strata
from notemill.audit.key import AuditKey, KeyText
from notemill.audit.population import _drawn, number_of
from notemill.audit.record import AuditDesign, StratumDrawn
from notemill.statistics import strata as of_strata
from notemill.statistics.strata import Stratum, cohort_accuracy, cohort_figures, untold_share

TEXTS = 12_000
READ = 200
TRIALS = 100


def test_prevalence_and_sensitivity_of_a_rare_class_are_held(
    monkeypatch: pytest.MonkeyPatch,
    prevalence: float = 0.02,
    sensitivity: float = 0.85,
    specificity: float = 0.98,
) -> None:
    """200 read of the model's yes and 200 of its no; a normal approximation holds 64 of 100."""
    monkeypatch.setattr(of_strata, "DRAWS", 400)
    rng = np.random.default_rng(1)
    numbers = {str(text): number_of(1, "drawn", str(text)) for text in range(TEXTS)}
    by_number = np.array(sorted(range(TEXTS), key=lambda text: numbers[str(text)]))
    held = {"prevalence": 0, "sensitivity": 0}
    plain = 0
    for _ in range(TRIALS):
        # Which text is which is what differs; the draw takes the same numbers.
        truth = rng.random(TEXTS) < prevalence
        said = np.where(truth, rng.random(TEXTS) < sensitivity, rng.random(TEXTS) >= specificity)
        strata, key = [], []
        for place, answer in enumerate((True, False)):
            its = by_number[said[by_number] == answer]
            first = [str(text) for text in its[:READ]]
            smallest = [(-numbers[text], text, 1) for text in first]
            drawn = _drawn(smallest, [(1, text) for text in first], READ, len(its))
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
        settled = {
            text: "yes" if truth[int(text)] else "no" for text in {each.text_sha256 for each in key}
        }
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


def test_what_nobody_can_tell_is_in_no_figure_and_its_share_is_weighted() -> None:
    """By hand: of 100 yes 1 in 4 can't be told, of 300 no none; told yes are all right."""
    strata = [
        Stratum("yes", 100, ["yes", "yes", "yes"], [1, 1, 1], untold=[1]),
        Stratum("no", 300, ["no", "no", "yes"], [1, 1, 1]),
    ]
    assert untold_share(strata).value == pytest.approx(25 / 400)
    assert cohort_accuracy(strata).value == pytest.approx((75 + 200) / 375)
    figures = cohort_figures(strata, "yes")
    assert figures.prevalence.value == pytest.approx((75 + 100) / 375)
    assert figures.sensitivity.value == pytest.approx(75 / 175)
    assert figures.npv.value == pytest.approx(2 / 3)


def test_what_nobody_can_tell_at_all_leaves_no_figure() -> None:
    strata = [Stratum("yes", 10, [], [], untold=[1, 1])]
    assert cohort_accuracy(strata).why == "no note that was read could be told"
    assert cohort_figures(strata, "yes").prevalence.why == "no note that was read could be told"
    assert untold_share(strata).value == 1.0


def test_a_stratum_that_was_read_whole_is_known() -> None:
    whole = Stratum("yes", 10, ["yes", "no"], [9, 1], whole=True)
    figure = cohort_accuracy([whole])
    assert (figure.value, figure.low, figure.high) == pytest.approx((0.9, 0.9, 0.9))
