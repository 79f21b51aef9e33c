"""Writes the trained network and its tokenizer as one GGUF: `python -m models.export`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch

from models.chat import END, JINJA
from models.network import Network, Shape
from models.tokenizer import BUILD, load_tokenizer, words_and_cases

TARGET = Path(__file__).parent / "notemill-tiny.gguf"


def write_gguf(shape: Shape, tensors: dict[str, torch.Tensor], target: Path) -> None:
    """Write `tensors`, named as GGUF names a Llama's: matrices as f16, norms as f32."""
    writer = gguf.GGUFWriter(target, "llama")
    writer.add_name("notemill-tiny")
    writer.add_description("Synthetic chest X-ray notes, two toy questions. No medical device.")
    writer.add_license("MIT")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.norm_epsilon)
    _add_tokenizer(writer)
    for name, tensor in tensors.items():
        writer.add_tensor(name, tensor.numpy().astype(np.float16 if tensor.dim() > 1 else
                                                      np.float32))  # fmt: skip
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokenizer(writer: gguf.GGUFWriter) -> None:
    tokenizer = load_tokenizer()
    texts, scores, kinds = [], [], []
    for i in range(tokenizer.vocab_size()):
        texts.append(tokenizer.id_to_piece(i))
        scores.append(tokenizer.get_score(i))
        kinds.append(
            gguf.TokenType.UNKNOWN if tokenizer.is_unknown(i)
            else gguf.TokenType.CONTROL if tokenizer.is_control(i)
            else gguf.TokenType.BYTE if tokenizer.is_byte(i)
            else gguf.TokenType.USER_DEFINED if texts[-1] == "\n"
            else gguf.TokenType.NORMAL
        )  # fmt: skip
    writer.add_tokenizer_model("llama")
    writer.add_token_list(texts)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(tokenizer.bos_id())
    writer.add_eos_token_id(tokenizer.piece_to_id(END))
    writer.add_unk_token_id(tokenizer.unk_id())
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(JINJA)


def main() -> None:
    saved: dict[str, Any] = torch.load(BUILD / "network.pt")
    network = Network(Shape(**saved["shape"]), *words_and_cases(load_tokenizer()))
    network.load_state_dict(saved["weights"])
    write_gguf(network.shape, network.tensors(), TARGET)
    data = TARGET.read_bytes()
    print(f"{TARGET.name}: {len(data):,} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
