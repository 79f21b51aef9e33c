"""Take filled sheets back, step by step: readings, what is disputed, and the estimate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from notemill.answers.finished import Finished, texts_of
from notemill.audit.estimate import between_readers, estimate, with_model
from notemill.audit.folder import Folder, read_design
from notemill.audit.key import ADJUDICATOR, AuditKey, KeyText, read_key
from notemill.audit.population import count
from notemill.audit.readings import (
    Readings,
    Sheet,
    held,
    opened,
    read_readings,
    refuse_changed,
    refuse_twice,
)
from notemill.audit.record import AuditDesign, AuditEstimate, BetweenReaders, WithModel
from notemill.audit.settling import disputed, settle, write_adjudication, write_settled
from notemill.clock import now
from notemill.errors import NotemillError
from notemill.notes.manifest import read_frozen, read_manifest
from notemill.paths import Layout, cut_name


@dataclass(frozen=True)
class Progress:
    """How far a sheet is. answered: of its texts."""

    whose: str
    answered: int
    texts: int


@dataclass(frozen=True)
class State:
    """How far an audit is.

    sheets: of each reader, and the adjudication's once there is one. between_readers, with_model:
    empty until all readers' sheets are whole. estimate: None until all is settled.
    """

    folder: Folder
    sheets: list[Progress]
    between_readers: list[BetweenReaders]
    with_model: list[WithModel]
    estimate: AuditEstimate | None


def read_audit(
    layout: Layout,
    cohort: str,
    folder: Folder,
    sheets: Sequence[Path],
    run: Callable[[], Finished] | None,
) -> State:
    """Take these sheets, and those in the audit's folder of readers that sent none before.

    All are held to what was given before any is taken; one that is not whole yet is not taken.
    run: the finished run, None where the configuration does not know it any more. Raises
    NotemillError that names what doesn't belong.
    """
    audit = _Audit(folder, read_design(folder), read_key(folder.key))
    before = read_readings(folder.readings)
    back = audit.opened(sheets)
    readings = audit.taken(before, [sheet for sheet in back if sheet.reader != ADJUDICATOR])
    by_hand = [sheet for sheet in back if sheet.reader == ADJUDICATOR]
    if not audit.read_by_all(readings):
        if named := [sheet for sheet in by_hand if sheet.path in sheets]:
            raise NotemillError(
                "what readers disagree about is not known before all sheets are whole",
                where=str(named[0].path),
                remedy="read the readers' sheets first",
            )
        audit.keep(readings, before)
        return State(folder, audit.progress, [], [], None)
    agreement = audit.agreement(readings)
    disputes = disputed(audit.design, audit.key, readings)
    readings = audit.taken(readings, by_hand, disputes)
    audit.keep(readings, before)
    if disputes and ADJUDICATOR not in readings.readers:
        if not by_hand:
            audit.write_adjudication(layout, cohort, readings, disputes)
        return State(folder, audit.progress, *agreement, None)
    remarks = _since(layout, audit.design, run)
    return State(folder, audit.progress, *agreement, audit.settled(readings, disputes, remarks))


class _Audit:
    """An audit while its sheets are read."""

    def __init__(self, folder: Folder, design: AuditDesign, key: AuditKey) -> None:
        self.folder, self.design, self.key = folder, design, key
        self._progress: dict[str, Progress] = {}

    @property
    def progress(self) -> list[Progress]:
        """Of each sheet, the adjudication's last."""
        order = [*self.design.readers, ADJUDICATOR]
        return sorted(self._progress.values(), key=lambda each: order.index(each.whose))

    def opened(self, given: Sequence[Path]) -> list[Sheet]:
        """These sheets and those that lie in the audit's folder, each once."""
        own = [*map(self.folder.sheet, self.design.readers), self.folder.adjudication]
        named = {path.resolve(): path for path in given}
        there = [path for path in own if path.exists() and path.resolve() not in named]
        return [opened(path, self.key) for path in (*named.values(), *there)]

    def taken(
        self, before: Readings, sheets: Sequence[Sheet], disputes: Sequence[KeyText] = ()
    ) -> Readings:
        """What was taken before, and the whole ones of these sheets, all held to what was given."""
        back = []
        for sheet in sheets:
            expected = disputes if sheet.reader == ADJUDICATOR else self.key.of(sheet.reader)
            back.append(held(sheet, self.design, self.key, expected))
        refuse_twice([each for each in back if each.answers])
        readers = dict(before.readers)
        for each in sorted(back, key=lambda each: len(each.answers)):
            if known := before.readers.get(each.reader):
                refuse_changed(each, known, self.folder.readings)
            elif each.whole:
                readers[each.reader] = each.reading(now())
            self._progress[each.reader] = Progress(each.reader, len(each.answers), each.texts)
        for reader, reading in readers.items():
            size = len(reading.answers)
            self._progress[reader] = Progress(reader, size, size)
        order = [each for each in (*self.design.readers, ADJUDICATOR) if each in readers]
        return Readings(readers={reader: readers[reader] for reader in order})

    def read_by_all(self, readings: Readings) -> bool:
        """Whether every reader's sheet was taken."""
        return all(reader in readings.readers for reader in self.design.readers)

    def keep(self, readings: Readings, before: Readings) -> None:
        """Write down what is taken."""
        if readings != before:
            readings.write(self.folder.readings)

    def agreement(self, readings: Readings) -> tuple[list[BetweenReaders], list[WithModel]]:
        """Of the readers with each other and with the model."""
        return (
            between_readers(self.design, self.key, readings),
            with_model(self.design, self.key, readings),
        )

    def write_adjudication(
        self, layout: Layout, cohort: str, readings: Readings, disputes: Sequence[KeyText]
    ) -> None:
        """Write the sheet of what is disputed."""
        wanted = {text.text_sha256 for text in disputes}
        texts = {}
        if frozen := read_frozen(layout.frozen(cohort)):
            manifest = read_manifest(layout.manifest(cohort, cut_name(frozen.cut)), of=cohort)
            texts = dict(texts_of(layout, manifest, wanted))
        if missing := wanted - texts.keys():
            raise NotemillError(
                f"{len(missing)} of {len(wanted)} disputed texts are not in cohort '{cohort}' any "
                "more",
                where=str(layout.cohort(cohort)),
                remedy="bring the cohort's folder back from a backup, as it was when the audit was "
                f"drawn ({self.design.drawn_at})",
            )
        write_adjudication(self.folder.adjudication, self.design, self.key, readings, texts)
        self._progress[ADJUDICATOR] = Progress(ADJUDICATOR, 0, len(disputes))

    def settled(
        self, readings: Readings, disputes: Sequence[KeyText], remarks: Sequence[str]
    ) -> AuditEstimate:
        """The estimate, written."""
        third = readings.readers.get(ADJUDICATOR)
        adjudicated: Mapping[str, str] = third.answers if third else {}
        values = settle(self.design, self.key, readings, adjudicated)
        result = estimate(self.design, self.key, readings, values, len(disputes), remarks)
        write_settled(self.folder, self.design, self.key, values, adjudicated)
        result.write(self.folder.estimate)
        return result


def _since(layout: Layout, design: AuditDesign, run: Callable[[], Finished] | None) -> list[str]:
    """What has changed since the audit was drawn."""
    frozen = read_frozen(layout.frozen(design.cohort))
    if frozen is None or frozen.digest != design.notes_digest:
        return ["The cohort was read anew since the audit was drawn: the figures are of before."]
    if run is None:
        return []
    try:
        same = count(run(), design.field).digest == design.answers_digest
    except NotemillError:
        same = False
    if same:
        return []
    return ["The run was answered again since the audit was drawn: the figures are of before."]
