"""How a conversation is written as text for the model: chat template, prompts, answers."""

from __future__ import annotations

import json
from pathlib import Path

from models.notes import Answer

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


def system_prompt(task: str) -> str:
    """Return a task's system prompt, without the file's last line break."""
    return (TASKS / task / "system.md").read_text().rstrip("\n")


def user_prompt(task: str, note: str) -> str:
    """Return a task's user prompt with the note in its place."""
    return (TASKS / task / "user.md").read_text().rstrip("\n").replace("{note}", note)


def prompt_text(system: str | None, user: str) -> str:
    """Return what the model reads; None leaves the system message out."""
    return f"{f'{SYSTEM}{system}{END}' if system is not None else ''}{USER}{user}{END}{ASSISTANT}"


def answer_text(answer: Answer) -> str:
    """Return an answer's JSON as a JSON-schema grammar lets it be written, fields in order."""
    return json.dumps({"response": answer.response, "explanation": answer.explanation})
