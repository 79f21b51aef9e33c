"""llama.cpp keeps the system prompt in every slot: it is read once a slot, not once a note."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from models.notes import draw
from notemill.tasks.task import read_task
from tests.oracle import WEIGHTS
from tests.unit.engines.test_llamacpp_program import running
from tests.workflow.project import REPOSITORY

SLOTS = 2


def test_after_each_slots_first_note_the_system_prompt_is_never_read_again() -> None:
    task = read_task(REPOSITORY / "config" / "tasks", "pneumonia")
    notes = sorted((note.text for note in draw(12, seed=3)), key=len, reverse=True)
    options = ["--model", str(WEIGHTS), "--slots", str(SLOTS), "--context", "1024"]
    with running(*options) as (_, address), httpx.Client(timeout=120) as client:

        def timings(user: str) -> dict[str, Any]:
            messages = [
                {"role": "system", "content": task.system_prompt},
                {"role": "user", "content": user},
            ]
            body = {"messages": messages, "max_tokens": 2, "temperature": 0}
            reply = client.post(f"{address}/v1/chat/completions", json=body)
            assert reply.status_code == 200, reply.text
            found: dict[str, Any] = reply.json()["timings"]
            return found

        with ThreadPoolExecutor(SLOTS) as pool:
            found = list(pool.map(timings, (task.user_message(note) for note in notes)))
        around = timings(task.user_message(""))
    prefix = around["cache_n"]
    assert prefix > 50
    begun = [each for each in found if each["cache_n"] < prefix]
    assert len(begun) <= SLOTS
