"""Trains the SentencePiece tokenizer on notes, prompts and answers; writes models/build/."""

from __future__ import annotations

from pathlib import Path

import sentencepiece

from models.chat import MARKERS, answer_text, system_prompt, user_prompt
from models.notes import draw
from models.templates import CONDITIONS

BUILD = Path(__file__).parent / "build"


def train_tokenizer(seed: int, size: int) -> sentencepiece.SentencePieceProcessor:
    """Train on 8,000 notes of the training split and load the result."""
    BUILD.mkdir(exist_ok=True)
    lines = []
    for i, note in enumerate(draw(8000, seed, "train")):
        lines += note.text.splitlines()
        if i % 4 == 0:
            lines += [answer_text(answer) for answer in note.answers.values()]
        if i % 20 == 0:
            for task in CONDITIONS:
                lines += f"{system_prompt(task)}\n{user_prompt(task, '')}".splitlines()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_prefix=str(BUILD / "tokenizer"),
        vocab_size=size,
        model_type="bpe",
        byte_fallback=True,
        character_coverage=1.0,
        control_symbols=list(MARKERS),
        # A line break is always a token of its own, so that what comes before a note and the note
        # are cut into tokens independently of each other.
        user_defined_symbols=["\n"],
        # Text goes in as it is: llama.cpp normalises nothing either.
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=False,
        # A space belongs to the word before it, so that a word is the same token after a space, at
        # the beginning of a line and after a quotation mark: copying is learned sooner.
        treat_whitespace_as_suffix=True,
        allow_whitespace_only_pieces=True,
        num_threads=1,
        minloglevel=2,
    )
    return load_tokenizer()


def load_tokenizer() -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_file=str(BUILD / "tokenizer.model"))


def encode(tokenizer: sentencepiece.SentencePieceProcessor, text: str) -> list[int]:
    """Return the token ids of text that may hold the chat markers."""
    ids: list[int] = []
    while text:
        at, marker = min(((text.find(m), m) for m in MARKERS if m in text), default=(len(text), ""))
        ids += tokenizer.encode(text[:at])
        ids += [tokenizer.piece_to_id(marker)] if marker else []
        text = text[at + len(marker) :]
    return ids
