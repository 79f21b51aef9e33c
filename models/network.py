"""The network: a Llama (RoPE, RMSNorm, SwiGLU, grouped queries, tied embeddings) in PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Cache = list[tuple[Tensor, Tensor]]
"""Keys and values of each layer, each (batch, key-value heads, tokens, head width)."""


@dataclass(frozen=True)
class Shape:
    """The sizes of a network; they are all that export.py needs beside the weights."""

    vocabulary: int
    width: int = 192
    layers: int = 5
    heads: int = 4
    kv_heads: int = 4
    feed_forward: int = 384
    context: int = 1024
    rope_base: float = 10000.0
    norm_epsilon: float = 1e-5

    @property
    def head_width(self) -> int:
        return self.width // self.heads


def rope_table(shape: Shape) -> Tensor:
    """Return cosines and sines, (2, context, head width / 2)."""
    half = torch.arange(0, shape.head_width, 2).float() / shape.head_width
    angle = torch.outer(torch.arange(shape.context).float(), shape.rope_base**-half)
    return torch.stack((angle.cos(), angle.sin()))


def rotate(x: Tensor, rope: Tensor) -> Tensor:
    """Turn neighbouring pairs of x (..., tokens, head width): llama.cpp's order, no permutation."""
    even, odd = x[..., 0::2], x[..., 1::2]
    cos, sin = rope[0], rope[1]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


class Block(nn.Module):
    queries: Tensor
    """Of the last call, (batch, heads, tokens, head width); training looks at them."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.shape = s
        kv_width = s.kv_heads * s.head_width
        self.attn_norm = nn.RMSNorm(s.width, s.norm_epsilon)
        self.attn_q = nn.Linear(s.width, s.width, bias=False)
        self.attn_k = nn.Linear(s.width, kv_width, bias=False)
        self.attn_v = nn.Linear(s.width, kv_width, bias=False)
        self.attn_output = nn.Linear(s.width, s.width, bias=False)
        self.ffn_norm = nn.RMSNorm(s.width, s.norm_epsilon)
        self.ffn_gate = nn.Linear(s.width, s.feed_forward, bias=False)
        self.ffn_up = nn.Linear(s.width, s.feed_forward, bias=False)
        self.ffn_down = nn.Linear(s.feed_forward, s.width, bias=False)

    @torch.no_grad()
    def start(self) -> None:
        """Set the first weights: attention looks for tokens like its own and passes them on.

        ("Mimetic" initialisation, Trockman and Kolter 2023: copying is learned much sooner.)
        """
        s = self.shape
        for linear in (self.attn_q, self.attn_v, self.ffn_gate, self.ffn_up, self.ffn_down):
            nn.init.normal_(linear.weight, std=linear.weight.shape[1] ** -0.5)
        self.ffn_down.weight /= (2 * s.layers) ** 0.5
        self.attn_k.weight.copy_(self.attn_q.weight[: s.kv_heads * s.head_width])
        self.attn_output.weight.copy_(
            self.attn_v.weight.T.repeat(1, s.heads // s.kv_heads) / s.layers**0.5
        )

    def forward(
        self, x: Tensor, rope: Tensor, mask: Tensor, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        s, (batch, tokens, _) = self.shape, x.shape
        y = self.attn_norm(x)
        q, k, v = (
            linear(y).view(batch, tokens, -1, s.head_width).transpose(1, 2)
            for linear in (self.attn_q, self.attn_k, self.attn_v)
        )
        q, k = rotate(q, rope), rotate(k, rope)
        present = (k, v)
        self.queries = q
        if past is not None:
            k, v = (
                torch.cat((old.expand(batch, -1, -1, -1), new), 2)
                for old, new in zip(past, (k, v), strict=True)
            )
        k, v = (t.repeat_interleave(s.heads // s.kv_heads, 1) for t in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.attn_output(y.transpose(1, 2).reshape(batch, tokens, s.width))
        y = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(y)) * self.ffn_up(y)), present


class Pieces(nn.Module):
    """Embeds a piece as the sum of its word's vector and its letter case's.

    A word in capitals is so read as what was learned about it in small letters.
    """

    word_of: Tensor
    case_of: Tensor

    def __init__(self, words: list[int], cases: list[int], width: int) -> None:
        super().__init__()
        self.register_buffer("word_of", torch.tensor(words), persistent=False)
        self.register_buffer("case_of", torch.tensor(cases), persistent=False)
        self.words = nn.Parameter(torch.randn(max(words) + 1, width) * 0.05)
        # From nothing: what many pieces share drowns the words where attention averages them.
        self.cases = nn.Parameter(torch.zeros(max(cases) + 1, width))

    @property
    def weight(self) -> Tensor:
        """All pieces' vectors, (vocabulary, width)."""
        return self.words[self.word_of] + self.cases[self.case_of]


class Network(nn.Module):
    """`words` and `cases` are each piece's, see tokenizer.py."""

    rope: Tensor

    def __init__(self, shape: Shape, words: list[int], cases: list[int]) -> None:
        super().__init__()
        self.shape = shape
        self.pieces = Pieces(words, cases, shape.width)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.output_norm = nn.RMSNorm(shape.width, shape.norm_epsilon)
        self.register_buffer("rope", rope_table(shape), persistent=False)
        for block in self.blk:
            assert isinstance(block, Block)
            block.start()

    def forward(self, ids: Tensor, past: Cache | None = None) -> tuple[Tensor, Cache, Tensor]:
        """Return the last hidden states, this call's keys and values, and a middle layer's states.

        States are (batch, tokens, width). `past` is the cache of a common beginning, of batch 1:
        all rows of `ids` continue it.
        """
        start = past[0][0].shape[2] if past else 0
        tokens = ids.shape[1]
        mask = torch.ones(tokens, start + tokens, dtype=torch.bool).tril(start)
        rope = self.rope[:, start : start + tokens]
        x, cache = F.embedding(ids, self.pieces.weight), []
        for i, block in enumerate(self.blk):
            x, present = block(x, rope, mask, past[i] if past else None)
            cache.append(present)
            if i == self.shape.layers // 2:
                middle = x
        return self.output_norm(x), cache, middle

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the scores of the next token, (..., vocabulary)."""
        return F.linear(hidden, self.pieces.weight)

    def tensors(self) -> dict[str, Tensor]:
        """Return the weights as GGUF names and holds a Llama's."""
        tensors = self.state_dict()
        for name in ("words", "cases"):
            del tensors[f"pieces.{name}"]
        return {"token_embd.weight": self.pieces.weight.detach()} | tensors
