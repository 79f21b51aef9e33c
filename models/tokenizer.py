"""Trains the SentencePiece tokenizer on notes, prompts and answers; writes models/build/.

It is trained on text in small letters; then each piece is given its forms with a capital and in
capitals. So a word is cut into the same pieces however it is typed, and network.py can tell the
model that they are the same.
"""

from __future__ import annotations

import io
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

from models.chat import MARKERS, answer_text, task_of
from models.notes import draw
from models.templates import CONDITIONS

BUILD = Path(__file__).parent / "build"
MODEL = BUILD / "tokenizer.model"
CASES = (str.lower, lambda piece: piece[:1].upper() + piece[1:].lower(), str.upper)
"""How a piece may be typed: in small letters (or without any), with one capital, in capitals."""


def train_tokenizer(seed: int, small: int = 1250) -> None:
    """Train on 8,000 notes of the training split: `small` pieces and the forms of their words."""
    BUILD.mkdir(exist_ok=True)
    lines = []
    for i, note in enumerate(draw(8000, seed, "train")):
        lines += note.text.splitlines()
        if i % 4 == 0:
            lines += [answer_text(answer) for answer in note.answers.values()]
        if i % 20 == 0:
            for task in map(task_of, CONDITIONS):
                lines += f"{task.system_prompt}\n{task.user_message('')}".splitlines()
    lines = [line.lower() for line in lines]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=small,
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
    MODEL.write_bytes(_with_capitals(model.getvalue(), lines))


def _with_capitals(model: bytes, lines: list[str]) -> bytes:
    tokenizer = sentencepiece.SentencePieceProcessor(model_proto=model)
    beginnings: set[str] = set()  # of words: only these can need a form with one capital
    for line in lines:
        before = " "
        for piece in tokenizer.encode(line, out_type=str):
            if not before[-1].isalpha():
                beginnings.update(piece[:end] for end in range(1, len(piece) + 1))
            before = piece
    whole = sentencepiece_model_pb2.ModelProto()
    whole.ParseFromString(model)
    known = {piece.piece for piece in whole.pieces}
    for piece in list(whole.pieces):
        if piece.type != piece.NORMAL:
            continue
        for change in CASES[1 if piece.piece in beginnings else 2 :]:
            form = change(piece.piece)
            if form not in known:
                known.add(form)
                # The same score, so that all forms are put together in the same order.
                whole.pieces.add(piece=form, score=piece.score, type=piece.NORMAL)
    whole.trainer_spec.vocab_size = len(whole.pieces)
    return bytes(whole.SerializeToString())


def load_tokenizer() -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_file=str(MODEL))


def words_and_cases(
    tokenizer: sentencepiece.SentencePieceProcessor,
) -> tuple[list[int], list[int]]:
    """Return for each piece the number of its word (one for all its forms) and of its case."""
    numbers: dict[str, int] = {}
    words, cases = [], []
    for i in range(tokenizer.vocab_size()):
        piece = tokenizer.id_to_piece(i)
        special = tokenizer.is_control(i) or tokenizer.is_byte(i) or tokenizer.is_unknown(i)
        word = piece if special else piece.lower()
        words.append(numbers.setdefault(word, len(numbers)))
        cases.append(0 if special else [change(piece) for change in CASES].index(piece))
    return words, cases


def encode(tokenizer: sentencepiece.SentencePieceProcessor, text: str) -> list[int]:
    """Return the token ids of text that may hold the chat markers."""
    ids: list[int] = []
    while text:
        at, marker = min(((text.find(m), m) for m in MARKERS if m in text), default=(len(text), ""))
        ids += tokenizer.encode(text[:at])
        ids += [tokenizer.piece_to_id(marker)] if marker else []
        text = text[at + len(marker) :]
    return ids
