"""The contract between what is learned and everything else.

An objective is a frozen dataclass of pure functions. The training loop, the evaluator, the scripts and the comparison know this protocol
and nothing else, so a new objective is one file, one line in `genjax.objectives.OBJECTIVES`, one config.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import flax.linen as nn
import jax
import jax.numpy as jnp

from genjax import rng
from genjax.config import require
from genjax.models.adapters import patch_grid
from genjax.models.captions import Captions, Sights
from genjax.models.trunk import Trunk
from genjax.types import Array, Batch, DataSpec, Key, Likelihood, LossSums, Params, PyTree, Samples, Work


class Objective(Protocol):
    """What is learned, as pure, jit-able functions of parameters and batches.

    `generates` tells whether `sample` draws data; a classifier's does not. `scores` tells whether `likelihood` gives one; a flow map's does not.
    """

    generates: ClassVar[bool]
    scores: ClassVar[bool]

    @classmethod
    def build(cls, config: Any, spec: DataSpec) -> Objective:
        """The objective of a config for data like `spec`; UsageError where the two do not fit."""

    def init(self, key: Key) -> Params:
        """Fresh parameters, each boxed with the logical names of its axes (flax `LogicallyPartitioned`)."""

    def loss(self, params: Params, batch: Batch, key: Key, *, train: bool) -> LossSums:
        """Sums over the rows of a batch; loss / weight is in nats a dimension or token, of objectives that score."""

    def likelihood(self, params: Params, batch: Batch, key: Key) -> Likelihood:
        """The negative log-likelihood of every row, of the kind that the objective can give; UsageError where it gives none."""

    def sample(self, params: Params, request: Batch, key: Key) -> Samples:
        """One new row for each row of the request, which has `id` and what the model is conditioned on; the same id gives the same row."""

    def work(self) -> Work:
        """What the loss of one example asks for: the ledger of a comparison is made from it."""

    def film(self, params: Params, batch: Batch, key: Key) -> dict[str, Array]:
        """How this objective works, as films in the units of the data: name -> frames [F, B, ...], of a batch and of samples like it."""


# What an objective may ask for when a training begins. Load: (a run's directory, the shapes of its parameters) -> its averaged parameters.
# Rows: n -> a batch of at most n training examples, spread evenly over the split.
Load = Callable[[str, PyTree], Params]
Rows = Callable[[int], Batch]


@runtime_checkable
class Inherits(Protocol):
    """An objective whose parameters are not all made by `init`: some are another run's, or measured on the data."""

    def inherit(self, load: Load, rows: Rows) -> Params:
        """Top-level entries of the parameters, in the place of those of `init`; {} where there are none."""


@runtime_checkable
class Says(Protocol):
    """An objective that learns the captions with the data: its likelihood is that of both, with the terms `words` and `picture` (given the words);
    of rows of several arrays with one for each, by its name.
    """

    def say(self, params: Params, request: Batch, key: Key) -> tuple[Array, Any]:
        """Captions int32 [B, S] that are drawn for the rows of a request, padded, and what each costs."""


@runtime_checkable
class Describes(Protocol):
    """An objective that may have learned to say what there is to say of data."""

    @property
    def describes(self) -> bool:
        """Whether it has."""
        ...

    def describe(self, params: Params, request: Batch, key: Key) -> Samples:
        """Captions int32 [B, S] of the data in a request, padded."""
        ...


def trunk_from(config: Any) -> Trunk:
    """The shared trunk of a config, whose fields have the trunk's names."""
    names = [field.name for field in dataclasses.fields(Trunk) if field.name not in ("ordered", "parent", "name")]
    return Trunk(**{name: getattr(config.model, name) for name in names}, parent=None)


def patches_from(sizes: tuple[int, ...], shape: tuple[int, ...], field: str) -> tuple[int, ...]:
    """The sizes of patches of arrays [*axes, C] that a config field gives; UsageError where there are no such patches."""
    axes = "x".join(map(str, shape[:-1]))
    require(
        patch_grid(shape, sizes) is not None,
        f"arrays of {axes} are not divisible into patches of {'x'.join(map(str, sizes))}: set {field} to one divisor of all, or to one for each axis",
    )
    return sizes


def classes_from(config: Any, spec: DataSpec) -> int:
    """How many classes a model is conditioned on; UsageError where guidance asks for classes or captions and there are none."""
    classes = spec.num_classes if config.conditioning.label else 0
    alone, told = config.sample.guide is None, classes > 0 or config.conditioning.text != NO_TEXT
    require(told or config.sample.guidance_scale == 1.0 or not alone, f"sample.guidance_scale needs classes, and {spec.name} has none: set it to 1")
    return classes


NO_TEXT, TOKENS = "none", "tokens"


def captions_from(config: Any, spec: DataSpec, *, causal: bool) -> Captions | Sights | None:
    """What becomes of captions, whose words see only those before them or all of each other; None without `conditioning.text`.

    UsageError where there are no captions, or a window would hide them.
    """
    text = config.conditioning.text
    if text == NO_TEXT:
        return None
    require(spec.words > 0 or bool(spec.shown), f"conditioning.text={text}, but {spec.name} has no captions: set it to {NO_TEXT}")
    require(
        text != TOKENS or config.model.positions == "rotary", f"conditioning.text={text}: words have no learned positions; set model.positions=rotary"
    )
    require(text != TOKENS or config.model.window is None, "model.window hides a prefix from what is far from it: set it to None, or text=cross")
    if not spec.shown:
        return Captions(spec.words, config.model.width, text, causal, parent=None)
    require(text == TOKENS, f"conditioning.text={text}, but what {spec.name} is about are no words: set it to {TOKENS}")
    sizes = sights_from(config.conditioning.shown_patches, [kind.shape for kind in spec.shown], spec.name)
    return Sights(spec.shown, sizes, config.model.width, parent=None)


def sights_from(written: str, shapes: Sequence[tuple[int, ...]], name: str) -> tuple[tuple[int, ...], ...]:
    """The sizes of patches of every kind of array [*axes, C] that the data `name` show, written "32; 1,4,4"; UsageError where there are none such."""
    field = "conditioning.shown_patches"
    each = [[part.strip() for part in kind.split(",")] for kind in written.split(";")]
    numbers = all(part.isdecimal() and int(part) > 0 for kind in each for part in kind)
    require(numbers, f"{field}='{written}': write one number or one for each axis, and ; between kinds of arrays, as in 32; 1,4,4")
    require(len(each) == len(shapes), f"{field}='{written}' is of {len(each)} kinds of arrays, and {name} shows {len(shapes)}")
    return tuple(patches_from(tuple(map(int, sizes)), shape, field) for sizes, shape in zip(each, shapes, strict=True))


def no_caption(spec: DataSpec) -> Array:
    """The caption int32 [1, S] of a row that has none."""
    return jnp.zeros((1, max(1, spec.caption_length)), jnp.int32)


def refuse_captions(config: Any) -> None:
    """UsageError where a config asks for captions, of an objective that reads none."""
    text = config.conditioning.text
    require(text == NO_TEXT, f"conditioning.text={text}, but objective={config.objective} reads no captions: set it to {NO_TEXT}")


def base_label(config: Any, classes: int) -> int:
    """The label that guidance leads away from: `sample.negative_label`, or "no class"; UsageError where there is no such class."""
    negative = config.sample.negative_label
    require(
        negative is None or negative < classes,
        f"sample.negative_label={negative}, but " + (f"the classes are 0 to {classes - 1}" if classes else "the model knows no classes"),
    )
    return classes if negative is None else negative


def boxed(params: dict[str, Array], axis: str) -> Params:
    """Vectors of parameters, each with the logical name of its one axis."""
    return jax.tree.map(lambda leaf: nn.LogicallyPartitioned(leaf, (axis,)), params)


class Given(NamedTuple):
    """What rows are conditioned on, each None where they have none: label int32 [B], caption int32 [B, S]."""

    label: Array | None
    caption: Array | None

    @classmethod
    def of(cls, batch: Batch) -> Given:
        """That of a batch or of a request."""
        return cls(batch.get("label"), batch.get("caption"))

    def instead(self, label: int) -> Given:
        """The same class for every row, "no class" for instance, and no words."""
        return Given(None if self.label is None else jnp.full_like(self.label, label), None if self.caption is None else jnp.zeros_like(self.caption))


def request_of(batch: Batch) -> Batch:
    """What a sample is asked for with: the batch without the data."""
    return {name: batch[name] for name in ("id", "label", "caption") if name in batch}


def hide(given: Given, num_classes: int, rate: float, keys: Key) -> Given:
    """Conditions of rows with each replaced by "no class" and no words with probability `rate`; the one place where a condition is hidden."""
    if rate == 0.0:
        return given
    hidden = rng.uniform(keys) < rate
    choose = lambda none, some: jnp.where(hidden.reshape(-1, *[1] * (some.ndim - 1)), none, some)
    return jax.tree.map(choose, given.instead(num_classes), given)
