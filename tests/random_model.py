"""A tiny language model with seeded random weights, written as one GGUF file.

It stands in for a real model where only the machinery matters: llama.cpp and Ollama load it, it
takes a system and a user message, and held to a JSON schema it answers with short, valid JSON.
**Its answers mean nothing.**

Plain random weights tend to fall into a cycle and never close a string. So three of the 64
dimensions of the residual stream are not random: two place every token on a circle, one is
constant. The output layer prefers the character a step further round the circle than the last
one, so a string walks round it, and the closing quote (without a grammar: the end of the answer)
waits at the end of each round. The constant dimension makes brackets close rather than go on and
keeps white space and escapes unlikely. All else is random and makes the answer depend on the
prompt.
"""

from __future__ import annotations

import os
import string
import tempfile
from pathlib import Path
from typing import Any

import gguf
import numpy as np

CONTEXT_LENGTH = 32768
"""Tokens; about one token a character of the prompt."""

LAYERS = 2
WIDTH = 64
HEADS = 2
FEED_FORWARD = 128

CHAT_TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""ChatML, letter by letter as Ollama knows it, so that it also finds its own template for it."""

SPACE = "\u2581"  # how SentencePiece writes a space
MESSAGE_END = "<|im_end|>"

# What the dimensions of the residual stream hold: the three that are not random, then what the
# token itself brings, then what the layers add to it and the output layer reads.
COSINE, SINE, CONSTANT = 0, 1, 2
TOKEN = slice(3, 32)
CONTEXT = slice(32, WIDTH)

STEP = 2 * np.pi / 9  # how far round the circle one character moves on


def write_random_model(path: Path, seed: int = 0) -> None:
    """Write the model to `path` (under another name, then renamed).

    The same seed gives the same bytes. About 0.5 MB. Raises OSError if `path` can't be written.
    """
    vocabulary = _vocabulary()
    weights = _weights([text for text, _ in vocabulary], np.random.default_rng(seed))
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    os.close(handle)
    unfinished = Path(name)
    try:
        _write(unfinished, vocabulary, weights)
        unfinished.chmod(0o644)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink()
        raise


def _vocabulary() -> list[tuple[str, gguf.TokenType]]:
    """Tokens in order: specials, the 256 bytes, the printable ASCII characters."""
    control = gguf.TokenType.CONTROL
    return [
        ("<unk>", gguf.TokenType.UNKNOWN),
        ("<s>", control),
        ("</s>", control),
        ("<|im_start|>", control),
        (MESSAGE_END, control),
        *((f"<0x{byte:02X}>", gguf.TokenType.BYTE) for byte in range(256)),
        (SPACE, gguf.TokenType.NORMAL),
        *((chr(code), gguf.TokenType.NORMAL) for code in range(0x21, 0x7F)),
    ]


def _weights(tokens: list[str], random: np.random.Generator) -> dict[str, np.ndarray]:
    """Every tensor of the model by its GGUF name, float32, shape (outputs, inputs)."""

    def matrix(rows: int, columns: int, scale: float) -> np.ndarray:
        return (random.standard_normal((rows, columns)) * scale).astype(np.float32)

    def into_context(columns: int, scale: float) -> np.ndarray:
        weight = np.zeros((WIDTH, columns), dtype=np.float32)
        weight[CONTEXT] = matrix(WIDTH, columns, scale)[CONTEXT]
        return weight

    def from_random(rows: int, scale: float) -> np.ndarray:
        weight = matrix(rows, WIDTH, scale)
        weight[:, : TOKEN.start] = 0
        return weight

    now = _circle(tokens, closing=0.5 * np.pi, digit=1.5 * np.pi)
    embedding = np.zeros((len(tokens), WIDTH), dtype=np.float32)
    embedding[:, TOKEN] = matrix(len(tokens), WIDTH, 0.5)[:, TOKEN]
    embedding[:, COSINE] = 4 * np.cos(now)
    embedding[:, SINE] = 4 * np.sin(now)
    embedding[:, CONSTANT] = 4

    following = _circle(tokens, closing=0, digit=np.pi) - STEP
    output = np.zeros((len(tokens), WIDTH), dtype=np.float32)
    output[:, CONTEXT] = matrix(len(tokens), WIDTH, 0.1)[:, CONTEXT]
    output[[i for i, token in enumerate(tokens) if _is_digit(token)], CONTEXT] *= 4
    output[:, COSINE] = 2 * np.cos(following)
    output[:, SINE] = 2 * np.sin(following)
    output[:, CONSTANT] = _preference(tokens)

    ones = np.ones(WIDTH, dtype=np.float32)
    weights = {
        "token_embd.weight": embedding,
        "output_norm.weight": ones,
        "output.weight": output,
    }
    for layer in range(LAYERS):
        weights |= {
            f"blk.{layer}.attn_norm.weight": ones,
            f"blk.{layer}.attn_q.weight": from_random(WIDTH, 0.6),
            f"blk.{layer}.attn_k.weight": from_random(WIDTH, 0.6),
            f"blk.{layer}.attn_v.weight": from_random(WIDTH, 0.25),
            f"blk.{layer}.attn_output.weight": into_context(WIDTH, 0.125),
            f"blk.{layer}.ffn_norm.weight": ones,
            f"blk.{layer}.ffn_gate.weight": from_random(FEED_FORWARD, 0.25),
            f"blk.{layer}.ffn_up.weight": from_random(FEED_FORWARD, 0.25),
            f"blk.{layer}.ffn_down.weight": into_context(FEED_FORWARD, 0.1),
        }
    return weights


def _circle(tokens: list[str], closing: float, digit: float) -> np.ndarray:
    """The angle of each token: letters all round, the rest where the caller puts it.

    What ends a string is reached at the end of a round (angle 0), but the quote that opened one
    stands a quarter further on, or strings would be empty. A digit is reached from the other side
    of the circle than where it stands itself, so that numbers stay short.
    """
    angles = np.full(len(tokens), closing)
    letters = [i for i, token in enumerate(tokens) if _is_letter(token)]
    angles[letters] = 2 * np.pi * (np.arange(len(letters)) + 0.5) / len(letters)
    angles[[i for i, token in enumerate(tokens) if _is_digit(token)]] = digit
    return angles


def _preference(tokens: list[str]) -> np.ndarray:
    """How likely each token is wherever it may stand, the place on the circle left out."""
    closing = {MESSAGE_END: 2.0, '"': 1.25, "}": 0.5, "]": 0.5, ",": -0.5}
    preference = np.full(len(tokens), -8.0)  # specials, bytes, white space
    for i, token in enumerate(tokens):
        if token in closing:
            preference[i] = closing[token]
        elif _is_letter(token):
            preference[i] = 0.5
        elif _is_digit(token):
            preference[i] = -1.5
        elif len(token) == 1 and token != SPACE:
            preference[i] = -3.0
    return preference


def _is_letter(token: str) -> bool:
    return len(token) == 1 and token in string.ascii_letters


def _is_digit(token: str) -> bool:
    return len(token) == 1 and token in string.digits


def _write(
    path: Path, vocabulary: list[tuple[str, gguf.TokenType]], weights: dict[str, Any]
) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("notemill random weights")
    writer.add_description("Random weights: its answers mean nothing")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(CONTEXT_LENGTH)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(vocabulary))
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text.encode() for text, _ in vocabulary])
    writer.add_token_scores([0.0] * len(vocabulary))
    writer.add_token_types([kind for _, kind in vocabulary])
    names = [text for text, _ in vocabulary]
    writer.add_unk_token_id(names.index("<unk>"))
    writer.add_bos_token_id(names.index("<s>"))
    writer.add_eos_token_id(names.index(MESSAGE_END))
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)
    for name, weight in weights.items():
        writer.add_tensor(name, np.ascontiguousarray(weight, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
