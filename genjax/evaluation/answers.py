"""Answers to prompts: what a model says, and how near that is to what was expected.

BLEU (Papineni et al., 2002) and chrF (Popović, 2015) are those of sacrebleu with its own settings (arXiv:1804.08771), over the whole split, on a
scale of 100; so is the share of answers that are right to the letter, and ROUGE (Lin, 2004), for summaries: the F measure of the shared words,
pairs of words, and longest common subsequence of words, lowercased and not stemmed, as a mean over answers. Beside them stand two translators
without a network: the prompt itself, and the prompt word by word, each word t of an answer for the word s that it goes with most often,

    t(s) = argmax_t 2 n(s, t) / (n(s) + n(t))                                                       (1)

with n the number of training pairs that a word, or two, occur in. A word that was never seen stays as it is.

An objective that writes with a cache answers token by token; one that draws all of a row at once draws the room that answers have
(`data.answer_room`), of which what stands before the first end is the answer.

Where every expected answer ends in a number after ####, as GSM8K's do, the share of answers with the same number is told too, as GSM8K counts it
(arXiv:2110.14168): the first such number, commas left out, compared as it is written.
"""

from __future__ import annotations

import codecs
import collections
import functools
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from genjax import rng
from genjax.config import require
from genjax.data import pairs
from genjax.data.base import Dialogue, Source, Turn
from genjax.data.tokenizers import Tokenizer
from genjax.decoding.generate import make_step, stream
from genjax.decoding.prompts import pad
from genjax.evaluation.evaluator import Drawn, Evaluator
from genjax.evaluation.questions import said
from genjax.evaluation.texts import Completed, Completes, Completions
from genjax.training.setup import Run
from genjax.types import Params

_LIMIT = 50_000  # training dialogues that the words are counted in


class Scores(NamedTuple):
    """All on a scale of 100; final_number is None where none is expected."""

    bleu: float
    chrf: float
    exact_match: float
    rouge_1: float
    rouge_2: float
    rouge_l: float
    final_number: float | None

    @property
    def known(self) -> dict[str, float]:
        """By their names, those that there are."""
        return {name: value for name, value in self._asdict().items() if value is not None}


class Answers:
    """What the model of a run answers."""

    def __init__(self, run: Run) -> None:
        require(can(run), f"a model of objective={run.config.objective} answers prompts in the room that it learned: train it with data.answer_room")
        self.run, self.tokenizer = run, _tokenizer(run.source)
        self.stop = ((pairs.end_of(self.tokenizer),),)
        self.length = run.config.sample.length or run.config.data.length
        self._at_once = None if isinstance(run.objective, Completes) else functools.partial(_drawn, Evaluator(run))
        self.completed = self._at_once or Completions(run, self.length, self.stop)

    def __call__(self, params: Params, prompts: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The answer to each prompt (`pairs.ask`), as tokens without those that follow it. Answer i depends on prompt i and on i alone."""
        return self.completed(params, prompts).tokens

    def stream(self, params: Params, prompt: np.ndarray, turn: int) -> Iterator[str]:
        """One answer, as it is written, token by token whatever the draft, or whole; another `turn` draws with other numbers. UsageError of a model
        that searches for its answers.
        """
        if self._at_once is not None:
            yield self.tokenizer.decode(self._at_once(params, [prompt], turn).tokens[0])
            return
        objective: Any = self.run.objective
        require(not objective.beams, "--chat writes while it draws, and a beam search does not: set next_token.beams=0")
        tokens, real = pad([prompt.tolist()])
        ids = jnp.zeros(1, jnp.uint32)
        keys = rng.rows(rng.stream(self.run.config.seed, "sample", turn), ids)
        text = codecs.getincrementaldecoder("utf-8")("replace")
        progress = self._read(params, tokens, real, {"id": ids})
        step = functools.partial(self._step, params, keys, room=tokens.shape[1] + self.length)
        for token, _ in stream(step, progress, self.length):
            if int(token[0]) < self.tokenizer.vocab:
                yield text.decode(self.tokenizer.pieces[int(token[0])])
        yield text.decode(b"", final=True)

    @functools.cached_property
    def _read(self):
        objective: Any = self.run.objective
        return jax.jit(functools.partial(objective.read, length=self.length, stop=self.stop))

    @functools.cached_property
    def _step(self):
        objective: Any = self.run.objective

        def step(params, keys, progress, room):
            return make_step(objective.decoder(params, room)[0], objective.rule, keys, self.stop)(progress)

        return jax.jit(step, static_argnames="room")


def can(run: Run) -> bool:
    """Whether a run's objective answers prompts."""
    return isinstance(run.objective, Completes) or (run.objective.generates and run.source.answer_room is not None)


def _drawn(evaluator: Evaluator, params: Params, prompts: Sequence[np.ndarray], turn: int = 0) -> Completed:
    """Answers that are drawn at once, each in a row of its own behind its prompt; UsageError where a prompt is too long for that."""
    source = evaluator.run.source
    room, width, lengths = source.answer_room, source.spec.shape[0], np.array([len(prompt) for prompt in prompts])[:, None]
    assert room is not None
    require(
        int(lengths.max()) + room <= width,
        f"a prompt of {lengths.max()} tokens and the {room} of its answer do not fit into a row of data.length={width}: shorten it",
    )
    place = np.arange(width)
    real, answer = place < lengths + room, (place >= lengths) & (place < lengths + room)
    tokens = np.stack([np.pad(prompt, (0, width - len(prompt))) for prompt in prompts]).astype(np.int32)
    given = {"tokens": tokens, "segment_ids": real.astype(np.int32), "positions": np.where(real, place, 0).astype(np.int32), "mask": ~answer}
    drawn = evaluator.draw(params, len(prompts), given=given, turn=turn)
    return Completed(said(drawn.data, answer, pairs.end_of(_tokenizer(source))), drawn.nfe, drawn.sequential_depth)


def draw(run: Run, params: Params, count: int, prompt: str) -> Drawn:
    """`count` answers to one prompt, as tokens int32 [count, length], filled up with the id that ends an answer."""
    tokenizer, answers = _tokenizer(run.source), Answers(run)
    found = answers.completed(params, [pairs.ask(tokenizer, (), prompt)] * count)
    longest = max(map(len, found.tokens))
    rows = [np.pad(row, (0, longest - len(row)), constant_values=pairs.end_of(tokenizer)) for row in found.tokens]
    return Drawn(np.stack(rows), None, found.nfe, found.sequential_depth)


def asked(dialogues: Sequence[Dialogue]) -> list[tuple[Sequence[Turn], Turn]]:
    """Every turn of the dialogues, after the turns before it."""
    return [(dialogue[:number], turn) for dialogue in dialogues for number, turn in enumerate(dialogue)]


def held_out(source: Source, count: int | None = None) -> tuple[list[np.ndarray], list[Turn]]:
    """The first `count` held-out prompts, or all: as tokens, and as text with the answers that are expected."""
    turns = asked(source.dialogues["eval"])[:count]
    return [pairs.ask(_tokenizer(source), before, turn.prompt, source.answer_room) for before, turn in turns], [turn for _, turn in turns]


def score(given: Sequence[str], expected: Sequence[str]) -> Scores:
    """Of answers, one for each that is expected."""
    from sacrebleu.metrics import BLEU, CHRF

    right = sum(mine.strip() == theirs.strip() for mine, theirs in zip(given, expected, strict=True))
    one, two, longest = (100 * float(part) for part in np.mean([rouge(*pair) for pair in zip(given, expected, strict=True)], axis=0))
    bleu, chrf = (metric.corpus_score(given, [expected]).score for metric in (BLEU(force=True), CHRF()))
    return Scores(bleu, chrf, 100 * right / len(expected), one, two, longest, _right_numbers(given, expected))


def final_number(answer: str) -> str | None:
    """What GSM8K takes for the result of an answer; None without one."""
    found = re.search(r"#### (-?[0-9.,]+)", answer)
    return found and found[1].replace(",", "")


def _right_numbers(given: Sequence[str], expected: Sequence[str]) -> float | None:
    numbers = [final_number(answer) for answer in expected]
    if None in numbers:
        return None
    return 100 * float(np.mean([final_number(mine) == theirs for mine, theirs in zip(given, numbers, strict=True)]))


def rouge(given: str, expected: str) -> tuple[float, float, float]:
    """ROUGE-1, ROUGE-2 and ROUGE-L of one answer, F measures in [0, 1]; 0 where one of the two has nothing to share."""
    mine, theirs = ([word.lower() for word in re.findall(r"\w+", side)] for side in (given, expected))

    def f_measure(shared: int, mine: int, theirs: int) -> float:
        return 2 * shared / (mine + theirs) if mine and theirs else 0.0

    def of_grams(n: int) -> float:
        counts = [collections.Counter(zip(*(words[i:] for i in range(n)), strict=False)) for words in (mine, theirs)]
        return f_measure((counts[0] & counts[1]).total(), counts[0].total(), counts[1].total())

    return of_grams(1), of_grams(2), f_measure(_common(mine, theirs), len(mine), len(theirs))


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(second) + 1)
    for word in first:
        before = row
        row = [0]
        for place, other in enumerate(second):
            row.append(before[place] + 1 if word == other else max(before[place + 1], row[-1]))
    return row[-1]


def baselines(source: Source, prompts: Sequence[str]) -> dict[str, list[str]]:
    """What the two translators without a network make of prompts."""
    word_for = _dictionary([turn for dialogue in source.dialogues["train"][:_LIMIT] for turn in dialogue])
    return {
        "the prompt itself": list(prompts),
        "the prompt word by word": [" ".join(word_for.get(word, word) for word in _words(prompt)) for prompt in prompts],
    }


def _dictionary(turns: Sequence[Turn]) -> dict[str, str]:
    """Equation (1)."""
    counts: tuple[collections.Counter, ...] = collections.Counter(), collections.Counter(), collections.Counter()
    for turn in turns:
        sides = [set(_words(side)) for side in turn]
        for counter, words in zip(counts, sides, strict=False):
            counter.update(words)
        counts[2].update((s, t) for s in sides[0] for t in sides[1])
    best: dict[str, tuple[float, str]] = {}
    for (s, t), together in counts[2].items():
        best[s] = max(best.get(s, (0.0, "")), (2 * together / (counts[0][s] + counts[1][t]), t))
    return {s: t for s, (_, t) in best.items()}


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text)


def _tokenizer(source: Source) -> Tokenizer:
    require(bool(source.dialogues) and source.tokenizer is not None, f"{source.spec.name} has no prompts with answers: use data.source=pairs:...")
    assert source.tokenizer is not None
    return source.tokenizer
