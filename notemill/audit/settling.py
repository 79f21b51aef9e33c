"""What readers agree about, and the sheet of what they don't."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from notemill.audit.draw import guide_of
from notemill.audit.folder import Folder
from notemill.audit.key import ADJUDICATOR, AuditKey, KeyText
from notemill.audit.readings import Readings
from notemill.audit.record import AuditDesign
from notemill.audit.sheet import Row, shown, write_sheet
from notemill.files import write_text


def disputed(design: AuditDesign, key: AuditKey, readings: Readings) -> list[KeyText]:
    """Texts that a third look must settle.

    Those of which their readers don't say the same, and those that had one reader, who could not
    tell.
    """
    return [text for text in key.texts if _agreed(text, design, readings) is None]


def settle(
    design: AuditDesign, key: AuditKey, readings: Readings, adjudicated: Mapping[str, str]
) -> dict[str, str]:
    """The settled value of each text, by its hash; `cannot tell` where it stays untold."""
    return {
        text.text_sha256: _agreed(text, design, readings) or adjudicated[text.text_sha256]
        for text in key.texts
    }


def write_adjudication(
    path: Path,
    design: AuditDesign,
    key: AuditKey,
    readings: Readings,
    texts: Mapping[str, str],
) -> None:
    """Write the sheet of these texts, with what was said of each and not by whom."""
    chosen = [text for text in key.texts if text.text_sha256 in texts]
    rows = [
        Row(
            text.rows[ADJUDICATOR],
            texts[text.text_sha256],
            shown(_readings(text, design, readings)),
        )
        for text in key.sheet_order(ADJUDICATOR, chosen, design.seed)
    ]
    write_sheet(path, guide_of(design, key), rows)


def write_settled(
    folder: Folder,
    design: AuditDesign,
    key: AuditKey,
    settled: Mapping[str, str],
    adjudicated: Mapping[str, str],
) -> None:
    """Write each text's settled value as CSV, with how many notes of the cohort it stands for."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(
        ["text_sha256", "stratum", "notes", "stands_for", "model", "settled", "adjudicated"]
    )
    for text in key.texts:
        stratum = design.strata[text.stratum]
        times = (
            1.0
            if text.certain
            else (stratum.texts - stratum.certain) / (stratum.drawn - stratum.certain)
        )
        table.writerow(
            [
                text.text_sha256,
                stratum.name,
                text.notes,
                round(text.notes * times, 6),
                "" if stratum.answer is None else stratum.answer,
                settled[text.text_sha256],
                int(text.text_sha256 in adjudicated),
            ]
        )
    write_text(folder.settled, out.getvalue())


def _agreed(text: KeyText, design: AuditDesign, readings: Readings) -> str | None:
    """What all who read it say of a text, None where it has to be settled."""
    said = _said(text, design, readings)
    if len(set(said)) > 1 or said == [design.cannot_tell]:
        return None
    return said[0]


def _said(text: KeyText, design: AuditDesign, readings: Readings) -> list[str]:
    return [readings.readers[reader].answers[text.text_sha256] for reader in _who(text, design)]


def _who(text: KeyText, design: AuditDesign) -> list[str]:
    return [reader for reader in design.readers if reader in text.rows]


def _readings(text: KeyText, design: AuditDesign, readings: Readings) -> str:
    said = _said(text, design, readings)
    labels = [*design.choices, design.cannot_tell]
    lines = [f"{said.count(label)} × {label}" for label in labels if label in said]
    comments = [
        comment
        for reader in _who(text, design)
        if (comment := readings.readers[reader].comments.get(text.text_sha256))
    ]
    return "\n".join([*lines, *sorted(comments)])
