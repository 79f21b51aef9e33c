"""A gate of the task's own: gate.py, what it may not do, and how long it may take."""

from __future__ import annotations

import os
import re
import signal
import threading
from pathlib import Path

import pytest

from notemill.errors import NotemillError
from notemill.tasks import gate as gating
from notemill.tasks.gate import WHOLE, Gated
from tests.unit.conftest import write_task
from tests.unit.tasks.gates import SECRET, checked, gate_of, patterned, scripted


def test_gate_py_settles_cuts_and_asks_whole(tmp_path: Path) -> None:
    body = """
    print(note)
    if "cough" not in note:
        return "none"
    found = re.search("PLAN.*", note)
    return ("part", [found.span(), (0, 4), (2, 6), (9, 9)]) if found else None
    """
    gate = gate_of(scripted(tmp_path, body))
    assert gate.gated("Ankle.") == Gated("none", ())
    assert gate.gated("A cough.") == WHOLE
    assert gate.gated("A cough. PLAN: rest") == Gated("part", ((0, 6), (9, 19)))
    assert gate.gated("PLAN: cough") == Gated("part")  # the whole of it


def test_what_gate_py_prints_goes_nowhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    gate = gate_of(scripted(tmp_path, "print(note); return None"))
    gate.gated(SECRET)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError(note)", "raises ValueError"),
        ("raise SystemExit(note)", "raises SystemExit"),
        ("return note[5]", "a rule that RULES does not name"),
        ("return True", "returns bool"),
        ("return 'none', [(0, 2)], 3", "returns tuple"),
        ("return f'found {note}'", "a rule that RULES does not name"),
        ("return 'part', [(0, len(note) + 1)]", "parts outside the note, by rule 'part'"),
        ("return 'part', [re.search('(x)|J', note).span(1)]", "parts outside the note"),
        ("return 'part', [(5, 2)]", "parts outside the note"),
        ("return 'part', [(0.0, 2.0)]", "no pairs of numbers"),
        ("return 'part', [note]", "no pairs of numbers"),
        ("return 'part', []", "leaves nothing of a note"),
        ("return 'part', [(4, 5)]", "leaves nothing of a note"),
        ("return ([], [])", "a rule that RULES does not name"),
    ],
)
def test_nonsense_of_gate_py_ends_with_one_message_without_a_word_of_the_note(
    tmp_path: Path, body: str, said: str
) -> None:
    # What it does with the text of ours that it is tried with is sound.
    only_ours = f"if 'IMPRESSION' in note:\n    return None\n{body}"
    task = scripted(tmp_path, only_ours)
    with pytest.raises(NotemillError) as refused:
        gate_of(task).gated(SECRET)
    refused.match(re.escape(said))
    refused.match("task 'cough'")
    assert "gate.py" in (refused.value.where or "")
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    assert not any(word in str(refused.value) for word in SECRET.split())


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def gate(note):\n    return None\n", "does not say which rules"),
        ("RULES = ('a b',)\ndef gate(note):\n    return None\n", "does not say which rules"),
        ("RULES = 'ab'\ndef gate(note):\n    return None\n", "does not say which rules"),
        ("RULES = ('a',)\ndef gate():\n    return None\n", "raises TypeError"),
        ("RULES = ('a',)\nasync def gate(note):\n    return None\n", "has no function gate"),
        ("RULES = ('a',)\ndef Gate(note):\n    return None\n", "has no function gate"),
        ("RULES = ('a',)\ndef gate(note):\n    return nothing\n", "raises NameError"),
        ("RULES = (\n", "does not import"),
        ("import nowhere\ndef gate(note):\n    return None\n", "does not import"),
    ],
)
def test_a_gate_py_that_cant_work_is_told_at_the_plan(
    tmp_path: Path, source: str, said: str
) -> None:
    write_task(tmp_path)
    (tmp_path / "cough" / "gate.py").write_text(source)
    with pytest.raises(NotemillError, match=said) as refused:
        checked(tmp_path)
    assert "gate.py" in (refused.value.where or "")


def test_a_helper_of_schema_py_that_is_called_gate_py_stays_one(tmp_path: Path) -> None:
    schema = "from gate import CODES\n" + (
        "from typing import Literal\nfrom pydantic import BaseModel\n\n\n"
        "class Answer(BaseModel):\n    response: Literal[CODES]\n"
    )
    (tmp_path / "cough").mkdir()
    codes = "CODES = ('yes', 'no')\n"
    for helper in (codes, f"{codes}\n\ndef gate(value):\n    return value\n"):
        (tmp_path / "cough" / "gate.py").write_text(helper)
        assert write_task(tmp_path, schema).gate is None


def test_two_gates_are_refused(tmp_path: Path) -> None:
    scripted(tmp_path, "return None")
    with pytest.raises(NotemillError, match="two gates"):
        patterned(tmp_path, "ask_if: {a: cough}")


@pytest.mark.parametrize("body", ["while True: pass", "time.sleep(60)", "re.match('(a+)+b', note)"])
def test_a_gate_that_takes_for_ever_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setattr(gating, "LONGEST_S", 0.05)
    ours = f"if 'IMPRESSION' in note: return None\ntry:\n    {body}\nexcept Exception: pass"
    gate = gate_of(scripted(tmp_path, ours))
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(NotemillError, match=r"task 'cough' takes more than 0\.05 s for a note"):
        gate.gated("a" * 60)
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_job_that_was_stopped_for_longer_is_not_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gating, "LONGEST_S", 0.2)
    body = f"""
    if "IMPRESSION" not in note:
        import os, subprocess
        wake = "sleep 0.6; kill -CONT {os.getpid()}"
        subprocess.Popen(["sh", "-c", wake])
        os.kill(os.getpid(), {int(signal.SIGSTOP)})
    return None
    """
    assert gate_of(scripted(tmp_path, body)).gated("Stopped.") == WHOLE


def test_outside_the_main_thread_a_gate_does_the_same(tmp_path: Path) -> None:
    gate = gate_of(patterned(tmp_path, "ask_if: {a: cough}"))
    found: list[Gated] = []
    thread = threading.Thread(target=lambda: found.append(gate.gated("no")))
    thread.start()
    thread.join()
    assert found == [Gated("ask_if", ())]


def test_a_gate_that_comes_to_another_end_sends_nothing(tmp_path: Path) -> None:
    task = scripted(tmp_path, "return 'none' if 'Jane' in note else None")
    with pytest.raises(NotemillError, match="settles a note that it had asked before"):
        task.as_sent(SECRET)
