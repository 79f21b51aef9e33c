"""What was counted, as Prometheus' metrics: names, units and help."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from notemill.counts import ANSWERED, INTERRUPTED, REQUEST_BOUNDS_S, Counts
from notemill.engines.gpu import GpuUse

Labels = Mapping[str, str]
_WHOSE = ("cohort", "experiment", "shard", "host", "slurm_job")


class Sampled(NamedTuple):
    """What takes a while to find out, as it was some seconds ago. Sizes in bytes.

    journals: by the position of their counts; disk_size, disk_free: of the results' file system.
    """

    journals: Sequence[int] = ()
    disk_size: int | None = None
    disk_free: int | None = None
    gpus: Sequence[GpuUse] = ()


class Seen(NamedTuple):
    """A job as it is seen: its counts, a task each, and what was sampled of it.

    where: the labels host and slurm_job. ends: when the job will at the latest (seconds of the
    epoch), None if it isn't known. now: whether it is still at work.
    """

    counts: Sequence[Counts]
    where: Labels
    sampled: Sampled = Sampled()
    ends: float | None = None
    now: bool = True


def whose(counts: Counts, where: Labels) -> dict[str, str]:
    """Labels of all that is told of these counts."""
    return {
        "cohort": counts.cohort,
        "experiment": counts.experiment,
        "shard": counts.shard,
        **where,
    }


def job_families(seen: Seen) -> Iterator[Metric]:
    """A job's metrics: what it has counted and, as long as it works, how it stands."""
    labels = [tuple(whose(each, seen.where)[name] for name in _WHOSE) for each in seen.counts]
    pairs = list(zip(labels, seen.counts, strict=True))
    yield from _counted(pairs)
    yield from _shards(pairs, seen.sampled)
    if seen.now:
        yield from _standing(pairs, seen)
        yield from gpu_families(whose(seen.counts[0], seen.where), seen.sampled.gpus)


_Pairs = list[tuple[tuple[str, ...], Counts]]


def _counted(pairs: _Pairs) -> Iterator[Metric]:
    texts = _counter("notemill_texts", "Texts that have ended in this job, by status.", "status")
    tokens = _counter("notemill_tokens", "Tokens of prompts and of answers.", "direction")
    retries = _counter(
        "notemill_retries", "Further attempts at a text, by what made them necessary.", "reason"
    )
    restarts = _counter("notemill_engine_restarts", "Starts of an engine after it was lost.")
    requests = HistogramMetricFamily(
        "notemill_request_duration_seconds",
        "Seconds from a request to its reply, waiting included.",
        labels=_WHOSE,
        unit="seconds",
    )
    for labels, counts in pairs:
        # Those at 0 too: a rate needs a beginning.
        ended, retried = dict(counts.ended), dict(counts.retries)
        for status in dict.fromkeys([*counts.statuses, *ended]):
            texts.add_metric([*labels, status], ended.get(status, 0))
        for reason in dict.fromkeys([*counts.statuses, INTERRUPTED, *retried]):
            if reason != ANSWERED:
                retries.add_metric([*labels, reason], retried.get(reason, 0))
        tokens.add_metric([*labels, "prompt"], counts.prompt_tokens)
        tokens.add_metric([*labels, "answer"], counts.answer_tokens)
        in_all = list(accumulate(counts.requests.counts))
        bounds = [*(str(bound) for bound in REQUEST_BOUNDS_S), "+Inf"]
        buckets = [(bound, float(count)) for bound, count in zip(bounds, in_all, strict=True)]
        requests.add_metric(labels, buckets, counts.requests.total)
    labels, counts = pairs[0]
    restarts.add_metric(labels, counts.restarts)
    yield from (texts, tokens, retries, restarts, requests)


def _shards(pairs: _Pairs, sampled: Sampled) -> Iterator[Metric]:
    texts = _gauge("notemill_shard_texts", "Texts of the shard.")
    done = _gauge(
        "notemill_shard_done_texts",
        "Of the shard's texts those that are answered, settled by the gate, or failed in this job.",
    )
    journal = _gauge("notemill_journal_size_bytes", "Size of the journal.", unit="bytes")
    first = _gauge(
        "notemill_first_text_seconds",
        "Seconds from the job's start until its first text ended.",
        unit="seconds",
    )
    for number, (labels, counts) in enumerate(pairs):
        texts.add_metric(labels, counts.texts)
        ended = sum(dict(counts.ended).values())
        done.add_metric(labels, counts.settled + counts.answered_before + ended)
        if number < len(sampled.journals):
            journal.add_metric(labels, sampled.journals[number])
        if counts.first_s is not None:
            first.add_metric(labels, counts.first_s)
    yield from (texts, done, journal, first)


def _standing(pairs: _Pairs, seen: Seen) -> Iterator[Metric]:
    begun = _gauge("notemill_job_start_timestamp_seconds", "When the job began.", unit="seconds")
    progressed = _gauge(
        "notemill_progress_timestamp_seconds",
        "When a text ended or an engine got ready for the last time.",
        unit="seconds",
    )
    waiting = _gauge("notemill_requests_in_flight", "Requests that wait for their reply.")
    info = GaugeMetricFamily(
        "notemill_job_info", "Always 1; what is asked.", labels=[*_WHOSE, "engine"]
    )
    for labels, counts in pairs:
        begun.add_metric(labels, counts.started)
        progressed.add_metric(labels, counts.progressed)
        waiting.add_metric(labels, counts.in_flight)
        info.add_metric([*labels, counts.engine], 1)
    labels, lead = pairs[0]
    slots = _gauge("notemill_slots", "Requests that the job's engines answer at once.")
    slots.add_metric(labels, lead.slots)
    in_use = _gauge("notemill_slots_in_use", "Of these slots those that have a request.")
    in_flight = sum(counts.in_flight for _, counts in pairs)
    in_use.add_metric(labels, min(in_flight, lead.slots))
    yield from (begun, progressed, waiting, info, slots, in_use)
    for name, told, value in (
        ("notemill_results_size_bytes", "Size of the results' file system.", "disk_size"),
        ("notemill_results_free_bytes", "Of this what you may still write.", "disk_free"),
    ):
        if (size := getattr(seen.sampled, value)) is not None:
            disk = _gauge(name, told, unit="bytes")
            disk.add_metric(labels, size)
            yield disk
    if seen.ends is not None:
        ends = _gauge(
            "notemill_job_end_timestamp_seconds",
            "When its time limit ends the job.",
            unit="seconds",
        )
        ends.add_metric(labels, seen.ends)
        yield ends


def gpu_families(whose: Labels, gpus: Sequence[GpuUse]) -> Iterator[Metric]:
    """Memory and use of GPUs, as far as the driver tells. whose: further labels."""
    names = [*whose, "gpu", "gpu_name"]
    total = GaugeMetricFamily(
        "notemill_gpu_memory_size_bytes", "Memory of the GPU.", labels=names, unit="bytes"
    )
    used = GaugeMetricFamily(
        "notemill_gpu_memory_used_bytes", "Of this what is in use.", labels=names, unit="bytes"
    )
    busy = GaugeMetricFamily(
        "notemill_gpu_busy_ratio",
        "Share of the time in which the GPU computed, as the driver tells.",
        labels=names,
        unit="ratio",
    )
    for gpu in gpus:
        whose_gpu = [*whose.values(), gpu.uuid, gpu.name]
        for family, value in ((total, gpu.total_bytes), (used, gpu.used_bytes), (busy, gpu.busy)):
            if value is not None:
                family.add_metric(whose_gpu, value)
    yield from (family for family in (total, used, busy) if family.samples)


def _counter(name: str, told: str, *further: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, told, labels=[*_WHOSE, *further])


def _gauge(name: str, told: str, *, unit: str = "") -> GaugeMetricFamily:
    return GaugeMetricFamily(name, told, labels=_WHOSE, unit=unit)
