"""Trains the model from scratch on two CPU cores: `python -m models.train`; see CARD.md.

Two processes, one for each question: both read the same notes, and their gradients are averaged.
Writes models/build/network.pt and models/build/tokenizer.model.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import sentencepiece
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from models.chat import END, answer_text, prompt_text, task_of
from models.muon import Muon
from models.network import Block, Cache, Network, Shape
from models.notes import RESPONSE_OF_KIND, RESPONSES, UNABLE, Answer, Note, draw
from models.templates import CONDITIONS
from models.tokenizer import BUILD, encode, load_tokenizer, train_tokenizer, words_and_cases

NO_QUESTION = Answer(UNABLE, "No question was asked")
"""What the model learns to answer when there is no system prompt, so that losing it shows."""

NO_QUESTION_SHARE = 0.1
DECISION_WEIGHT = 4.0
"""Weight of the token that holds the response's number against the answer's other tokens."""
NOTE_WEIGHT = 0.4
"""Weight of predicting one of the note's own tokens: it teaches the words."""
NOTE_STRIDE = 4
"""Every so many of the note's tokens one is predicted: the answers matter more."""
HINT_WEIGHT = 0.5
"""Weight of telling, from a middle layer at the end of each statement, what it says about the
condition asked for. The part that tells it is dropped after training."""
POINTER_WEIGHT = 0.3
"""Weight of making the first head of the last layer but one look, from each token of a quote's
answer, at the note's token to be written next: copying is slow to learn otherwise."""
CURRICULUM = ((0.15, 110), (0.45, 230), (1.0, 10**6))
"""Until this share of the steps, notes of at most so many characters: reading and copying are
learned sooner, and cheaper, from short notes."""
NO_HINT = -100


@dataclass(frozen=True)
class Batch:
    """Notes of similar length under one system prompt.

    `prefix` (1, tokens) is common to all; `ids` (batch, tokens) continue it; `weights` are those of
    predicting each of `ids` from what precedes it, 0 for padding; `hints` are 0 where a statement
    ends that decides nothing, 1 to 3 where one ends that speaks for that response, else NO_HINT;
    `sources` are, at each token before one of a quote, the place in `ids` that the quote's token
    is copied from, else NO_HINT.
    """

    prefix: Tensor
    ids: Tensor
    weights: Tensor
    hints: Tensor
    sources: Tensor


class Encoder:
    """Turns notes into batches of token ids."""

    def __init__(self, tokenizer: sentencepiece.SentencePieceProcessor) -> None:
        self.tokenizer = tokenizer
        self.decision_tokens = {
            next(i for i in tokenizer.encode(answer_text(Answer(r, ""))) if r[1] in piece(i))
            for piece in (tokenizer.id_to_piece,)
            for r in RESPONSES
        }

    def batch(self, notes: list[Note], task: str | None, tail: str = "") -> Batch:
        """Ask `task`'s question about every note; None asks none. `tail` ends both prompts."""
        system = None if task is None else task_of(task).system_prompt + tail
        whole = prompt_text(system, task_of(next(iter(CONDITIONS))).user_message("\0" + tail))
        before, after = (encode(self.tokenizer, part) for part in whole.split("\0"))
        rows, weights, hints, sources = [], [], [], []
        for note in notes:
            text = self.tokenizer.encode(note.text)
            asked = text + after
            answer = NO_QUESTION if task is None else note.answers[task]
            answered = encode(self.tokenizer, answer_text(answer) + END)
            rows.append(asked + answered)
            weights.append(
                [0.0 if (i + len(asked)) % NOTE_STRIDE else NOTE_WEIGHT for i in range(len(asked))]
                + [DECISION_WEIGHT if i in self.decision_tokens else 1.0 for i in answered]
            )
            hint = [NO_HINT] * len(rows[-1])
            token_at = self._token_at(text)
            for end, kinds in note.statements if task else ():
                response = RESPONSE_OF_KIND.get(kinds.get(str(task), ""))
                hint[token_at[end - 1]] = RESPONSES.index(response) + 1 if response else 0
            hints.append(hint)
            source = [NO_HINT] * len(rows[-1])
            found = note.text.find(answer.explanation)
            if found >= 0:
                starts = self._starts(answer.explanation)
                before_quote = len(rows[-1]) - len(starts) - 3  # after it: "} and END
                for i, at in enumerate(starts, before_quote):
                    source[i] = token_at[found + at]
            sources.append(source)
        width = -(-max(map(len, rows)) // 8) * 8
        return Batch(
            torch.tensor([before]),
            torch.tensor([r + [0] * (width - len(r)) for r in rows]),
            torch.tensor([w + [0.0] * (width - len(w)) for w in weights]),
            torch.tensor([h + [NO_HINT] * (width - len(h)) for h in hints]),
            torch.tensor([p + [NO_HINT] * (width - len(p)) for p in sources]),
        )

    def _token_at(self, tokens: list[int]) -> list[int]:
        """Return for each character of some text which of its tokens it is in."""
        # Notes are ASCII: a piece has as many characters as its text, a byte piece has one.
        sizes = [
            1 if self.tokenizer.is_byte(t) else len(self.tokenizer.id_to_piece(t)) for t in tokens
        ]
        return [i for i, size in enumerate(sizes) for _ in range(size)]

    def _starts(self, text: str) -> list[int]:
        """Return the place in `text` where each of its tokens begins."""
        token_at = self._token_at(self.tokenizer.encode(text))
        return [token_at.index(i) for i in range(token_at[-1] + 1)]


def batches(seed: int, tokens: int, longest: int) -> Iterator[list[Note]]:
    """Yield lists of training notes of similar length, about `tokens` in all, for ever.

    `longest` bounds a note's characters.
    """
    rng = random.Random(seed)
    round_ = 0
    while True:
        round_ += 1
        notes = [n for n in draw(4000, seed + round_, "train") if len(n.text) <= longest]
        notes.sort(key=lambda n: len(n.text) + rng.random() * 40)
        groups: list[list[Note]] = [[]]
        for note in notes:
            estimate = len(note.text) // 3 + 35  # tokens of a note and an answer
            if (len(groups[-1]) + 1) * estimate > tokens and groups[-1]:
                groups.append([])
            groups[-1].append(note)
        rng.shuffle(groups)
        yield from groups


def loss_of(network: Network, hinter: nn.Module, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Return the weighted mean cross-entropy of the tokens, that of hints and that of pointers."""
    _, past, _ = network(batch.prefix)
    hidden, present, middle = network(batch.ids, past)
    wanted = batch.weights[:, 1:] > 0
    scores = network.logits(hidden[:, :-1][wanted])
    each = F.cross_entropy(scores, batch.ids[:, 1:][wanted], reduction="none")
    weights = batch.weights[:, 1:][wanted]
    loss = (each * weights).sum() / weights.sum()
    hint_loss = pointer_loss = torch.zeros(())
    hinted = batch.hints >= 0
    if hinted.any():
        hint_loss = F.cross_entropy(hinter(middle[hinted]), batch.hints[hinted])
    copied = batch.sources >= 0
    if copied.any():
        pointer_loss = _pointer_loss(network, past, present, batch.sources, copied)
    return loss, hint_loss, pointer_loss


def _pointer_loss(
    network: Network, past: Cache, present: Cache, sources: Tensor, copied: Tensor
) -> Tensor:
    layer = network.shape.layers - 2
    block = network.blk[layer]
    assert isinstance(block, Block)
    queries = block.queries[:, 0]  # (batch, tokens, head width)
    old, new = past[layer][0][:, 0], present[layer][0][:, 0]
    keys = torch.cat((old.expand(len(new), -1, -1), new), 1)
    row, token = copied.nonzero(as_tuple=True)
    scores = torch.einsum("nw,nkw->nk", queries[row, token], keys[row])
    scores = scores / network.shape.head_width**0.5
    start = old.shape[1]
    later = torch.arange(keys.shape[1]) > (start + token)[:, None]
    return F.cross_entropy(scores.masked_fill(later, -1e9), start + sources[copied])


@torch.no_grad()
def score(network: Network, encoder: Encoder, notes: list[Note]) -> dict[str, float]:
    """Return the share of right responses, and of wholly right answers, when told the rest.

    "told the rest" (each token predicted from the true ones before it) is quick and close to what
    decoding gives; evaluate.py decodes.
    """
    tally: dict[str, list[bool]] = {}
    notes = sorted(notes, key=lambda n: len(n.text))
    for start in range(0, len(notes), 16):
        for task in CONDITIONS:
            batch = encoder.batch(notes[start : start + 16], task)
            _, cache, _ = network(batch.prefix)
            hidden, _, _ = network(batch.ids, cache)
            right = network.logits(hidden[:, :-1]).argmax(-1) == batch.ids[:, 1:]
            weights = batch.weights[:, 1:]
            tally.setdefault(task, []).extend(
                (right | (weights != DECISION_WEIGHT)).all(1).tolist()
            )
            tally.setdefault("whole answer", []).extend((right | (weights < 1)).all(1).tolist())
    return {name: round(sum(values) / len(values), 4) for name, values in tally.items()}


def train(
    rank: int, meeting: str, steps: int, resume_at: int, seed: int, tokens: int, rate: float
) -> None:
    """Train up to step `steps` as process `rank` of two; process 0 saves and tells.

    `resume_at` above 0 goes on from the saved weights as if that many steps were done, towards
    another `steps` than before if need be, with notes of its own. The seed fixes the notes, their
    order and the first weights; the last bits of the result depend on the processor as well.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    rng = random.Random(seed + resume_at)
    encoder = Encoder(load_tokenizer())
    shape = Shape(encoder.tokenizer.vocab_size())
    network = Network(shape, *words_and_cases(encoder.tokenizer))
    hinter = nn.Linear(shape.width, len(RESPONSES) + 1)
    if resume_at:
        saved = torch.load(BUILD / "network.pt")
        network.load_state_dict(saved["weights"])
        hinter.load_state_dict(saved["hinter"])
    matrices = [p for p in network.blk.parameters() if p.dim() == 2]
    norms = [p for p in network.parameters() if p.dim() == 1]
    others = [*network.pieces.parameters(), *norms, *hinter.parameters()]
    rates = {
        Muon(matrices, rate): rate,
        torch.optim.Adam(others, rate / 8, betas=(0.9, 0.98)): rate / 8,
    }
    check = draw(150, seed, "validation")
    start, mean = time.monotonic(), torch.tensor([3.0, 1.0, 3.0])
    streams = [
        (share * steps, batches(seed + resume_at * 100 + i * 10**6, tokens, longest))
        for i, (share, longest) in enumerate(CURRICULUM)
    ]
    for step in range(resume_at + 1, steps + 1):
        notes = next(next(stream for end, stream in streams if step <= end))
        tail = "\n" if rng.random() < 0.1 else ""
        no_question = rng.random() < NO_QUESTION_SHARE and step % 2 == rank
        batch = encoder.batch(notes, None if no_question else list(CONDITIONS)[rank], tail)
        losses = loss_of(network, hinter, batch)
        (losses[0] + HINT_WEIGHT * losses[1] + POINTER_WEIGHT * losses[2]).backward()
        parameters = matrices + others
        flat = torch.cat([
            torch.zeros(p.numel()) if p.grad is None else p.grad.flatten() for p in parameters
        ])  # fmt: skip
        dist.all_reduce(flat)
        flat /= 2
        flat *= min(1.0, 1.0 / float(flat.norm()))
        for p, grad in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
            p.grad = grad.view_as(p)
        for optimizer, highest in rates.items():
            warm = min(1.0, (step - resume_at) / 30)
            optimizer.param_groups[0]["lr"] = highest * warm * (1 - step / steps)
            optimizer.step()
            optimizer.zero_grad()
        mean += 0.03 * (torch.stack(losses).detach() - mean)
        if rank == 0 and step % 25 == 0:
            print(f"{time.monotonic() - start:5.0f} s  step {step}  loss {mean[0]:.4f}  "
                  f"hints {mean[1]:.4f}  pointers {mean[2]:.4f}", flush=True)  # fmt: skip
        if rank == 0 and (step % 500 == 0 or step == steps):
            print("validation", score(network, encoder, check), flush=True)
            saved = {"shape": asdict(shape), "weights": network.state_dict()}
            torch.save(saved | {"hinter": hinter.state_dict()}, BUILD / "network.pt")
    dist.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--resume-at", type=int, default=0, help="steps done by the saved weights")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=1200, help="of notes and answers, a step")
    parser.add_argument("--rate", type=float, default=0.02, help="at the beginning, for Muon")
    o = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if not o.resume_at:
        train_tokenizer(o.seed)
    with tempfile.TemporaryDirectory() as folder:
        arguments = (f"{folder}/meeting", o.steps, o.resume_at, o.seed, o.tokens, o.rate)
        torch.multiprocessing.spawn(train, arguments, nprocs=2)


if __name__ == "__main__":
    main()
