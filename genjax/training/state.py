"""What a training run carries from step to step, and how it is made and laid out. No random key is part of it (see `genjax.rng`)."""

from __future__ import annotations

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import optax

from genjax import rng
from genjax.objectives.base import Objective
from genjax.types import Array, Params, PyTree


@flax.struct.dataclass
class TrainState:
    """step: int32 scalar, optimizer steps taken. params, ema: the parameters and their running average. opt_state: optax's.
    tracked: further averages, whose snapshots make others after the training (`training.snapshots`).
    """

    step: Array
    params: Params
    ema: Params
    opt_state: PyTree
    tracked: tuple[Params, ...] = ()


def logical_axes(objective: Objective) -> PyTree:
    """The names of every parameter's axes, as a tuple in the parameter's place; nothing is computed."""
    boxed = jax.eval_shape(objective.init, rng.stream(0, "init"))
    return jax.tree.map(lambda box: box.names, boxed, is_leaf=lambda leaf: isinstance(leaf, nn.LogicallyPartitioned))


def create(objective: Objective, optimizer: optax.GradientTransformation, seed: int, tracked: int = 0, inherited: Params | None = None) -> TrainState:
    """A fresh state with `tracked` further averages; pure, so that it can be compiled with the shardings it is to have.

    `inherited` replaces top-level entries of the parameters.
    """
    params = {**nn.unbox(objective.init(rng.stream(seed, "init"))), **(inherited or {})}
    # Every average is a copy of its own: the state is donated to every step, and a buffer cannot be given away twice.
    ema, *others = (jax.tree.map(jnp.copy, params) for _ in range(1 + tracked))
    return TrainState(jnp.zeros((), jnp.int32), params, ema, optimizer.init(params), tuple(others))
