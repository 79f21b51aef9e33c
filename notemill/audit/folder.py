"""Where an audit's files lie, in its own folder of results/audits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from notemill.audit.record import ESTIMATE, AuditDesign
from notemill.errors import NotemillError
from notemill.files import read_json
from notemill.paths import Layout


@dataclass(frozen=True)
class Folder:
    """An audit's folder."""

    path: Path

    @property
    def design(self) -> Path:
        """What was drawn."""
        return self.path / "design.json"

    @property
    def key(self) -> Path:
        """Which row is which text."""
        return self.path / "key.json"

    def sheet(self, reader: str) -> Path:
        """A reader's sheet."""
        return self.path / "sheets" / f"{reader}.xlsx"

    def label_studio(self, reader: str) -> Path:
        """The same for Label Studio."""
        return self.path / "sheets" / f"{reader}.label-studio.json"

    @property
    def labeling_config(self) -> Path:
        """Label Studio's interface for all readers."""
        return self.path / "sheets" / "label-studio.xml"

    def lines(self, reader: str) -> Path:
        """The same as JSON lines."""
        return self.path / "sheets" / f"{reader}.jsonl"

    @property
    def readings(self) -> Path:
        """What readers said, once their sheets were taken."""
        return self.path / "readings.json"

    @property
    def adjudication(self) -> Path:
        """The sheet of what readers disagree about."""
        return self.path / "adjudication.xlsx"

    @property
    def estimate(self) -> Path:
        """What it came to."""
        return self.path / ESTIMATE

    @property
    def settled(self) -> Path:
        """Each text with its settled value and its weight."""
        return self.path / "settled.csv"


def folder_of(layout: Layout, cohort: str, experiment: str, name: str) -> Folder:
    """An audit's folder, there or not."""
    return Folder(layout.audits(cohort, experiment) / name)


def read_design(folder: Folder) -> AuditDesign:
    """The design of an audit that was drawn. Raises NotemillError."""
    if not folder.path.exists():
        raise NotemillError(
            f"there is no audit '{folder.path.name}'",
            where=str(folder.path),
            remedy=_others(folder),
        )
    return read_json(
        AuditDesign,
        folder.design,
        problem="this is no design of an audit",
        remedy="bring it back from a backup; or draw another with another --name",
    )


def _others(folder: Folder) -> str:
    """Which audits there are: of this experiment, or of what it was before its task changed."""
    drawn = sorted(folder.path.parent.parent.glob("*/*/design.json"))
    audits = [(path.parent.parent.name, path.parent.name) for path in drawn]
    ours = folder.path.parent.name
    if others := [name for experiment, name in audits if experiment == ours]:
        return f"name one with --name: {', '.join(others)}"
    before = ours.rpartition("-")[0]
    if others := [
        f"{experiment} --name {name}"
        for experiment, name in audits
        if experiment.rpartition("-")[0] == before
    ]:
        return (
            "one was drawn of what this experiment asked before; name it by its id: "
            + " or ".join(others)
        )
    return "draw one first: notemill audit draw"
