"""The probability flow with an adaptive step, on the device: Dormand-Prince 5(4), each sample with its own step size.

Coordinates: z = x/sqrt(alpha^2 + sigma^2), the variance-preserving state whatever the scaling, and tau = lambda/2. With a^2 = sigmoid(lambda)

    dz/dtau = a (D - a z),     D = x0_hat                                                                   (1)

which is small where nothing happens: at high noise D is small against a z and a is small too, so steps are long there.
A step of size h is accepted when the root mean square of (5th - 4th order)/(atol + rtol |z|) over the sample is at most 1, and
h <- h clip(0.9 error^(-1/5), 0.2, 10). The first step is 0.01 |z|/|dz| (Hairer, Norsett & Wanner, Solving ODEs I, II.4; the pair: II.5).
Evaluations of rejected steps are counted: they were paid for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from genjax.diffusion.process import Denoise, Process, alpha_sigma, bcast, inner
from genjax.registry import Positive
from genjax.types import Array, PyTree

_NODES = np.array([0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1])
_STAGES = np.array(
    [
        [0, 0, 0, 0, 0, 0, 0],
        [1 / 5, 0, 0, 0, 0, 0, 0],
        [3 / 40, 9 / 40, 0, 0, 0, 0, 0],
        [44 / 45, -56 / 15, 32 / 9, 0, 0, 0, 0],
        [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, 0, 0, 0],
        [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656, 0, 0],
        [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0],  # also the 5th-order result
    ]
)
_ERROR = np.array([71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40])


class Trajectory(NamedTuple):
    """The end of an integration: y (a tree of [B, ...]), and for each sample its drift evaluations and rejected steps [B]."""

    y: PyTree
    nfe: Array
    rejected: Array


class _State(NamedTuple):
    time: Array
    step: Array
    y: PyTree
    slope: PyTree
    nfe: Array
    rejected: Array
    attempts: Array


def integrate(
    drift: Callable[[PyTree, Array], PyTree],
    y: PyTree,
    start: float,
    end: float,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    max_attempts: int = 1000,
) -> Trajectory:
    """Solve dy/dt = drift(y, t) from `start` to `end`, in either direction.

    Args:
      drift: (tree of [B, ...], t [B]) -> the same tree; rows independent.
      y: tree of [B, ...] floating arrays of one type.
      rtol, atol: relative and absolute tolerance; in a tree every leaf must meet them.
      max_attempts: attempted steps after which a sample that has not arrived becomes NaN.
    """
    first_leaf = jax.tree.leaves(y)[0]
    batch, dtype = first_leaf.shape[0], first_leaf.dtype
    sign = 1.0 if end > start else -1.0
    nodes, stages, error_stage = (jnp.asarray(table, dtype) for table in (_NODES, _STAGES, _ERROR))

    def add(y, step, coefficients, slopes):
        """y + step * sum of coefficient * slope, with the slopes of a leaf stacked in front: [7, B, ...]."""

        def one_leaf(y, k):  # full precision: accelerators would multiply float32 in fewer bits
            return y + sign * bcast(step, y) * jnp.tensordot(coefficients, k, axes=1, precision="highest")

        return jax.tree.map(one_leaf, y, slopes)

    def rms(tree):
        """The largest root mean square of a leaf, [B]."""
        squares = [jnp.mean(v**2, axis=inner(v)) for v in jax.tree.leaves(tree)]
        return jnp.sqrt(jnp.max(jnp.stack(squares), axis=0))

    def relative(error, old, new):
        return error / (atol + rtol * jnp.maximum(jnp.abs(old), jnp.abs(new)))

    def choose(rows, new, old):
        return jax.tree.map(lambda n, o: jnp.where(bcast(rows, n), n, o), new, old)

    def attempt(state: _State) -> _State:
        remaining = jnp.abs(end - state.time)
        active = remaining > 0
        last = state.step >= remaining
        step = jnp.where(last, remaining, state.step)

        def stage(i, slopes):
            there = add(state.y, step, stages[i], slopes)
            slope = drift(there, state.time + sign * nodes[i] * step)
            return jax.tree.map(lambda all, one: all.at[i].set(one), slopes, slope)

        slopes = jax.tree.map(lambda k: jnp.zeros((7, *k.shape), k.dtype).at[0].set(k), state.slope)
        slopes = jax.lax.fori_loop(1, 7, stage, slopes)  # a loop, so that the drift is compiled once and not six times
        there = add(state.y, step, stages[-1], slopes)
        difference = add(jax.tree.map(jnp.zeros_like, state.y), step, error_stage, slopes)
        error = rms(jax.tree.map(relative, difference, state.y, there))
        accepted = active & (error <= 1)
        growth = jnp.clip(0.9 * jnp.maximum(error, 1e-10) ** -0.2, 0.2, 10.0)
        return _State(
            time=jnp.where(accepted, jnp.where(last, end, state.time + sign * step), state.time),
            step=jnp.where(active, step * growth, state.step),
            y=choose(accepted, there, state.y),
            slope=choose(accepted, jax.tree.map(lambda k: k[-1], slopes), state.slope),  # the last stage is the first of the next step
            nfe=state.nfe + 6 * active,
            rejected=state.rejected + (active & ~accepted),
            attempts=state.attempts + 1,
        )

    time = jnp.full(batch, start, dtype)
    slope = drift(y, time)
    step = jnp.clip(0.01 * rms(y) / jnp.maximum(rms(slope), 1e-10), 1e-3 * abs(end - start), abs(end - start))
    none = jnp.zeros(batch, jnp.int32)
    state = _State(time, step, y, slope, none + 1, none, jnp.int32(0))
    state = jax.lax.while_loop(lambda s: jnp.any(s.time != end) & (s.attempts < max_attempts), attempt, state)
    lost = jax.tree.map(lambda v: jnp.full_like(v, jnp.nan), state.y)
    return Trajectory(choose(state.time == end, state.y, lost), state.nfe, state.rejected)


def flow(denoise: Denoise, scaling: str) -> Callable[[Array, Array], Array]:
    """The drift (1): (z [B, ...], tau [B]) -> dz/dtau [B, ...]."""

    def drift(z: Array, tau: Array) -> Array:
        a = bcast(alpha_sigma(2 * tau, "vp")[0], z)
        return a * (denoise(z * bcast(norm(2 * tau, scaling), z), 2 * tau) - a * z)

    return drift


def norm(logsnr: ArrayLike, scaling: str) -> Array:
    """sqrt(alpha^2 + sigma^2), the x of a unit z; 1 for vp."""
    alpha, sigma = alpha_sigma(logsnr, scaling)
    return jnp.sqrt(alpha**2 + sigma**2)


class AdaptiveSolution(NamedTuple):
    """x [B, ...]; for each sample, calls of `denoise` and rejected steps [B]."""

    x: Array
    nfe: Array
    rejected: Array


def sample(
    denoise: Denoise,
    process: Process,
    x: Array,
    rtol: Positive = 1e-5,
    atol: Positive = 1e-5,
    final: Literal["denoise", "stop"] = "denoise",
) -> AdaptiveSolution:
    """The probability flow from x [B, ...] at logsnr_min, to x at logsnr_max ("stop") or to x0_hat there ("denoise")."""
    low, high = process.logsnr_min, process.logsnr_max
    end = integrate(flow(denoise, process.scaling), x / norm(low, process.scaling), low / 2, high / 2, rtol, atol)
    x = end.y * norm(high, process.scaling)
    if final == "denoise":
        return AdaptiveSolution(denoise(x, jnp.full(x.shape[:1], high, x.dtype)), end.nfe + 1, end.rejected)
    return AdaptiveSolution(x, end.nfe, end.rejected)
