"""The note in a line that batch clients write: a chat message, or a list of them."""

from __future__ import annotations

from typing import Any

from notemill.notes.sources.broken import LineError

_SYSTEM = ("system", "developer")


class Messages:
    """Finds the note in each line. system: lines that have a message to the model beside it."""

    def __init__(self) -> None:
        self.system = 0

    def text(self, line: Any) -> str | None:
        """What the one message of the user says. Raises LineError.

        A line is `{"role": "user", "content": ...}`, a list of such messages, an object with
        `messages`, or one with `body` around these, as OpenAI's batches have.
        """
        messages = _messages(line)
        roles = [message.get("role") for message in messages]
        if not all(isinstance(role, str) for role in roles):
            raise LineError("a message without its role; is it no chat message? Then name "
                            "text_column in the configuration")  # fmt: skip
        if others := set(roles) - {"user", *_SYSTEM}:
            told = " and of ".join(sorted(each for each in others if each in ("assistant", "tool")))
            raise LineError(
                f"a message of {told or 'another role'}: a line is one note, not a conversation"
            )
        if roles.count("user") != 1:
            raise LineError(f"{roles.count('user')} messages of the user; the note is the only one")
        if len(messages) > 1:
            self.system += 1
        message = messages[roles.index("user")]
        if "content" not in message:
            raise LineError("a message without content")
        text = message["content"]
        if text is not None and not isinstance(text, str):
            raise LineError("its content is no text")
        return text


def _messages(line: Any) -> list[dict[str, Any]]:
    if isinstance(line, dict) and isinstance(line.get("body"), dict):
        line = line["body"]
    if isinstance(line, dict) and "messages" in line:
        line = line["messages"]
    if isinstance(line, dict):
        line = [line]
    if not isinstance(line, list) or not all(isinstance(each, dict) for each in line):
        raise LineError("no chat message, which is an object, and no list of them")
    if not line:
        raise LineError("an empty list of messages")
    return line
