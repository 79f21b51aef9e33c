"""What only the stand-in does."""

from __future__ import annotations

import enum
import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Literal

import httpx
import pytest
from pydantic import BaseModel, Field

from tests.servers.standin.store import make_model
from tests.unit.engines.standin.server import CONTEXT, PROGRAM, SCHEMA, VERSIONS, Start, journal


def test_the_program_runs_by_itself() -> None:
    done = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"ollama version is {VERSIONS['middle']}\n"


def test_the_answer_tells_which_note_and_whether_a_system_prompt_it_was_made_from(
    start: Start,
) -> None:
    server = start()
    note = "Chest film.\nImpression: Pneumonia in the left lower lobe, and more than that.\n\n"
    quote = "Impression: Pneumonia in the left lower "
    assert len(quote) == 40
    sick = {"response": "(1) Likely", "explanation": quote, "alive": True}
    well = {"response": "(2) Unlikely", "explanation": "All is clear", "alive": False}
    assert server.answer(note) == sick
    assert server.answer("All is clear") == well
    assert server.answer("All is clear", system=None)["response"] == "(1) Likely"


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Part(BaseModel):
    name: str = Field(min_length=3, max_length=5)


class Everything(BaseModel):
    zeta: Literal["yes", "no"]
    colour: Colour
    one: Literal["one"]
    age: int = Field(ge=3, le=5)
    share: float = Field(gt=0, lt=1)
    maybe: int | None
    parts: list[Part] = Field(min_length=2, max_length=3)
    words: list[str]
    day: date
    pair: tuple[int, bool]
    either: Part | bool
    later: str = "optional"


def test_an_answer_validates_against_a_model_of_the_usual_types(start: Start) -> None:
    server = start()
    answer = server.answer("x", format=Everything.model_json_schema())
    assert list(answer) == list(Everything.model_fields)
    Everything.model_validate(answer)


@pytest.mark.parametrize(("era", "response"), [("middle", 1), ("new", 0)])
def test_a_prompt_that_was_cut_has_lost_its_system_prompt_or_its_note_begins_later(
    start: Start, era: str, response: int
) -> None:
    server = start(era=era)
    note = "x" * 4 * CONTEXT + "\npneumonia"
    assert server.answer(note)["response"] == SCHEMA["properties"]["response"]["enum"][response]
    assert server.answer("pneumonia\n" + "x" * 6 * CONTEXT)["alive"] == (era != "new")


def test_slots_are_as_many_as_asked_for(start: Start) -> None:
    server = start({"fault": "hang", "match": "hangs"}, OLLAMA_NUM_PARALLEL="2")
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(server.chat, "hangs")
        while not journal(server):
            time.sleep(0.01)
        assert server.answer("x")  # in the second slot
        with pytest.raises(httpx.ReadTimeout):
            server.chat("hangs", timeout_s=0.5)
        assert server.answer("x")  # it is free again when its client has gone
        assert not hanging.done()
        server.process.kill()
        with pytest.raises(httpx.TransportError):
            hanging.result()


def test_a_full_server_makes_requests_wait(start: Start) -> None:
    server = start({"fault": "hang", "match": "hangs"})
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(server.chat, "hangs")
        while not journal(server):
            time.sleep(0.01)
        with pytest.raises(httpx.ReadTimeout):
            server.chat("x", timeout_s=0.5)
        assert not hanging.done()
        server.process.kill()
        with pytest.raises(httpx.TransportError):
            hanging.result()


def test_the_journal_tells_texts_apart_without_holding_any(start: Start) -> None:
    server = start()
    for note in ["SECRET a", "SECRET b", "SECRET a"]:
        server.chat(note, options={"seed": 7}, truncate=False)
    server.post("/api/chat", model="tiny", messages=[])  # a preload asks nothing
    lines = journal(server)
    assert [line["messages"] == lines[0]["messages"] for line in lines] == [True, False, True]
    assert lines[1]["options"] == {"num_predict": 200, "temperature": 0, "seed": 7}
    assert (lines[1]["truncate"], lines[1]["shift"], lines[1]["running"]) == (False, None, 1)
    assert "SECRET" not in Path(server.environment["STANDIN_JOURNAL"]).read_text()


def test_the_model_is_on_the_gpu_that_the_server_was_given(start: Start) -> None:
    server = start(CUDA_VISIBLE_DEVICES="0")
    server.chat("x")
    [loaded] = server.get("/api/ps")["models"]
    assert loaded["size_vram"] == loaded["size"]
    assert "library=CUDA" in server.log.read_text()


def test_a_pull_puts_a_model_into_the_store(start: Start) -> None:
    server = start()
    reply = server.post("/api/pull", model="someone/other:7b")
    lines = [json.loads(line) for line in reply.text.splitlines()]
    assert lines[-1] == {"status": "success"}
    names = [model["name"] for model in server.get("/api/tags")["models"]]
    assert sorted(names) == ["someone/other:7b", "tiny:latest"]
    assert server.chat("x", model="someone/other:7b").status_code == 200


def test_models_with_other_weights_have_other_digests(tmp_path: Path) -> None:
    first = make_model(tmp_path, "a")
    assert make_model(tmp_path, "b") == first
    assert make_model(tmp_path, "b", weights="others") != first
