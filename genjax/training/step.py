"""One optimizer step as a pure function (state, batch) -> (state, metrics), for every objective.

Sums until the end: gradients of the summed loss are added over micro-batches and devices, and divided once by the summed weight. So
micro-batches of uneven weight, padded rows and any number of devices give the gradient of the full batch.

A step whose loss or gradient is not finite changes nothing but the count of steps: no parameter, average or moment ever meets its numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import optax

from genjax import rng
from genjax.objectives.base import Objective
from genjax.training import ema
from genjax.training.state import TrainState
from genjax.types import Array, Batch, Params, PyTree

Step = Callable[[TrainState, Batch], tuple[TrainState, dict[str, Array]]]


def make_train_step(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    *,
    seed: int,
    accumulation: int = 1,
    average: ema.Beta,
    tracked: Sequence[ema.Beta] = (),
    add_devices: Callable[[PyTree], PyTree] = lambda sums: sums,
) -> Step:
    """The step of an objective.

    Args:
      objective: what is learned.
      optimizer: from `training.optimizer`.
      seed: root of the step's randomness; the key of a step is a function of (seed, step).
      accumulation: micro-batches that a batch is cut into; the result does not depend on it, the memory does.
      average: beta of the parameter average, from `training.ema`.
      tracked: beta of each further average in the state.
      add_devices: adds sums over the devices where each runs this function on its own rows (`pmap`); nothing to do under `jit`.

    Returns:
      (state, batch) -> (state, metrics), with metrics as scalar means over the batch.
    """

    def summed_gradient(params: Params, batch: Batch, key) -> PyTree:
        def loss(params):
            sums = objective.loss(params, batch, key, train=True)
            return sums.loss, sums

        (_, sums), gradient = jax.value_and_grad(loss, has_aux=True)(params)
        return gradient, sums

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, Array]]:
        key = rng.stream(seed, "train", state.step)
        add = microbatched(lambda batch: summed_gradient(state.params, batch, key), accumulation)
        gradient, sums = add_devices(add(batch))
        gradient = jax.tree.map(lambda g: g / sums.weight, gradient)

        updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        followed = ema.update(state.ema, params, average(state.step))
        others = tuple(ema.update(old, params, beta(state.step)) for old, beta in zip(state.tracked, tracked, strict=True))

        metrics = {"loss": sums.loss / sums.weight, "gradient_norm": optax.global_norm(gradient)}
        metrics |= {name: total / weight for name, (total, weight) in sums.metrics.items()}
        finite = jnp.isfinite(metrics["loss"]) & jnp.isfinite(metrics["gradient_norm"])
        new = TrainState(state.step, params, followed, opt_state, others)
        kept = jax.tree.map(lambda new, old: jnp.where(finite, new, old), new, state)
        return kept.replace(step=state.step + 1), metrics

    return step


def microbatched(function: Callable[[Batch], PyTree], count: int) -> Callable[[Batch], PyTree]:
    """`function` of a batch that returns sums, computed on `count` parts one after the other and added.

    Rows are dealt out one by one, so that the rows of every part are spread over the same devices as those of the batch.
    """
    if count == 1:
        return function

    def added(batch: Batch) -> PyTree:
        parts = jax.tree.map(lambda x: jnp.swapaxes(x.reshape(x.shape[0] // count, count, *x.shape[1:]), 0, 1), batch)
        traced = jax.jit(function)  # once for the shapes of its sums and for the loop
        zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(traced, jax.tree.map(lambda x: x[0], parts)))
        total, _ = jax.lax.scan(lambda total, part: (jax.tree.map(jnp.add, total, traced(part)), None), zeros, parts)
        return total

    return added


def several(step: Step) -> Step:
    """The step over batches stacked [k, B, ...], as one program; metrics are stacked [k]."""
    return lambda state, batches: jax.lax.scan(step, state, batches)
