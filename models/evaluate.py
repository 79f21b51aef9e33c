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
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from models.chat import TASKS, system_prompt, user_prompt
from models.notes import RESPONSES, Note, draw
from models.templates import CONDITIONS, SPLITS
from notemill.tasks import read_task

TAMPERINGS = ("none", "no system prompt", "other system prompt", "cut note", "next note")
MODEL = "notemill-tiny"


@cache
def schema(task: str) -> dict[str, Any]:
    """Return the JSON schema of a task's Pydantic model."""
    return read_task(TASKS, task).json_schema


def ask(
    client: httpx.Client, api: str, task: str, system: str | None, text: str
) -> tuple[dict[str, Any] | None, int]:
    """Return the engine's answer, None if it is no whole JSON, and the prompt's tokens."""
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": user_prompt(task, text)})
    body: dict[str, Any] = {"model": MODEL, "messages": messages}
    if api == "ollama":
        body |= {"stream": False, "format": schema(task), "truncate": False, "shift": False}
        body["options"] = {"temperature": 0, "num_ctx": 1024, "num_predict": 200,
                           "repeat_penalty": 1.0}  # fmt: skip
        reply = client.post("/api/chat", json=body).raise_for_status().json()
        # No count and "done": false come with an answer that Ollama broke off for repeating itself.
        content, count = reply["message"]["content"], reply.get("prompt_eval_count", 0)
    else:
        wanted = {"name": "answer", "strict": True, "schema": schema(task)}
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
            system: str | None = system_prompt(task)
            if tampering == "no system prompt":
                system = None
            elif tampering == "other system prompt":
                system = system_prompt(tasks[1 - tasks.index(task)])
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
    """Return accuracy, confusion matrices and failures by kind of statement, as text."""
    lines = []
    for task in CONDITIONS:
        mine = [r for r in rows if r["task"] == task]
        got = [(r["answer"] or {}).get("response") for r in mine]
        pairs = Counter((r["gold"]["response"], g) for r, g in zip(mine, got, strict=True))
        right = sum(n for (gold, answer), n in pairs.items() if gold == answer)
        exact = sum(r["answer"] == r["gold"] for r in mine)
        lines += [
            f"{task}: accuracy {right / len(mine):.3f}, response and explanation both exact "
            f"{exact / len(mine):.3f} (n = {len(mine)})",
            "  gold \\ answer      (1)   (2)   (3)  none",
        ]
        for gold in RESPONSES:
            counts = "".join(f"{pairs[gold, a]:6}" for a in (*RESPONSES, None))
            lines.append(f"  {gold[:12]:14}{counts}")
        kinds = Counter(r["kind"] for r in mine)
        wrong = Counter(
            r["kind"] for r, g in zip(mine, got, strict=True) if g != r["gold"]["response"]
        )
        lines.append("  wrong by kind: " + ", ".join(f"{k} {wrong[k]}/{kinds[k]}" for k in kinds))
    times = [r["ms"] for r in rows]
    lines.append(
        f"ms a note: median {statistics.median(times):.0f}, mean {statistics.mean(times):.0f}, "
        f"largest {max(times):.0f}; prompt tokens up to {max(r['prompt_tokens'] for r in rows)}"
    )
    return "\n".join(lines)


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
