"""The contract between what is learned and everything else.

An objective is a frozen dataclass of pure functions. The training loop, the evaluator, the scripts and the comparison know this protocol
and nothing else, so a new objective is one file, one line in `genjax.objectives.OBJECTIVES`, one config.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol, runtime_checkable

import jax.numpy as jnp

from genjax import rng
from genjax.config import require
from genjax.models.trunk import Trunk
from genjax.types import Array, Batch, DataSpec, Key, Likelihood, LossSums, Params, PyTree, Samples


class Objective(Protocol):
    """What is learned, as pure, jit-able functions of parameters and batches.

    `generates` tells whether `sample` draws data; a classifier's does not.
    """

    generates: ClassVar[bool]

    @classmethod
    def build(cls, config: Any, spec: DataSpec) -> Objective:
        """The objective of a config for data like `spec`; UsageError where the two do not fit."""

    def init(self, key: Key) -> Params:
        """Fresh parameters, each boxed with the logical names of its axes (flax `LogicallyPartitioned`)."""

    def loss(self, params: Params, batch: Batch, key: Key, *, train: bool) -> LossSums:
        """Sums over the rows of a batch; loss / weight is in nats a dimension."""

    def likelihood(self, params: Params, batch: Batch, key: Key) -> Likelihood:
        """The negative log-likelihood of every row, of the kind that the objective can give."""

    def sample(self, params: Params, request: Batch, key: Key) -> Samples:
        """One new row for each row of the request, which has `id` and, with classes, `label`; the same id gives the same row."""

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


def trunk_from(config: Any) -> Trunk:
    """The shared trunk of a config."""
    return Trunk(**config.model, parent=None)


def classes_from(config: Any, spec: DataSpec) -> int:
    """How many classes a model is conditioned on; UsageError where guidance asks for classes and there are none."""
    classes = spec.num_classes if config.conditioning.label else 0
    require(classes > 0 or config.sample.guidance_scale == 1.0, f"sample.guidance_scale needs classes, and {spec.name} has none: set it to 1")
    return classes


def hide_labels(label: Array | None, num_classes: int, rate: float, keys: Key) -> Array | None:
    """Labels [B] with each replaced by `num_classes`, "no class", with probability `rate`; the one place where a class is hidden."""
    if label is None or not num_classes or rate == 0.0:
        return label
    hidden = rng.uniform(keys) < rate
    return jnp.where(hidden, num_classes, label)
