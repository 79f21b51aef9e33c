"""What can be said of a cohort without its source: what was read of it, the size of its shards."""

from __future__ import annotations

from notemill.check.finding import Findings
from notemill.config import Cohort, Config
from notemill.errors import NotemillError
from notemill.notes.frozen import check_cohorts
from notemill.notes.manifest import read_frozen
from notemill.paths import Layout

_FEW_TEXTS, _MANY_TEXTS = 20, 100_000
"""Texts a shard: an engine's start costs more than these; these take most of a day."""


def check_cohort(config: Config, name: str, cohort: Cohort, found: Findings) -> None:
    """Refuse one that is another than was read; tell what is known of it."""
    layout = Layout(config.results)
    ids = ", ".join(cohort.id_columns)
    shards = f"{cohort.shards} shard{'s' if cohort.shards > 1 else ''}"
    head = f"cohort {name}: {shards}, ids {ids}"
    if (
        cohort.query
        and cohort.same_id_different_text != "error"
        and "order by" not in cohort.query.lower()
    ):
        found.warn(
            f"cohort {name}: the {cohort.same_id_different_text} row of an id is kept, and the "
            "query has no order",
            where=f"cohorts.{name}.query",
            remedy="add an ORDER BY, or it is left to the database which text is asked",
        )
    try:
        check_cohorts(config.model_copy(update={"cohorts": {name: cohort}}))
        frozen = read_frozen(layout.frozen(name))
    except NotemillError as error:
        found.refused(error)
        return
    if frozen is None:
        found.ok(f"{head}; not read yet")
        return
    texts, notes = frozen.counts.texts, frozen.counts.notes
    moved = f"; its answers move from {frozen.cut} shards" if frozen.cut != cohort.shards else ""
    found.ok(f"{head}; read on {frozen.extracted_at}: {notes} notes, {texts} texts to ask{moved}")
    shard_sizes(name, cohort.shards, texts, found)


def shard_sizes(name: str, shards: int, texts: int, found: Findings) -> None:
    """Warn of shards so small or so large that GPU time or a night is lost."""
    each = texts / shards
    where = f"cohorts.{name}.shards: {shards}"
    if shards > 1 and each < _FEW_TEXTS:
        found.warn(
            f"cohort {name}: about {each:.0f} texts a shard, for each of which an engine starts",
            where=where,
            remedy=f"fewer shards: {max(1, texts // 5000)}, say. Nothing is asked again",
        )
    if each > _MANY_TEXTS:
        found.warn(
            f"cohort {name}: about {each:.0f} texts a shard; at ten a second a job takes "
            f"{each / 36000:.0f} hours",
            where=where,
            remedy=f"more shards: {min(2000, -(-texts // 10_000))}, say. Nothing is asked again",
        )
