"""The few records that cross a boundary between packages.

Sums until the end: a loss and a likelihood are un-normalised sums with their weights, so that micro-batches, padded batches and
devices add up exactly, for every objective. A number carries its protocol: a likelihood knows its kind and its error, a sample its cost.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array
PyTree = Any
Params = PyTree
Key = Array  # a typed key of jax.random.key
Batch = dict[str, Array]

# The keys of a batch mean the same to every objective; B is the number of rows.
#   image   [B, H, W, C]  integer levels in [0, spec.levels)
#   array   [B, *axes, C] the same of any number of axes: sound [T, 1], points [N, 2], frames of a film [F, H, W, C]
#   tokens  [B, T]        integer ids in [0, spec.levels); [B, h, w] where they lie in a plane, read row by row
#   codes   [B, h, w]     the picture of `image` as numbers of a lossless code book, beside it
#   caption [B, T']       ids of words that describe the row, padded with 0; or arrays that the row is about (`DataSpec.shown`)
#   label   [B]           integer class in [0, spec.num_classes); spec.num_classes itself stands for "no class"
#   id      [B] uint32    the row's position in the data stream: every random number of a row is keyed by it, so that a row meets the
#                         same noise in any micro-batch, on any device and in any compile mode
#   weight  [B] float32   1 for a row, 0 for the padding of a last, partial batch
#
# Rows of text have more, and `objectives.sequences` gives the others their defaults (a grid, one segment, all of it supervised):
#   segment_ids  [B, T] int32    0 is padding; 1, 2, ... are the documents, or pieces of documents, that lie in the row one after the other
#   positions    [B, T] int32    0, 1, 2, ... from the beginning of each segment
#   loss_mask    [B, T] float32  1 where a token is supervised; 0 for padding and for tokens that are only there as context
#   num_units    [B] float32     raw units (bytes of UTF-8 text) that the supervised tokens stand for: counted in the text, never in tokens
# `tokens` are what is to be predicted. What a model is given to predict them is its objective's affair.

LikelihoodKind = Literal["exact", "upper_bound", "estimate"]


class Shown(NamedTuple):
    """A kind of array that rows can be about: of a caption, int32 [B, T'], so many values, level + 1 of each, or 0 for all where it is not shown."""

    shape: tuple[int, ...]  # (*axes, C)
    levels: int


class Book(NamedTuple):
    """What tokens stand for: `points`, for each a tuple of D integers in [0, levels)."""

    points: tuple[tuple[int, ...], ...]
    levels: int


@dataclasses.dataclass(frozen=True)
class DataSpec:
    """What one example of a data set is: an array of integer levels under one batch key.

    Attributes:
      name: the data source as the config names it.
      key: the batch key that holds the array, "image", "array" or "tokens".
      shape: the shape of one example, [H, W, C] or [*axes, C], or [T] or [h, w].
      levels: every value is an integer in [0, levels).
      num_classes: labels are integers in [0, num_classes); 0 when there are none.
      train_size, eval_size: examples in each split.
      unit: what a likelihood is counted in, "dim" for values of the array or, for text, "byte", whatever the tokens are, or "answer".
      prompted: every segment of a row begins with a prompt, which is not supervised; the token that ends it is levels - 1, and the one that
        ends an answer is levels - 2.
      words: captions are of word numbers in [0, words), and 0 is padding; 0 when there are none.
      caption_length: words of the longest caption, or values of all that is shown.
      shown: the arrays that a caption shows, one after the other, where it is not of words.
      palette: the only colours that pixels of an image show, as tuples of C levels; empty when any can be.
      book: what tokens stand for; None where they are names, or numbers of a book that is not told.
      parts: what the arrays are that lie one after the other in an `array` [N, 1]; empty where a row is one array.
    """

    name: str
    key: Literal["image", "array", "tokens"]
    shape: tuple[int, ...]
    levels: int
    num_classes: int
    train_size: int
    eval_size: int
    unit: str = "dim"
    prompted: bool = False
    words: int = 0
    caption_length: int = 0
    shown: tuple[Shown, ...] = ()
    palette: tuple[tuple[int, ...], ...] = ()
    book: Book | None = None
    parts: tuple[DataSpec, ...] = ()

    @property
    def ordered(self) -> bool:
        """Values are steps on a line, with distances between them; tokens are names."""
        return self.key != "tokens"

    @property
    def num_dims(self) -> int:
        """Values in one example: the denominator of "per dimension"."""
        return math.prod(self.shape)

    @property
    def slug(self) -> str:
        """The name as one word, for files and parameters."""
        return re.sub(r"\W+", "_", self.name)

    @property
    def arrays(self) -> tuple[DataSpec, ...]:
        """What the arrays of a row are: its parts, or itself."""
        return self.parts or (self,)

    def split(self, rows: Any) -> list[Any]:
        """The arrays [n, *shape] of the parts of rows [n, N, 1], in their order; rows that are one array as they are."""
        if not self.parts:
            return [rows]
        ends = [0, *itertools.accumulate(part.num_dims for part in self.parts)]
        return [rows[:, begin:end].reshape(-1, *part.shape) for part, (begin, end) in zip(self.parts, itertools.pairwise(ends), strict=True)]

    def join(self, arrays: Sequence[Any]) -> Any:
        """The inverse of `split`."""
        if not self.parts:
            return arrays[0]
        flat = [array.reshape(array.shape[0], -1, 1) for array in arrays]
        return (jnp if isinstance(arrays[0], jax.Array) else np).concatenate(flat, axis=1)


class LossSums(NamedTuple):
    """Sums over the rows of a batch; `loss / weight` is the mean that is differentiated.

    Attributes:
      loss: scalar, sum of weighted per-example losses.
      weight: scalar, sum of the weights.
      metrics: name -> (sum, weight), each a scalar.
    """

    loss: Array
    weight: Array
    metrics: dict[str, tuple[Array, Array]]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Likelihood:
    """Negative log-likelihood of each row, and what may be said of it.

    Attributes:
      nats: [B] negative log-likelihood (or its bound) in nats.
      units: [B] number of units (dimensions, bytes, samples) that the nats are for.
      stderr: [B] standard error of the row's own Monte-Carlo estimate; 0 where nothing was sampled.
      terms: name -> [B] the parts that nats is the sum of.
      kind: "exact", "upper_bound" (in expectation never below the exact value) or "estimate".
      unit: what `units` counts, for people: the data's own unit (`DataSpec.unit`), or "label" for a class.
    """

    nats: Array
    units: Array
    stderr: Array
    terms: dict[str, Array]
    kind: LikelihoodKind = dataclasses.field(metadata={"static": True})
    unit: str = dataclasses.field(default="dim", metadata={"static": True})


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Cost:
    """What one sample costs.

    Attributes:
      nfe: network evaluations (a guided step counts two, one that checks a draft counts as one).
      sequential_depth: network evaluations that must wait for one another.
    """

    nfe: Array | int
    sequential_depth: Array | int


class Work(NamedTuple):
    """What the loss of one example asks for, as far as it can be told from the objective; accounts of a training are made from it.

    Attributes:
      positions: positions of the shared trunk that are processed; 0 where the network is another.
      visible: the share of (query, key) pairs that attention may see: 1 without a mask, (T + 1) / 2T when causal.
      targets: values of the data that the loss supervises, in expectation. Masked positions that are not predicted do not count.
    """

    positions: int
    visible: float
    targets: float


class Samples(NamedTuple):
    """Generated rows in the units of the data (integer levels), and what each of them cost."""

    data: PyTree
    cost: Cost
