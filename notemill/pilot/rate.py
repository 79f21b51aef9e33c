"""Seconds that an engine needs for a text of the cohort, from a pilot's texts, with their error.

The sweep says how fast the average text of the pilot was answered. The texts that it drew are a
random sample of a shard whose mean length is known, so what the sample's luck with lengths did to
that average is taken out: the regression estimator of survey sampling (Cochran, Sampling
Techniques, ch. 7), with a slope that texts asked with different numbers of slots share. Without a
sweep the texts' own seconds give the rate, by Little's law: a job keeps slots + 1 texts in flight.

The error, by Student's t and on a logarithmic scale, is that of a sum: what lengths don't explain,
over the sample; what tokens don't explain, over the texts of the sweep's step; texts in flight when
the step's counting began and ended; the shard's lengths instead of the cohort's; and that no
machine is equally fast twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from notemill.answers.sweep import EVENED_FROM, Step
from notemill.pilot.record import AskedText, PilotRecord, ShardTexts

FEWEST = 5
"""Texts of the sample below which nothing can be said."""
_MACHINE, _SHARED_CORES = 0.03, 0.1
"""Relative standard deviation between two runs of the same texts on the same machine: of a GPU that
a job has alone, and of a CPU."""
_LARGEST_FACTOR = 100.0


@dataclass(frozen=True)
class Rate:
    """text_s: expected seconds of an engine for a text, and the low and high end of 95 %.

    slots: that it was measured with. waited_s: from a text's turn to its end, on average.
    remarks: what makes it less certain.
    """

    slots: int
    text_s: tuple[float, float, float]
    waited_s: float
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class _Costs:
    """What explains the sample's costs, all relative to the mean of texts with as many slots.

    slope: of costs over lengths; unexplained: variance that lengths leave, with `freedom` degrees;
    explained: variance that they explain; noise: variance that tokens leave; spread: sum of squared
    deviations of lengths; off: the sample's mean length less the shard's.
    """

    texts: int
    slope: float
    unexplained: float
    explained: float
    noise: float
    spread: float
    off: float
    freedom: int

    @property
    def corrected(self) -> float:
        """Mean cost of the shard's texts, where the sample's is 1."""
        return max(1 - self.slope * self.off, 0.2)


def rate_at(record: PilotRecord, slots: int, cohort_texts: int) -> Rate | str:
    """The rate of an engine with so many slots, or why it can't be told."""
    sample = [text for text in record.asked if text.drawn and text.slots]
    costs = _costs(record.shard_texts, sample) if any(text.seconds for text in sample) else None
    if costs is None:
        return f"of its random sample the pilot asked {len(sample)} texts, too few for a range"
    measured = _measured(record, sample, slots)
    remarks = (
        [] if measured == slots else [f"{slots} slots were not measured: this is for {measured}"]
    )
    if record.asked_before:
        remarks.append(
            f"earlier jobs had answered {record.asked_before:,} of the "
            f"{record.shard_texts.texts:,} texts: what they left may be other texts than most"
        )
    at_level = [text for text in sample if text.slots == measured]
    waited_s = float(np.mean([text.seconds for text in at_level or sample]))
    if step := _step(record, measured):
        text_s = 1 / step.rate
        evened = step.even_per_s and step.texts >= EVENED_FROM
        noise = costs.noise if evened else costs.unexplained + costs.explained
        counting = noise / step.texts + measured / 6 / step.texts**2
    else:
        in_flight: float = len(at_level)
        busy = measured * record.servers
        if in_flight <= busy:
            remarks.append(f"{len(at_level)} texts could not keep {busy} slots busy: rather less")
        else:  # the first texts found their slots free
            in_flight = busy + record.servers - busy / len(at_level)
        text_s, counting = waited_s / in_flight, 0.0
    # What was asked is known and what was not is not: nothing is left of a wholly asked cohort.
    not_asked = max(1 - len(sample) / max(cohort_texts, 1), 0)
    sampling = costs.unexplained * (1 / costs.texts + costs.off**2 / max(costs.spread, 1e-9))
    shard = costs.explained / max(record.shard_texts.texts, 1)
    machine = _SHARED_CORES if record.gpu == "CPU" else _MACHINE
    variance = (sampling + shard) * not_asked + counting + machine**2
    reach = min(math.exp(min(_t(costs.freedom) * math.sqrt(variance), 99)), _LARGEST_FACTOR)
    expected = text_s * costs.corrected * _of_classes(record, measured)
    text_range = (expected, expected / reach, expected * reach)
    return Rate(measured, text_range, waited_s * costs.corrected, tuple(remarks))


def _of_classes(record: PilotRecord, slots: int) -> float:
    """Seconds of all texts over what they were with so many slots, as classes have other slots.

    Half of a text's time is taken for its length's.
    """
    if len(record.classes) < 2:
        return 1.0
    texts = sum(each.texts for each in record.classes)
    characters = sum(each.characters for each in record.classes) or 1
    most = max(record.classes, key=lambda each: each.texts)
    seconds = 0.0
    for each in record.classes:
        # A class that is configured otherwise by now has as many times the slots as the others.
        own = max(slots * each.slots // most.slots, 1)
        share = (each.texts / texts + each.characters / characters) / 2
        seconds += share * record.sweep.rate(slots) / record.sweep.rate(own)
    return seconds


def _measured(record: PilotRecord, sample: Sequence[AskedText], slots: int) -> int:
    """The measured number of slots to go by: this one, or the next below, or the smallest."""
    steps = {step.slots for step in record.sweep.steps if _step(record, step.slots)}
    levels = steps or {text.slots for text in sample}
    return max((level for level in levels if level <= slots), default=min(levels))


def _step(record: PilotRecord, slots: int) -> Step | None:
    """The sweep's step with so many slots, if anything ended in it."""
    steps = [step for step in record.sweep.steps if step.slots == slots and not step.why_not]
    return next((step for step in steps if step.texts_per_s), None)


def _costs(shard: ShardTexts, sample: Sequence[AskedText]) -> _Costs | None:
    """Fit the sample's costs. None where too few texts had the same number of slots."""
    mean_length = shard.characters / shard.texts if shard.texts and shard.characters else 1.0
    lengths = np.array([text.characters for text in sample]) / mean_length
    seconds = np.array([text.seconds for text in sample])
    tokens = np.array([(text.prompt_tokens, text.answer_tokens) for text in sample], dtype=float)
    slots = np.array([text.slots for text in sample])
    centred = np.empty_like(lengths)
    for level in sorted(set(slots.tolist())):
        of_level = slots == level
        # All wait alike for a slot, 1 of slots + 1 parts of their seconds: that is not their cost.
        share = level / (level + 1)
        seconds[of_level] = (seconds[of_level] / (seconds[of_level].mean() or 1) - 1) / share
        centred[of_level] = lengths[of_level] - lengths[of_level].mean()
        tokens[of_level] -= tokens[of_level].mean(axis=0)
    freedom = len(sample) - len(set(slots.tolist()))
    if freedom < FEWEST - 1:
        return None
    spread = float(centred @ centred)
    # Two lengths draw any line; three may be a slope.
    slope = float(centred @ seconds) / spread if len(set(lengths.tolist())) > 2 else 0.0
    residual = seconds - slope * centred
    unexplained = float(residual @ residual) / (freedom - 1)
    of_tokens, *_ = np.linalg.lstsq(tokens, seconds, rcond=None)
    noise = seconds - tokens @ of_tokens
    return _Costs(
        texts=len(sample),
        slope=slope,
        unexplained=unexplained,
        explained=max(float(seconds @ seconds) / freedom - unexplained, 0.0),
        noise=float(noise @ noise) / (freedom - 2),
        spread=spread,
        off=float(lengths.mean()) - 1,
        freedom=freedom - 1,
    )


def _t(freedom: int) -> float:
    """The 97.5 % quantile of Student's t (Cornish and Fisher; 1 % off at 3 degrees, then less)."""
    z = 1.959964
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )
