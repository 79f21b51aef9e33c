"""When texts and shards ended, over all shards together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from notemill.answers.live import Live
from notemill.status.report import Timeline

_WIDTH_S = 10
_MOST_SPANS = 240


def timeline(lives: Sequence[Live], finished: Iterable[float]) -> Timeline:
    """The histories added up, in at most some hundred spans of time."""
    histories = [live.history for live in lives if live.history.spans]
    width = max((history.width_s for history in histories), default=_WIDTH_S)
    parts = [
        Timeline(width_s=history.width_s, texts=history.spans, shards_done=[])
        for history in histories
    ]
    return together(
        [*parts, Timeline(width_s=width, texts=[], shards_done=sorted(map(int, finished)))]
    )


def together(parts: Sequence[Timeline]) -> Timeline:
    """Several timelines as one."""
    width = max((part.width_s for part in parts), default=_WIDTH_S)
    texts = _in_spans([pair for part in parts for pair in part.texts], width)
    while len(texts) > _MOST_SPANS:
        width *= 2
        texts = _in_spans(texts, width)
    done = sorted(second for part in parts for second in part.shards_done)
    return Timeline(width_s=width, texts=texts, shards_done=done)


def _in_spans(pairs: Iterable[tuple[int, int]], width: int) -> list[tuple[int, int]]:
    spans: Counter[int] = Counter()
    for start, texts in pairs:
        spans[start // width * width] += texts
    return sorted(spans.items())
