"""notemill.audit.read and what it leads to, by the command: from filled sheets to the estimate"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.unit.audit.auditing import Auditing, fill, rows_of
from tests.unit.audit.conftest import TEXTS, says
from tests.unit.conftest import write_task


def right(text: str) -> str:
    """The right value: what fails is yes, and of the model's yes every tenth is no."""
    said = says(text)
    if said == "schema":
        return "yes"
    return "no" if said == "yes" and "1:" in text and int(text.split()[1][:-1]) % 4 == 1 else said


def whole_truth(label: str) -> dict[str, float]:
    """Prevalence and the others over all texts, a failure as wrong."""
    pairs = [(right(text), says(text)) for text in TEXTS]
    hits = sum(truth == said == label for truth, said in pairs)
    positive = sum(truth == label for truth, _ in pairs)
    alarms = sum(truth != label and said in (label, "schema") for truth, said in pairs)
    passed = len(pairs) - positive - alarms
    return {
        "prevalence": positive / len(pairs),
        "sensitivity": hits / positive,
        "specificity": passed / (len(pairs) - positive),
        "ppv": hits / (hits + alarms),
        "npv": passed / (passed + positive - hits),
    }


def test_read_whole_the_cohorts_figures_are_the_true_ones(auditing: Auditing) -> None:
    everything = [f"--size={name}=all" for name in ("yes", "no", "not said", "no answer")]
    auditing.draw(*everything, "--shared", "0.1")
    for reader in ("ana", "ben"):
        auditing.fill(reader, right)
    told = auditing.read()
    estimate = auditing.estimate()
    for figures in estimate.all.classes:
        for name, value in whole_truth(figures.label).items():
            figure = getattr(figures, name)
            assert figure.value == pytest.approx(value), (figures.label, name)
            assert (figure.low, figure.high) == pytest.approx((value, value))
    assert estimate.all.accuracy.value == pytest.approx(
        sum(right(text) == says(text) for text in TEXTS) / 200
    )
    assert estimate.answered.accuracy.value == pytest.approx(
        sum(right(text) == says(text) for text in TEXTS) / 180
    )
    assert estimate.adjudicated == 0
    assert str(auditing.folder().estimate) in told.replace("\n", "")


def test_a_sample_tells_of_the_whole_cohort_weighted(auditing: Auditing) -> None:
    auditing.draw("--texts", "120", "--seed", "3")
    for reader in ("ana", "ben"):
        auditing.fill(reader, right)
    auditing.read()
    estimate = auditing.estimate()
    for figures in estimate.all.classes:
        for name, value in whole_truth(figures.label).items():
            figure = getattr(figures, name)
            assert figure.low <= value <= figure.high, (figures.label, name)
    # As drawn, three strata of the four are read more often than their share.
    drawn = estimate.strata
    unweighted = sum(each.truths["yes"] for each in drawn) / 120
    assert abs(unweighted - whole_truth("yes")["prevalence"]) > 0.05
    assert abs(estimate.all.classes[0].prevalence.value - unweighted) > 0.05  # type: ignore[operator]


def test_notes_with_one_text_weigh_by_their_number(tmp_path: Path) -> None:
    wrong = next(text for text in TEXTS if says(text) == "no")
    auditing = Auditing(tmp_path / "clinic", [*TEXTS, *[wrong] * 200], says)
    auditing.draw("--texts", "100", readers="ana")
    auditing.fill("ana", lambda text: "yes" if text == wrong else right(text))
    auditing.read()
    prevalence = auditing.estimate().all.classes[0].prevalence
    assert prevalence.value == pytest.approx(
        (201 + 200 * whole_truth("yes")["prevalence"]) / 400, abs=0.05
    )


def test_part_of_a_sheet_is_told_and_not_taken(auditing: Auditing) -> None:
    auditing.draw("--texts", "100")
    auditing.fill("ana", right)
    auditing.fill("ben", right, most=7)
    told = auditing.read()
    assert "ben: 7 of 60 texts are read" in told
    assert "No estimate yet" in told
    assert "agreement" not in told  # nothing of one reader's work while the other still reads
    assert not auditing.folder().estimate.exists()
    assert not auditing.folder().adjudication.exists()
    auditing.fill("ben", right)
    auditing.read()
    assert auditing.folder().estimate.exists()


def test_disagreements_alone_come_to_adjudication_and_settle_the_estimate(
    auditing: Auditing,
) -> None:
    auditing.draw("--texts", "100", "--shared", "0.5")
    auditing.fill("ana", right)
    auditing.fill("ben", lambda text: "not said" if "5:" in text else right(text))
    told = auditing.read()
    sheet = auditing.folder().adjudication
    ana, ben = (rows_of(auditing.folder().sheet(reader)) for reader in ("ana", "ben"))
    both = {row["note"]: row["answer"] for row in ana}
    differ = {
        row["note"] for row in ben if row["note"] in both and both[row["note"]] != row["answer"]
    }
    rows = rows_of(sheet)
    assert {row["note"] for row in rows} == differ
    assert differ
    assert {row["readings"] for row in rows} == {"1 × no\n1 × not said"}
    assert sheet.stat().st_mode & 0o777 == 0o600
    assert not {row["row"] for row in rows} & {row["row"] for row in ana + ben}
    assert f"adjudication: 0 of {len(differ)}" in told
    assert not auditing.folder().estimate.exists()
    before = sheet.read_bytes()
    auditing.read()  # again, unfilled
    assert sheet.read_bytes() == before
    fill(sheet, lambda _: "yes")
    filled = sheet.read_bytes()
    auditing.read()
    assert sheet.read_bytes() == filled
    estimate = auditing.estimate()
    assert estimate.adjudicated == len(differ)
    settled = auditing.folder().settled.read_text().splitlines()
    third = [row for row in csv.DictReader(settled) if row["adjudicated"] == "1"]
    assert {auditing.texts[row["text_sha256"]] for row in third} == differ
    assert {row["settled"] for row in third} == {"yes"}
    pair = estimate.between_readers[0]
    shared = sum(map(sum, pair.table))
    assert shared == sum(each.shared for each in estimate.design.strata)
    assert pair.agreement.value == pytest.approx(1 - len(differ) / shared)


def test_each_settled_text_stands_for_its_share_of_the_cohort(auditing: Auditing) -> None:
    auditing.draw("--texts", "100")
    for reader in ("ana", "ben"):
        auditing.fill(reader, right)
    auditing.read()
    rows = list(csv.DictReader(auditing.folder().settled.read_text().splitlines()))
    assert sum(float(row["stands_for"]) for row in rows) == pytest.approx(200)
    yes = sum(float(row["stands_for"]) for row in rows if row["settled"] == "yes")
    assert yes / 200 == pytest.approx(auditing.estimate().all.classes[0].prevalence.value)


def test_what_one_reader_cannot_tell_is_asked_again_and_what_none_can_is_left_out(
    auditing: Auditing,
) -> None:
    auditing.draw("--texts", "100", "--shared", "0")

    def unsure(text: str) -> str:
        return "cannot tell" if "8:" in text or "2:" in text else right(text)

    auditing.fill("ana", unsure)
    auditing.fill("ben", unsure)
    auditing.read()
    asked = [row["note"] for row in rows_of(auditing.folder().adjudication)]
    assert asked
    assert all("8:" in text or "2:" in text for text in asked)
    fill(auditing.folder().adjudication, lambda text: "no" if "8:" in text else "cannot tell")
    told = auditing.read()
    estimate = auditing.estimate()
    left = sum(each.cannot_tell for each in estimate.strata)
    assert left == sum("2:" in text for text in asked)
    assert estimate.cannot_tell.value == pytest.approx(0.1, abs=0.03)  # twenty of 200 texts
    lower, upper = estimate.accuracy_if_untold_wrong.value, estimate.all.accuracy.value
    assert lower is not None
    assert upper is not None
    assert lower == pytest.approx(upper * (1 - estimate.cannot_tell.value), abs=0.01)
    assert "accuracy, were they all wrong" in told
    assert estimate.between_readers[0].kappa.why == "no text was read by both"


def test_two_readers_who_both_cannot_tell_agree(auditing: Auditing) -> None:
    auditing.draw("--texts", "80", "--shared", "1")

    def unsure(text: str) -> str:
        return "cannot tell" if "8:" in text else right(text)

    for reader in ("ana", "ben"):
        auditing.fill(reader, unsure)
    auditing.read()
    assert auditing.estimate().adjudicated == 0
    assert auditing.estimate().between_readers[0].labels[-1] == "cannot tell"
    assert sum(each.cannot_tell for each in auditing.estimate().strata) > 0


def test_a_stratum_that_was_not_read_leaves_figures_undefined_and_says_so(
    auditing: Auditing,
) -> None:
    auditing.draw("--texts", "60", "--size", "no answer=0")
    for reader in ("ana", "ben"):
        auditing.fill(reader, right)
    told = auditing.read()
    estimate = auditing.estimate()
    assert estimate.all.classes[0].sensitivity.value is None
    assert estimate.all.classes[0].sensitivity.why == "1 strata were not read"
    assert estimate.answered.classes[0].sensitivity.value is not None
    assert estimate.all.accuracy.value is not None  # without an answer nothing is right
    assert "Not read at all: no answer" in told


def test_with_one_reader_there_is_no_agreement_and_it_says_so(auditing: Auditing) -> None:
    auditing.draw("--texts", "60", readers="ana")
    auditing.fill("ana", right)
    told = auditing.read()
    assert auditing.estimate().between_readers == []
    assert "how far readers agree is not known" in told


def test_a_run_that_was_answered_again_is_remarked(auditing: Auditing) -> None:
    auditing.draw("--texts", "60", readers="ana")
    auditing.fill("ana", right)
    assert "answered again" not in auditing.read()
    auditing.says = lambda text: "no" if "17:" in text or "0:" in text else says(text)
    auditing.answer()
    assert "The run was answered again since the audit was drawn" in auditing.read()


def test_an_audit_outlives_its_prompt_and_another_number_of_shards(auditing: Auditing) -> None:
    """Reading takes weeks; the prompt is another by then."""
    auditing.draw("--texts", "100", "--shared", "0.5")
    auditing.fill("ana", right)
    auditing.fill("ben", lambda text: "not said" if "5:" in text else right(text))
    before, folder = auditing.id, auditing.folder()
    auditing.clinic.extract(shards=5)
    auditing.answer()
    write_task(auditing.task.folder.parent, auditing.task.schema_source, system="Another.")
    assert auditing.id_now() != before
    assert f"name it by its id: {before} --name audit" in auditing.refused("read")
    assert auditing.run("read", experiment=before) == 0, auditing.told
    fill(folder.adjudication, lambda _: "yes")
    assert auditing.run("read", experiment=before) == 0, auditing.told
    assert folder.estimate.exists()
    told = auditing.refused("draw", "--readers", "eva", experiment=before)
    assert "is not known any more" in told


def test_the_estimate_holds_no_word_of_a_note(auditing: Auditing) -> None:
    auditing.draw("--texts", "60", "--shared", "1")
    auditing.fill("ana", right)
    auditing.fill("ben", lambda _: "no")
    auditing.read()
    fill(auditing.folder().adjudication, lambda _: "no")
    auditing.read()
    for path in (auditing.folder().estimate, auditing.folder().design):
        text = path.read_text()
        assert "sputum" not in text
        assert "because" not in text
        assert not any(sha in text for sha in auditing.texts)
    modes = {path.stat().st_mode & 0o777 for path in auditing.folder().path.iterdir()}
    assert modes == {0o600, 0o700}


def test_a_sheet_elsewhere_is_taken_by_its_name(auditing: Auditing, tmp_path: Path) -> None:
    auditing.draw("--texts", "60")
    back = []
    for reader in ("ana", "ben"):
        path = tmp_path / f"back from {reader}.xlsx"
        path.write_bytes(auditing.folder().sheet(reader).read_bytes())
        fill(path, right)
        back.append(path)
    auditing.read(*back)
    assert auditing.folder().estimate.exists()
    for path in back:
        path.unlink()
    auditing.folder().estimate.unlink()
    auditing.read()  # what was taken is kept
    assert auditing.folder().estimate.exists()
