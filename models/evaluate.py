"""Puts held-out notes through a running engine and scores the answers.

    python -m models.evaluate ask --api openai --address http://127.0.0.1:8080 --out a.jsonl
    python -m models.evaluate ask --api ollama --address http://127.0.0.1:11434 --out b.jsonl
    python -m models.evaluate report a.jsonl
    python -m models.evaluate compare a.jsonl b.jsonl

Requests go one after the other, greedy, with the task's JSON schema as the constraint. Needs
notemill's own dependencies and the engine, nothing of the training.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from models.chat import task_of
from models.notes import Note, draw
from models.score import NONE, accuracy, confusion
from models.templates import CONDITIONS, SPLITS

TAMPERINGS = ("none", "no system prompt", "other system prompt", "cut note", "next note")
MODEL = "notemill-tiny"


def ask(
    client: httpx.Client, api: str, task: str, system: str | None, text: str
) -> tuple[dict[str, Any] | None, int]:
    """Return the engine's answer, None if it is no whole JSON, and the prompt's tokens."""
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": task_of(task).user_message(text)})
    schema = task_of(task).json_schema
    body: dict[str, Any] = {"model": MODEL, "messages": messages}
    if api == "ollama":
        body |= {"stream": False, "format": schema, "truncate": False, "shift": False}
        body["options"] = {"temperature": 0, "num_ctx": 1024, "num_predict": 200,
                           "repeat_penalty": 1.0}  # fmt: skip
        reply = client.post("/api/chat", json=body).raise_for_status().json()
        # No count and "done": false come with an answer that Ollama broke off for repeating itself.
        content, count = reply["message"]["content"], reply.get("prompt_eval_count", 0)
    else:
        wanted = {"name": "answer", "strict": True, "schema": schema}
        body |= {"temperature": 0, "max_tokens": 200, "cache_prompt": True,
                 "response_format": {"type": "json_schema", "json_schema": wanted}}  # fmt: skip
        reply = client.post("/v1/chat/completions", json=body).raise_for_status().json()
        content = reply["choices"][0]["message"]["content"]
        count = reply["usage"]["prompt_tokens"]
    try:
        return json.loads(content), count
    except json.JSONDecodeError:
        return None, count


def ask_all(client: httpx.Client, api: str, notes: list[Note], tampering: str, out: Path) -> None:
    """Ask every task's question about every note; one JSON line an answer."""
    tasks = list(CONDITIONS)
    with out.open("w") as file:
        for task in tasks:
            system: str | None = task_of(task).system_prompt
            if tampering == "no system prompt":
                system = None
            elif tampering == "other system prompt":
                system = task_of(tasks[1 - tasks.index(task)]).system_prompt
            for i, note in enumerate(notes):
                text = note.text
                if tampering == "cut note":
                    text = text[: len(text) // 2]
                elif tampering == "next note":
                    text = notes[(i + 1) % len(notes)].text
                start = time.perf_counter()
                answer, count = ask(client, api, task, system, text)
                row = {
                    "task": task, "note": i, "kind": note.kinds[task], "text": note.text,
                    "gold": vars(note.answers[task]), "answer": answer, "prompt_tokens": count,
                    "ms": (time.perf_counter() - start) * 1000,
                }  # fmt: skip
                file.write(json.dumps(row) + "\n")


def report(rows: list[dict[str, Any]]) -> str:
    """Return accuracy, confusion matrices, failures by kind of statement and letter case."""
    lines = []
    console = Console(width=100)
    for task in CONDITIONS:
        mine = [r for r in rows if r["task"] == task]
        pairs = [(r["gold"]["response"], (r["answer"] or {}).get("response", NONE)) for r in mine]
        wrong = [r for r, (right, given) in zip(mine, pairs, strict=True) if right != given]
        exact = sum(r["answer"] == r["gold"] for r in mine)
        with console.capture() as table:
            console.print(confusion(pairs))
        lines += [
            f"{task}: accuracy {accuracy(pairs):.3f}, response and explanation both exact "
            f"{exact / len(mine):.3f} (n = {len(mine)})",
            table.get().rstrip(),
            "wrong by kind: " + _shares([r["kind"] for r in wrong], [r["kind"] for r in mine]),
            "wrong by case: "
            + _shares([_case(r["text"]) for r in wrong], [_case(r["text"]) for r in mine]),
        ]
    times = [r["ms"] for r in rows]
    lines.append(
        f"ms a note: median {statistics.median(times):.0f}, mean {statistics.mean(times):.0f}, "
        f"largest {max(times):.0f}; prompt tokens up to {max(r['prompt_tokens'] for r in rows)}"
    )
    return "\n".join(lines)


def _case(text: str) -> str:
    return "capitals" if text.isupper() else "small letters" if text.islower() else "mixed"


def _shares(some: list[str], whole: list[str]) -> str:
    counts, totals = Counter(some), Counter(whole)
    return ", ".join(f"{name} {counts[name]}/{totals[name]}" for name in sorted(totals))


def compare(a: list[dict[str, Any]], b: list[dict[str, Any]]) -> str:
    """Return how often two engines agree, as text."""
    pairs = list(zip(a, b, strict=True))
    response = sum(
        (x["answer"] or {}).get("response") == (y["answer"] or {}).get("response") for x, y in pairs
    )
    whole = sum(x["answer"] == y["answer"] for x, y in pairs)
    tokens = sum(x["prompt_tokens"] == y["prompt_tokens"] for x, y in pairs)
    n = len(pairs)
    return (
        f"same response {response / n:.4f}, same response and explanation {whole / n:.4f}, "
        f"same prompt tokens {tokens / n:.4f} (n = {n})"
    )


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    asking = commands.add_parser("ask")
    asking.add_argument("--api", choices=("openai", "ollama"), required=True)
    asking.add_argument("--address", required=True)
    asking.add_argument("--count", type=int, default=500)
    asking.add_argument("--seed", type=int, default=0)
    asking.add_argument("--split", choices=SPLITS, default="held_out")
    asking.add_argument("--tampering", choices=TAMPERINGS, default="none")
    asking.add_argument("--out", type=Path, required=True)
    reporting = commands.add_parser("report")
    reporting.add_argument("answers", type=Path)
    comparing = commands.add_parser("compare")
    comparing.add_argument("answers", type=Path, nargs=2)
    options = parser.parse_args()
    if options.command == "ask":
        with httpx.Client(base_url=options.address, timeout=120) as client:
            notes = draw(options.count, options.seed, options.split)
            ask_all(client, options.api, notes, options.tampering, options.out)
    elif options.command == "report":
        print(report(_read(options.answers)))
    else:
        print(compare(*map(_read, options.answers)))


if __name__ == "__main__":
    main()
