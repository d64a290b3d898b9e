"""What a model has to beat: nothing learnt, and the best that needs no network.

The histogram takes every dimension to be independent of the others (given the class): a table of counts with a little added to each,

    p(x_i = k | y) = (n_i,k,y + a) / (n_i,y + a * levels)                                           (1)

with the constant a that is best on the training split by leaving one example out: nothing is tuned on held-out data.

Text and answers have the frequencies of their tokens wherever they stand, in the same way with one token left out, and text what gzip, bzip2 and
xz make of the held-out bytes by themselves.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import math
from typing import NamedTuple

import numpy as np

from genjax.data.base import Arrays, Rows
from genjax.data.sources import Source
from genjax.data.tokenizers import Tokenizer
from genjax.evaluation.statistics import bits_per_unit

SMOOTHING = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
COMPRESSORS = {"gzip -9": gzip.compress, "bzip2 -9": bz2.compress, "xz -9": lambda raw: lzma.compress(raw, preset=9)}
_LIMIT = 20_000  # training examples that are counted; more change no digit that is shown


class Baseline(NamedTuple):
    """Bits a unit on the held-out split, with its standard error."""

    name: str
    value: float
    stderr: float


def table(source: Source, examples: int | None = None) -> list[Baseline]:
    """The baselines of a data set on its first `examples` held-out rows (None: all), as models are measured; the histograms only where an example is
    small enough for a table of counts.
    """
    spec, held_out = source.spec, first(source.splits["eval"], examples)
    if source.tokenizer is not None:
        return text_table(source, source.tokenizer, held_out)
    if "loss_mask" in held_out:  # not every value is predicted
        return token_table(source, held_out)
    levels = " and ".join(str(part.levels) for part in spec.arrays)
    uniform = sum(part.num_dims * math.log2(part.levels) for part in spec.arrays) / spec.num_dims
    baselines = [Baseline(f"uniform over {levels} levels", uniform, 0.0)]
    if spec.num_dims * spec.levels * max(1, spec.num_classes) <= 50_000_000:
        baselines.append(histogram(source, held_out, by_class=False))
        if spec.num_classes:
            baselines.append(histogram(source, held_out, by_class=True))
    return baselines


def text_table(source: Source, tokenizer: Tokenizer, held_out: Arrays) -> list[Baseline]:
    """Bits a byte of text."""
    raw = b"".join(tokenizer.pieces[token] for token in held_out["tokens"][held_out["loss_mask"] > 0] if token < tokenizer.vocab)
    pressed = {name: 8 * len(press(raw)) / len(raw) for name, press in COMPRESSORS.items()}
    return token_table(source, held_out) + [Baseline(f"{name}, of the held-out text by itself", bits, 0.0) for name, bits in pressed.items()]


def token_table(source: Source, held_out: Arrays) -> list[Baseline]:
    """Bits a unit of the supervised tokens of rows."""
    train, scored, units = source.splits["train"], held_out["loss_mask"] > 0, held_out["num_units"].astype(np.float64)
    seen = train.rows(np.arange(min(len(train), _LIMIT)))
    counts = np.bincount(seen["tokens"][seen["loss_mask"] > 0], minlength=source.spec.levels)
    nats = _unigram(counts)[held_out["tokens"]]
    known = bits_per_unit(np.where(scored, nats, 0).sum(axis=1), units, np.zeros(len(units)), {}, "exact", source.spec.unit)
    return [
        Baseline(f"uniform over {source.spec.levels} tokens", math.log2(source.spec.levels) * scored.sum() / units.sum(), 0.0),
        Baseline("frequency of each token", known.value, known.stderr),
    ]


def _unigram(counts: np.ndarray) -> np.ndarray:
    """-log p of each token, from how often it was seen."""

    def nats(smoothing: float, left_out: int) -> np.ndarray:
        total = counts.sum() - left_out + smoothing * len(counts)
        return math.log(total) - np.log(np.maximum(counts - left_out, 0) + smoothing)

    return nats(min(SMOOTHING, key=lambda smoothing: counts @ nats(smoothing, 1)), 0)


def first(rows: Rows, examples: int | None = None) -> Arrays:
    """So many rows of a split, or all."""
    return rows.rows(np.arange(len(rows) if examples is None else min(examples, len(rows))))


def histogram(source: Source, held_out: Arrays, *, by_class: bool) -> Baseline:
    """Equation (1), with or without the class, on held-out examples."""
    spec = source.spec
    train, measured = _values(source, first(source.splits["train"], _LIMIT), by_class), _values(source, held_out, by_class)
    # Examples without a class, labelled num_classes, are a class of their own here.
    counts = np.zeros((spec.num_classes + 1 if by_class else 1, spec.num_dims, spec.levels), np.int32)
    values, label = train
    np.add.at(counts, (label[:, None], np.arange(spec.num_dims)[None, :], values), 1)
    smoothing = min(SMOOTHING, key=lambda a: _nats(counts, *train, a, leave_out=1).mean())
    nats = _nats(counts, *measured, smoothing, leave_out=0)
    bits = bits_per_unit(nats, np.full(len(nats), spec.num_dims), np.zeros(len(nats)), {}, "exact")
    return Baseline(f"histogram of each dimension{' given the class' if by_class else ''}", bits.value, bits.stderr)


def _nats(counts: np.ndarray, values: np.ndarray, label: np.ndarray, smoothing: float, *, leave_out: int) -> np.ndarray:
    """-log p of every example [n]; leave_out=1 takes the example itself out of the counts."""
    seen = counts[label[:, None], np.arange(values.shape[1])[None, :], values] - leave_out
    total = counts.sum(axis=-1)[label] - leave_out
    return -np.sum(np.log(seen + smoothing) - np.log(total + smoothing * counts.shape[-1]), axis=-1)


def _values(source: Source, arrays: Arrays, by_class: bool) -> tuple[np.ndarray, np.ndarray]:
    values = arrays[source.spec.key].reshape(-1, source.spec.num_dims)
    return values, arrays["label"] if by_class else np.zeros(len(values), np.int32)
