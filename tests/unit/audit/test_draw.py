"""notemill.audit.draw, by the command: which texts are drawn, and what readers get"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree
from zipfile import ZipFile

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from notemill.answers.shard import read_answers
from notemill.audit.population import _drawn, number_of
from tests.unit.audit.auditing import Auditing, rows_of
from tests.unit.audit.conftest import TEXTS, says


def drawn(auditing: Auditing, name: str = "audit") -> dict[str, list[str]]:
    """Texts that were drawn, by the name of their stratum."""
    strata = auditing.design(name).strata
    found: dict[str, list[str]] = {stratum.name: [] for stratum in strata}
    for text in auditing.key(name).texts:
        found[strata[text.stratum].name].append(auditing.texts[text.text_sha256])
    return found


def read_of(path: Path) -> list[str]:
    """The texts of a sheet, in its order."""
    texts: dict[str, str] = {}
    for row in rows_of(path):
        texts[row["row"]] = texts.get(row["row"], "") + row["note"]
    return list(texts.values())


def test_strata_are_the_answers_and_what_has_none(auditing: Auditing) -> None:
    auditing.draw("--texts", "100")
    design = auditing.design()
    counted = {each.name: (each.answer, each.notes, each.texts) for each in design.strata}
    assert counted == {
        "yes": ("yes", 40, 40),
        "no": ("no", 120, 120),
        "not said": ("not said", 20, 20),
        "no answer": (None, 20, 20),
    }
    assert sum(each.drawn for each in design.strata) == 100
    for name, texts in drawn(auditing).items():
        assert len(set(texts)) == len(texts)
        assert {says(text) for text in texts} <= {name, "schema"}


def test_a_text_is_drawn_once_and_weighs_as_many_notes_as_have_it(tmp_path: Path) -> None:
    texts = [*TEXTS, *TEXTS[:3] * 2, " ", "\n"]
    auditing = Auditing(tmp_path / "clinic", texts, says)
    auditing.draw("--size", "no=all", "--texts", "200")
    weights = {auditing.texts[each.text_sha256]: each.notes for each in auditing.key().texts}
    assert {text: weights[text] for text in TEXTS[:4]} == dict(
        zip(TEXTS, [3, 3, 3, 1], strict=False)
    )
    design = auditing.design()
    assert (design.notes, design.texts, design.blank) == (206, 200, 2)
    assert sum(each.notes for each in design.strata) == design.notes


def test_a_text_of_so_many_notes_is_taken_for_certain(tmp_path: Path) -> None:
    template = next(text for text in TEXTS if says(text) == "no")
    auditing = Auditing(tmp_path / "clinic", [*TEXTS, *[template] * 300], says)
    for seed in range(5):
        auditing.draw("--texts", "60", "--seed", str(seed), "--name", f"a{seed}")
        assert template in drawn(auditing, f"a{seed}")["no"]
        (certain,) = (text for text in auditing.key(f"a{seed}").texts if text.certain)
        assert (auditing.texts[certain.text_sha256], certain.notes) == (template, 301)


def test_the_same_seed_draws_the_same_texts_whatever_the_number_of_shards(
    auditing: Auditing,
) -> None:
    auditing.draw("--texts", "60", "--seed", "5")
    before = drawn(auditing)
    auditing.clinic.extract(shards=7)
    auditing.answer()
    auditing.draw("--texts", "60", "--seed", "5", "--name", "again")
    assert drawn(auditing, "again") == before
    auditing.draw("--texts", "60", "--seed", "6", "--name", "other")
    assert drawn(auditing, "other") != before
    for name in ("a", "b"):
        unseeded = ("--readers", "ana,ben", "--texts", "60", "--name", name)
        assert auditing.run("draw", *unseeded) == 0
    assert drawn(auditing, "a") != drawn(auditing, "b")  # no two alike unless it is asked for


def test_each_text_of_a_stratum_is_as_likely_as_the_others(auditing: Auditing) -> None:
    """Chosen by the seed and the hash: over many seeds none is left out or preferred."""
    times: Counter[str] = Counter()
    for seed in range(400):
        numbers = [(-number_of(seed, "drawn", sha), sha, 1) for sha in auditing.texts]
        kept = sorted(numbers, reverse=True)[:50]
        times.update(each.text_sha256 for each in _drawn(kept, [(1, "")] * 50, 50, 200))
    assert len(times) == 200
    assert all(60 < count < 140 for count in times.values())  # 100, by a deviation of 9


def test_some_texts_all_readers_get_and_of_the_others_each_its_own(auditing: Auditing) -> None:
    auditing.draw("--texts", "100", "--shared", "0.3", readers="ana,ben,eva")
    sheets = {reader: read_of(auditing.folder().sheet(reader)) for reader in ("ana", "ben", "eva")}
    times = Counter(text for sheet in sheets.values() for text in sheet)
    assert set(times.values()) == {1, 3}
    shared = [text for text, count in times.items() if count == 3]
    assert sum(each.shared for each in auditing.design().strata) == len(shared)
    assert all(each.shared for each in auditing.design().strata)
    assert len(times) == 100
    sizes = [len(sheet) for sheet in sheets.values()]
    assert max(sizes) - min(sizes) <= 1
    assert auditing.design().read_by == {key: len(sheet) for key, sheet in sheets.items()}
    orders = [[text for text in sheet if text in shared] for sheet in sheets.values()]
    assert len({tuple(order) for order in orders}) == 3


def test_a_sheet_tells_nothing_of_the_answers(auditing: Auditing) -> None:
    """Not by a word, and not by which row stands where."""
    auditing.answer(reason="NEVERTOLD")
    auditing.draw("--texts", "120")
    folder = auditing.folder()
    for reader in ("ana", "ben"):
        with ZipFile(folder.sheet(reader)) as sheet:
            inside = "".join(sheet.read(name).decode() for name in sheet.namelist())
        files = [folder.label_studio(reader), folder.lines(reader), folder.labeling_config]
        words = inside + "".join(path.read_text() for path in files)
        for secret in ("NEVERTOLD", "stratum", auditing.id, "no answer", "schema<", "because"):
            assert secret not in words
        for sha in auditing.texts:
            assert sha not in words
        rows = rows_of(folder.sheet(reader))
        assert {row["answer"] for row in rows} == {None}
        # Of rows in random order, answers change about as often as in a shuffled row of them.
        order = [says(row["note"]) for row in rows]
        ids = [says(row["note"]) for row in sorted(rows, key=lambda row: row["row"])]
        for each in (order, ids):
            changes = sum(one != other for one, other in pairwise(each))
            assert changes > len(rows) / 3
    ana, ben = (rows_of(folder.sheet(reader)) for reader in ("ana", "ben"))
    assert not {row["row"] for row in ana} & {row["row"] for row in ben}


def test_a_reader_chooses_from_the_schemas_choices_and_cannot_tell(auditing: Auditing) -> None:
    auditing.draw("--texts", "100")
    book = openpyxl.load_workbook(auditing.folder().sheet("ana"))
    choices = [row[0] for row in book["choices"].iter_rows(values_only=True)]
    assert choices == ["yes", "no", "not said", "cannot tell"]
    (choice,) = book["notes"].data_validations.dataValidation
    assert (choice.type, choice.formula1) == ("list", "choices!$A$1:$A$4")
    assert str(choice.sqref) == f"D2:D{book['notes'].max_row}"
    assert book["notes"].freeze_panes == "A2"
    question = "\n".join(str(row[0]) for row in book["question"].iter_rows(values_only=True))
    assert "You read notes." in question
    config = ElementTree.parse(auditing.folder().labeling_config)
    assert [each.get("value") for each in config.iter("Choice")] == choices


def test_the_other_files_have_the_same_rows(auditing: Auditing) -> None:
    auditing.draw("--texts", "100")
    folder = auditing.folder()
    sheet = [(row["row"], row["note"]) for row in rows_of(folder.sheet("ana"))]
    tasks = json.loads(folder.label_studio("ana").read_text())
    assert [(task["data"]["row"], task["data"]["text"]) for task in tasks] == sheet
    assert all(task.keys() == {"data"} for task in tasks)
    lines = [json.loads(line) for line in folder.lines("ana").read_text().splitlines()]
    assert [(line["id"], line["text"]) for line in lines] == sheet


def test_all_files_are_private(auditing: Auditing) -> None:
    auditing.draw("--texts", "100")
    below = [auditing.folder().path, *auditing.folder().path.rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in below if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in below if path.is_file()} == {0o600}


def test_what_was_drawn_is_not_drawn_over(auditing: Auditing) -> None:
    auditing.draw("--texts", "100")
    auditing.fill("ana", lambda _: "yes")
    before = auditing.folder().sheet("ana").read_bytes()
    told = auditing.refused("draw", "--readers", "ana,ben")
    assert "was drawn already" in told
    assert "--name" in told
    assert auditing.folder().sheet("ana").read_bytes() == before
    assert [path.name for path in auditing.folder().path.parent.iterdir()] == ["audit"]


def test_a_run_that_is_not_finished_is_not_drawn_from(auditing: Auditing) -> None:
    shard = next(auditing.clinic.layout.answers_folder("chest").rglob("0001.parquet"))
    shard.unlink()
    told = auditing.refused("draw", "--readers", "ana")
    assert "not answered yet" in told
    assert not auditing.folder().path.parent.exists()


def test_a_damaged_shard_is_named_and_nothing_is_drawn(auditing: Auditing) -> None:
    shard = next(auditing.clinic.layout.answers_folder("chest").rglob("0001.parquet"))
    shard.write_bytes(shard.read_bytes()[:-200])
    told = auditing.refused("draw", "--readers", "ana")
    assert "damaged or cut short" in told
    assert "0001.parquet" in told.replace("\n", "")
    assert not auditing.folder().path.parent.exists()


def test_sizes_are_as_they_were_asked_for(auditing: Auditing) -> None:
    arguments = ("--size", "yes=10", "--size", "no answer=0", "--size", "not said=all")
    auditing.draw(*arguments, "--texts", "50")
    sizes = {each.name: each.drawn for each in auditing.design().strata}
    assert sizes == {"yes": 10, "no": 20, "not said": 20, "no answer": 0}
    assert "there is no stratum 'maybe'" in auditing.refused(
        "draw", "--readers", "ana", "--name", "b", "--size", "maybe=3"
    )
    assert "yes; no; not said; no answer" in auditing.told
    assert "has 40 texts, not 41" in auditing.refused(
        "draw", "--readers", "ana", "--name", "b", "--size", "yes=41"
    )
    assert "too few" in auditing.refused("draw", "--readers", "ana", "--name", "b", "--texts", "3")


def test_a_dry_run_draws_nothing(auditing: Auditing) -> None:
    auditing.draw("--texts", "100", "--dry-run")
    assert re.search(r"not said +│ +20 +│ +20 +│ +20", auditing.told)
    assert "Nothing was drawn" in auditing.told
    assert not auditing.folder().path.parent.exists()


def test_a_field_without_choices_has_no_audit(auditing: Auditing) -> None:
    told = auditing.refused("draw", "--readers", "ana", "--field", "reason")
    assert "none that readers can choose a value of" in told
    assert "--field: response" in told


def test_a_cohort_of_blank_notes_has_nothing_to_draw(tmp_path: Path) -> None:
    auditing = Auditing(tmp_path / "clinic", [" ", ""], says)
    assert "all 2 are blank" in auditing.refused("draw", "--readers", "ana")


def test_answers_without_found_evidence_are_strata_of_their_own(tmp_path: Path) -> None:
    auditing = Auditing(tmp_path / "clinic", TEXTS, says)
    graded(auditing, lambda text: "near" if "7:" in text else "exact")
    auditing.draw("--texts", "100")
    strata = {each.name: (each.evidence, each.notes) for each in auditing.design().strata}
    assert strata == {
        "yes, evidence found": ("found", 40),
        "no, evidence found": ("found", 100),
        "no, evidence not found": ("not_found", 20),
        "not said, evidence found": ("found", 20),
        "no answer": (None, 20),
    }
    for text in drawn(auditing)["no, evidence not found"]:
        assert "7:" in text


def graded(auditing: Auditing, grade: Callable[[str], str]) -> None:
    """Add the column of evidence to the result shards, as a task with evidence has it."""
    for path in auditing.clinic.layout.answers_folder("chest").rglob("*.parquet"):
        table = pa.Table.from_batches(list(read_answers(path, 1000)))
        grades = [
            grade(auditing.texts[sha]) if status == "answered" else None
            for sha, status in zip(
                table["text_sha256"].to_pylist(), table["status"].to_pylist(), strict=True
            )
        ]
        metadata = pq.read_schema(path).metadata
        wider = table.append_column("evidence_grade", pa.array(grades, pa.string()))
        pq.write_table(wider.replace_schema_metadata(metadata), path)
