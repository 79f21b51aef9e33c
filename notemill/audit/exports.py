"""A reader's texts for annotation programs: Label Studio's import, and JSON lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from notemill.audit.sheet import ANSWER, COMMENT, NOTE, Guide, Row, shown
from notemill.files import write_text


def write_label_studio(path: Path, rows: Sequence[Row]) -> None:
    """Write tasks as Label Studio imports them (labelstud.io/guide/tasks), without predictions."""
    tasks = [{"data": {"row": row.row, "text": row.text}} for row in rows]
    write_text(path, json.dumps(tasks, ensure_ascii=False, indent=1) + "\n")


def write_labeling_config(path: Path, guide: Guide) -> None:
    """Write the labeling interface that goes with the tasks."""
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Header", value=shown(f"{guide.field}: {guide.title}"))
    ElementTree.SubElement(view, "Text", name=NOTE, value="$text")
    choices = ElementTree.SubElement(
        view, "Choices", name=ANSWER, toName=NOTE, choice="single", required="true"
    )
    for choice in guide.choices:
        ElementTree.SubElement(choices, "Choice", value=choice)
    ElementTree.SubElement(view, "TextArea", name=COMMENT, toName=NOTE, placeholder=COMMENT)
    ElementTree.indent(view)
    write_text(path, ElementTree.tostring(view, encoding="unicode") + "\n")


def write_lines(path: Path, rows: Sequence[Row]) -> None:
    """Write an object a line, `id` and `text`, as Potato and doccano read it."""
    lines = [json.dumps({"id": row.row, "text": row.text}, ensure_ascii=False) for row in rows]
    write_text(path, "".join(f"{line}\n" for line in lines))
