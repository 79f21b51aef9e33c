"""What n-gram speculation from the prompt is worth to the embedded llama.cpp, on a quoting task.

    python -m benchmarks.speculation [--notes 60]

The shipped model quotes the sentence that decided. Each note is asked of a server without and of
servers with speculation, in turns, one thread and one slot each, at temperature 0. Prints answers a
second, milliseconds a token written, tokens drafted and taken, and answers that came out otherwise.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import xllamacpp

from models.notes import draw
from notemill.engines.llamacpp import program
from notemill.tasks.task import Task, read_task
from tests.oracle import WEIGHTS
from tests.workflow.project import REPOSITORY

KINDS = (
    ("off", 0, 0),
    ("ngram_map_k", 3, 8),
    ("ngram_map_k", 4, 24),
    ("ngram_simple", 3, 8),
    ("ngram_mod", 3, 16),
)
"""Kind of speculation, tokens looked up, tokens drafted."""


@dataclass
class Speculation:
    """Sums over the notes; ms of the server's own clock. differ: answers unlike those without."""

    kind: str
    looked_up: int
    drafted_at_once: int
    notes: int = 0
    prompt_ms: float = 0
    written_ms: float = 0
    written: int = 0
    drafted: int = 0
    taken: int = 0
    differ: int = 0

    @property
    def answers_per_s(self) -> float:
        return 1000 * self.notes / (self.prompt_ms + self.written_ms)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--notes", type=int, default=60)
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    options, rest = parser.parse_known_args()
    if options.serve:
        _serve(*options.serve, rest)
    for each in measure(options.notes):
        size = f"{each.looked_up}, {each.drafted_at_once}"
        print(
            f"{each.kind:12} {size:6} {each.answers_per_s:6.2f} answers/s "
            f"{each.written_ms / each.written:6.2f} ms a token written, {each.drafted:5} drafted, "
            f"{each.taken:4} taken of {each.written}, {each.differ} of {each.notes} differ"
        )


def measure(notes: int = 60) -> list[Speculation]:
    """Each kind over the same notes."""
    task = read_task(REPOSITORY / "config" / "tasks", "pneumonia")
    kinds = [Speculation(*kind) for kind in KINDS]
    with ExitStack() as life:
        addresses = [life.enter_context(_server(kind)) for kind in KINDS]
        for number, note in enumerate(draw(notes, seed=7)):
            texts = {}
            for turn in range(len(kinds)):  # each is the first as often as the others
                at = (number + turn) % len(kinds)
                texts[at] = _ask(task, note.text, addresses[at], kinds[at])
            for at, each in enumerate(kinds):
                each.differ += texts[at] != texts[0]
    return kinds


def _ask(task: Task, note: str, address: str, into: Speculation) -> str:
    schema = {"name": "answer", "strict": True, "schema": task.json_schema}
    body = {
        "messages": [
            {"role": "system", "content": task.system_prompt},
            {"role": "user", "content": task.user_message(note)},
        ],
        "response_format": {"type": "json_schema", "json_schema": schema},
        "max_tokens": 200,
        "temperature": 0,
    }
    request = Request(
        f"{address}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with build_opener(ProxyHandler({})).open(request, timeout=120) as response:
        reply: dict[str, Any] = json.load(response)
    timings = reply["timings"]
    into.notes += 1
    into.prompt_ms += timings["prompt_ms"]
    into.written_ms += timings["predicted_ms"]
    into.written += timings["predicted_n"]
    into.drafted += timings.get("draft_n", 0)
    into.taken += timings.get("draft_n_accepted", 0)
    return str(reply["choices"][0]["message"]["content"])


@contextmanager
def _server(kind: tuple[str, int, int]) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.speculation", "--serve", *map(str, kind)]
    command += ["--model", str(WEIGHTS), "--context", "1024", "--threads", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr
            yield f"http://{server.stderr.readline().split()[-1]}"
        finally:
            server.terminate()


def _serve(kind: str, looked_up: str, drafted: str, arguments: list[str]) -> None:
    """notemill's program for the embedded engine, with speculation."""
    started = xllamacpp.Server

    def server(params: xllamacpp.CommonParams) -> xllamacpp.Server:
        speculative = params.speculative
        if kind != "off":
            name = f"COMMON_SPECULATIVE_TYPE_{kind.upper()}"
            speculative.types = [getattr(xllamacpp.common_speculative_type, name)]
        if kind == "ngram_mod":
            speculative.ngram_mod.n_match = int(looked_up)
            speculative.ngram_mod.n_min, speculative.ngram_mod.n_max = 1, int(drafted)
        elif kind != "off":
            getattr(speculative, kind).size_n = int(looked_up)
            getattr(speculative, kind).size_m = int(drafted)
        return started(params)

    xllamacpp.Server = server
    program.main(arguments)


if __name__ == "__main__":
    main()
