"""Text that a model writes, of any length, and the figures that only text has."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np

from genjax import rng
from genjax.config import require
from genjax.data.loader import eval_batches
from genjax.data.sources import Source
from genjax.decoding.generate import Stop
from genjax.decoding.prompts import bucket, pad
from genjax.errors import UsageError
from genjax.evaluation.evaluator import Drawn, Evaluator
from genjax.evaluation.statistics import Bits
from genjax.training.setup import Run
from genjax.types import Cost, Params


class PerToken(NamedTuple):
    """A likelihood of text, counted in tokens.

    Attributes:
      nats, stderr: nats a token with its standard error.
      perplexity: exp(nats). It depends on the tokenizer, which bits a byte do not.
      tokens: how many were scored, the ends of documents among them.
    """

    nats: float
    stderr: float
    perplexity: float
    tokens: int


def per_token(bits: Bits, source: Source, examples: int | None = None) -> PerToken:
    """Bits a byte of the first `examples` held-out rows, or of all, as nats a token of the same rows."""
    tokens = units = 0.0
    for batch in eval_batches(source, 256, limit=examples):
        tokens += float(np.sum(batch["weight"][:, None] * batch["loss_mask"], dtype=np.float64))
        units += float(np.sum(batch["weight"] * batch["num_units"], dtype=np.float64))
    scale = math.log(2) * units / tokens
    return PerToken(bits.value * scale, bits.stderr * scale, math.exp(bits.value * scale), int(tokens))


def write(evaluator: Evaluator, params: Params, count: int, prompt: np.ndarray, length: int) -> Drawn:
    """`count` continuations of a prompt, int32 [count, length] in `data`.

    Where the prompt and what is written are longer than a row, the last half of a row is the context of the next one; so text of any length is
    drawn by whatever can fill in the rest of a row, and a model never sees more than it was trained on.

    Args:
      prompt: int32 [n], n >= 0.
      length: tokens to write, >= 1.
    """
    width = evaluator.run.source.spec.shape[0]
    text, nfe, depth, turn = np.tile(prompt.astype(np.int32), (count, 1)), 0.0, 0.0, 0
    while text.shape[1] < len(prompt) + length:
        seen = text.shape[1] if text.shape[1] < width else width // 2
        given = {}
        if seen:
            given["tokens"] = np.pad(text[:, -seen:], ((0, 0), (0, width - seen)))
            given["mask"] = np.broadcast_to(np.arange(width) < seen, (count, width))
        drawn = evaluator.draw(params, count, given=given, turn=turn)
        text = np.concatenate([text, drawn.data[:, seen:]], axis=1)
        nfe, depth, turn = nfe + drawn.nfe, depth + drawn.sequential_depth, turn + 1
    return Drawn(text[:, len(prompt) : len(prompt) + length], None, nfe, depth)


@runtime_checkable
class Completes(Protocol):
    """An objective that decodes with a cache."""

    complete: Callable[..., Any]

    def holds(self, room: int) -> bool:
        """Whether a row may have so many positions."""
        raise NotImplementedError

    def cost(self, steps: float) -> Cost:
        """What so many steps of drawing cost a row."""
        raise NotImplementedError


class Completed(NamedTuple):
    """What follows each prompt, as tokens, without those behind a stop; and what it cost, on average over the batches of the prompts."""

    tokens: list[np.ndarray]
    nfe: float
    sequential_depth: float


class Completions:
    """What a model that decodes with a cache writes after prompts of any lengths: each is read once.

    Beyond the length of a row attention reaches back as far as it was trained to.
    """

    def __init__(self, run: Run, length: int, stop: Stop = ()) -> None:
        objective = run.objective
        require(isinstance(objective, Completes), f"prompts are answered by objective=next_token, not by {run.config.objective}")
        assert isinstance(objective, Completes)
        self.run, self._cost = run, objective.cost
        self._complete = jax.jit(functools.partial(objective.complete, length=length, stop=stop))

    def __call__(self, params: Params, prompts: Sequence[np.ndarray]) -> Completed:
        """What follows prompt i depends on prompt i and on i alone."""
        size, key, found, steps = self.run.config.data.eval_batch_size, rng.stream(self.run.config.seed, "sample"), {}, 0
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))  # prompts of a batch are about as long as each other
        for start in range(0, len(prompts), size):
            here = order[start : start + size]
            filled = here + here[:1] * (min(size, len(prompts)) - len(here))  # so that the last batch compiles nothing new
            tokens, real = pad([prompts[i].tolist() or [0] for i in filled])
            real &= np.array([len(prompts[i]) > 0 for i in filled])[:, None]
            drawn = self._complete(params, tokens, real, {"id": np.array(filled, np.uint32)}, key)
            steps += len(here) * int(drawn.steps)
            for row, length, i in zip(np.asarray(drawn.tokens), np.asarray(drawn.lengths), here, strict=False):
                found[i] = row[:length]
        cost = self._cost(steps / len(prompts))
        return Completed([found[i] for i in range(len(prompts))], float(cost.nfe), float(cost.sequential_depth))


def go_on(evaluator: Evaluator, params: Params, count: int, prompt: np.ndarray, length: int) -> Drawn:
    """`write` by a model that decodes with a cache, where the positions that it has learned allow it, or else row by row."""
    run, objective = evaluator.run, evaluator.run.objective
    if not isinstance(objective, Completes) or not objective.holds(bucket(max(1, len(prompt))) + length):
        return write(evaluator, params, count, prompt, length)
    found = Completions(run, length)(params, [prompt] * count)
    return Drawn(np.stack(found.tokens), None, found.nfe, found.sequential_depth)


def sheet(texts: Sequence[str]) -> str:
    """Texts one below the other, each under its number."""
    return "\n".join(f"---- {number} " + "-" * 60 + f"\n{text}" for number, text in enumerate(texts)) + "\n"


def read_prompt(prompt: str | None, file: str | None) -> str:
    """The prompt that is given, or that a file holds; nothing without either."""
    require(prompt is None or file is None, "--prompt and --prompt_file are two ways to give one prompt: choose one")
    if file is None:
        return prompt or ""
    try:
        return Path(file).read_bytes().decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"--prompt_file={file} is not UTF-8 (byte {error.start})") from error
