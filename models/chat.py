"""How a conversation is written as text for the model: chat template, prompts, answers."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from models.notes import Answer
from notemill.tasks.task import Task, read_task

SYSTEM, USER, ASSISTANT, END = "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"
MARKERS = (SYSTEM, USER, ASSISTANT, END)

JINJA = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""The chat template in the GGUF; models/Modelfile writes the same text in Ollama's language."""

TASKS = Path(__file__).parent.parent / "config" / "tasks"


@cache
def task_of(condition: str) -> Task:
    """Return the task that asks about a condition: it has the condition's name."""
    return read_task(TASKS, condition)


def prompt_text(system: str | None, user: str) -> str:
    """Return what the model reads; None leaves the system message out."""
    return f"{f'{SYSTEM}{system}{END}' if system is not None else ''}{USER}{user}{END}{ASSISTANT}"


def answer_text(answer: Answer) -> str:
    """Return an answer's JSON as a JSON-schema grammar lets it be written, fields in order."""
    return json.dumps({"response": answer.response, "explanation": answer.explanation})
