"""What a task's gate does with the first texts of a cohort that was extracted."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, islice

from notemill.check.finding import Findings
from notemill.config import Config
from notemill.errors import NotemillError
from notemill.notes.manifest import read_frozen, read_manifest
from notemill.notes.purged import read_purged
from notemill.notes.shard import read_notes
from notemill.notes.text import TextState
from notemill.paths import Layout, cut_name
from notemill.tasks.gate import counted
from notemill.tasks.run import Run

_TEXTS = 1000


def check_gate_on(config: Config, run: Run, cohort: str, found: Findings) -> None:
    """Say what the gate settles of some texts; warn where it settles all of them or none."""
    gate = run.task.gate
    if gate is None:
        return
    head = f"experiment {run.name}: the gate"
    try:
        texts = list(islice(_texts(Layout(config.results), cohort), _TEXTS))
        gated = [gate.gated(text) for text in texts]
    except NotemillError as error:
        found.refused(error)
        return
    if not texts:
        return
    settled = sum(each.settled for each in gated)
    of = f"of the first {len(texts)} texts of {cohort}"
    rules = [
        f"{rule}: " + ", ".join(f"{n} {did.replace('_', ' ')}" for did, n in counts.items() if n)
        for rule, counts in counted(gated).items()
    ]
    where = f"{gate.place}{'; ' if rules else ''}{'; '.join(rules)}"
    if settled == len(texts):
        found.warn(
            f"{head} settles all {of}",
            where=where,
            remedy="nothing would be asked; is a pattern of settle_if too wide, or does ask_if "
            "miss how these notes say it?",
        )
    elif not any(each.rule for each in gated):
        found.warn(
            f"{head} does nothing with any {of}",
            where=where,
            remedy="look at the patterns: single quotes around them, and words as the notes have "
            "them; or take the gate out",
        )
    else:
        found.ok(f"{head} settles {settled} {of} ({settled / len(texts):.1%})", rules)


def _texts(layout: Layout, cohort: str) -> Iterator[str]:
    """Texts in the order of their hashes, which is chance; none before the cohort was
    extracted, or when it was purged."""
    frozen = read_frozen(layout.frozen(cohort))
    if frozen is None or not layout.manifest(cohort, cut_name(frozen.cut)).exists():
        return
    if (purged := read_purged(layout.purged(cohort))) and purged.gone:
        return
    manifest = read_manifest(layout.manifest(cohort, cut_name(frozen.cut)), of=cohort)
    for entry in manifest.shards:
        path = layout.notes(cohort, cut_name(frozen.cut), entry.name)
        notes = read_notes(path, manifest.id_columns, with_text=True)
        for _, same in groupby(notes, lambda note: note.text_sha256):
            note = next(same)
            if note.state is TextState.OK and note.text is not None:
                yield note.text
