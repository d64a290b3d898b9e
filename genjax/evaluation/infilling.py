"""What stands between two texts: filled in by whatever model sees both sides, and measured on gaps in held-out text.

A model that writes from left to right is asked with the suffix first (`data.infilling`), and ends where it sees fit; another fills in a gap of known
length. So what the end costs the first is told apart from (1), and of either as many tokens as the gap has are held against the text. One that was
never shown text in that order reads only what is before a gap: what the suffix is worth is the difference.

    bits a byte = sum over gaps of -log2 p(middle | prefix, suffix) / bytes of the middles          (1)
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from genjax.config import require
from genjax.data import infilling
from genjax.data.base import ArrayRows, Arrays
from genjax.evaluation.evaluator import Drawn, Evaluator
from genjax.evaluation.statistics import Bits, Share, share
from genjax.evaluation.texts import Completes, Completions
from genjax.training.setup import Run
from genjax.types import Params

_SHOWN = 5  # gaps in a record
_PLACES = 20221122  # seed of where the gaps are: the same for every model of the same text


class Gaps(NamedTuple):
    """Rows as `types.Batch` has them, each one text with at least MARKS empty places behind it, and the gap [start, stop) of each, int [n]."""

    rows: Arrays
    start: np.ndarray
    stop: np.ndarray


class Filled(NamedTuple):
    """What is measured.

    Attributes:
      bits: equation (1).
      end: bits a gap that it takes to tell where the middle ends, by a model that is not told; else None.
      before: the bits of (1) given the prefix alone, by a model that can be asked in both ways; else None.
      exact: how often a middle is written to the letter.
      texts: (prefix, middle, suffix, what was written) of the first gaps.
    """

    bits: Bits
    end: float | None
    before: Bits | None
    exact: Share
    texts: list[tuple[str, str, str, str]]


def suffix_first(run: Run) -> bool:
    """Whether a run's model is asked with the suffix first."""
    return run.source.marks is not None and isinstance(run.objective, Completes)


def between(evaluator: Evaluator, params: Params, count: int, prefix: np.ndarray, suffix: np.ndarray, length: int) -> Drawn:
    """`count` texts of at most `length` tokens, or of just as many, between a prefix and a suffix: int32 [count, length], filled up with an end.

    Of sides that do not fit into a row, what is near the gap is seen.

    Raises:
      UsageError: the model sees no suffix, or no room is left for one.
    """
    run = evaluator.run
    room = run.source.spec.shape[0] - infilling.MARKS - length
    require(run.source.tokenizer is not None and not run.source.dialogues, f"--suffix: {run.source.spec.name} is no running text")
    require(
        suffix_first(run) or not isinstance(run.objective, Completes),
        "--suffix: this model writes from left to right and was never shown text with the suffix first; train it with data.middle=0.5",
    )
    require(room > 0, f"a gap of {length} tokens leaves no room in a row of {run.source.spec.shape[0]}: set a smaller sample.length")
    after = min(len(suffix), max(room // 2, room - len(prefix)))
    prefix, suffix = prefix[max(0, len(prefix) - room + after) :], suffix[:after]
    width = len(prefix) + length + len(suffix)
    tokens = np.zeros((1, run.source.spec.shape[0]), np.int32)
    tokens[0, :width] = np.concatenate([prefix, np.zeros(length), suffix])
    rows = {"tokens": tokens, "segment_ids": (np.arange(tokens.shape[1]) < width).astype(np.int32)[None]}
    rows = {name: np.repeat(array, count, axis=0) for name, array in rows.items()}
    start = np.full(count, len(prefix))
    return fill(evaluator, params, Gaps(rows, start, start + length), length)


def fill(evaluator: Evaluator, params: Params, gaps: Gaps, length: int, *, ends: bool = True) -> Drawn:
    """What a model writes into gaps, int32 [n, length]; one that `ends` where it sees fit writes at most `length` tokens, filled up with the end."""
    run, tokens = evaluator.run, gaps.rows["tokens"]
    if suffix_first(run):
        marks: Any = run.source.marks
        upto = np.sum(gaps.rows["segment_ids"], axis=1)
        sides = [infilling.asked(row[:a], row[b:end], marks) for row, a, b, end in zip(tokens, gaps.start, gaps.stop, upto, strict=True)]
        found = Completions(run, length, stop=((marks.end,),) if ends else ())(params, sides)
        written = [np.pad(row, (0, length - len(row)), constant_values=marks.end) for row in found.tokens]
        return Drawn(np.stack(written), None, found.nfe, found.sequential_depth)
    at = np.arange(tokens.shape[1])
    known = (at < gaps.start[:, None]) | (at >= gaps.stop[:, None])
    given = {"tokens": tokens, "mask": known, "segment_ids": gaps.rows["segment_ids"]}
    drawn = evaluator.draw(params, len(tokens), given=given)
    return drawn._replace(data=np.stack([row[a:b] for row, a, b in zip(drawn.data, gaps.start, gaps.stop, strict=True)]))


def gaps_in(run: Run, count: int, length: int) -> Gaps:
    """Gaps of `length` tokens anywhere in `count` held-out rows that are spread over the split; UsageError where there are no such rows.

    A row ends anywhere in its last quarter, or with the gap, so that no model can count where a middle ends.
    """
    source = run.source
    require(source.tokenizer is not None and not source.dialogues, f"--gap: {source.spec.name} is no running text")
    width = source.spec.shape[0] - infilling.MARKS
    require(0 < length <= width, f"--gap={length}: a row of {width} tokens has no such gap")
    held_out = source.splits["eval"]
    rows = held_out.rows(np.arange(len(held_out)))
    whole = np.flatnonzero((rows["segment_ids"][:, :width] == 1).all(axis=1))
    require(len(whole) > 0, f"--gap: no held-out row of {source.spec.name} is one text of {width} tokens")
    chosen = np.unique(whole[np.linspace(0, len(whole) - 1, count).astype(int)])
    where, ends = np.random.default_rng(_PLACES).random((2, len(chosen)))
    start = np.floor(where * (width - length + 1)).astype(np.int64)
    end = np.maximum(start + length, width - np.floor(ends * (width // 4 + 1)).astype(np.int64))
    rows = {name: array[chosen].copy() for name, array in rows.items()}
    for name in ("tokens", "segment_ids", "positions"):
        rows[name] *= np.arange(rows[name].shape[1]) < end[:, None]
    return Gaps(rows, start, start + length)


def measure(evaluator: Evaluator, params: Params, count: int, length: int) -> Filled:
    """Equation (1), and how often a gap is filled in to the letter, on `count` gaps of `length` tokens."""
    run, gaps = evaluator.run, gaps_in(evaluator.run, count, length)
    tokenizer: Any = run.source.tokenizer
    sizes = np.pad(tokenizer.sizes, (0, run.source.spec.levels - tokenizer.vocab))
    ends = np.sum(gaps.rows["segment_ids"], axis=1)
    rows, before, end = infilling.only_gap(gaps.rows, gaps.start, gaps.stop, sizes), None, None
    if suffix_first(run):
        before = _bits(run, params, rows)
        marks: Any = run.source.marks
        asked = infilling.as_asked(rows, gaps.stop, ends, marks)
        before_end = ends[:, None] + infilling.MARKS - 1 - np.arange(asked["tokens"].shape[1])
        asked["segment_ids"] = np.where(before_end >= 0, 1, 0).astype(np.int32)
        of_end = asked | {"loss_mask": (before_end == 0).astype(np.float32), "num_units": np.ones(len(ends), np.float32)}
        end = _bits(run, params, of_end).value
        rows = asked | {"loss_mask": ((before_end >= 1) & (before_end <= length)).astype(np.float32)}
    bits = _bits(run, params, rows)

    drawn = fill(evaluator, params, gaps, length, ends=False)
    expected = [row[a:b] for row, a, b in zip(gaps.rows["tokens"], gaps.start, gaps.stop, strict=True)]
    exact = [tokenizer.raw(mine) == tokenizer.raw(theirs) for mine, theirs in zip(drawn.data, expected, strict=True)]
    sides = [(row[:a], row[b:end]) for row, a, b, end in zip(gaps.rows["tokens"], gaps.start, gaps.stop, ends, strict=True)]
    shown = [(before, middle, after, mine) for (before, after), middle, mine in zip(sides, expected, drawn.data, strict=True)][:_SHOWN]
    return Filled(bits, end, before, share(np.array(exact)), [tuple(map(tokenizer.decode, parts)) for parts in shown])


def _bits(run: Run, params: Params, rows: Arrays) -> Bits:
    source = dataclasses.replace(run.source, splits={**run.source.splits, "eval": ArrayRows(rows)})
    return Evaluator(dataclasses.replace(run, source=source)).bits(params)


def record(filled: Filled) -> dict[str, Any]:
    """The measurement as JSON."""
    names = ("prefix", "middle", "suffix", "given")
    bits = {"bits_per_byte": filled.bits} | ({} if filled.before is None else {"bits_per_byte_before": filled.before})
    told = {name: {key: getattr(each, key) for key in ("value", "stderr", "kind", "examples")} for name, each in bits.items()}
    told |= {} if filled.end is None else {"bits_of_end": filled.end}
    return told | {"exact_match": filled.exact._asdict(), "first": [dict(zip(names, texts, strict=True)) for texts in filled.texts]}


def lines(filled: Filled) -> list[str]:
    """The measurement for people."""
    bits, end, before, exact = filled.bits, filled.end, filled.before, filled.exact
    share = f"{100 * exact.value:.1f} % [{100 * exact.low:.1f}, {100 * exact.high:.1f}]"
    told = [f"  {bits.examples:,} gaps in held-out text: {share} filled in to the letter"]
    told.append(f"    bits/byte of the middle {bits.value:.4f} ± {bits.stderr:.4f}   {bits.kind.replace('_', ' ')}")
    told += [] if end is None else [f"    bits a gap to tell where it ends {end:.2f}"]
    return told + ([] if before is None else [f"      given only its prefix   {before.value:.4f} ± {before.stderr:.4f}"])
