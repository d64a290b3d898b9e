"""Flow maps: where the probability flow takes a noisy point, learned without walking there.

The probability flow carries the points of one noise level to those of another. Two ways to learn that map from pairs (x0, eps) alone:

*Consistency* (arXiv:2303.01469, 2310.14189, 2406.14548), in y = x/alpha and s = sigma/alpha:

    f(y, s) is the end, at s_min, of the flow through y at s                                                (1)
    f = c_skip y + c_out F,  c_skip = sd^2/((s - s_min)^2 + sd^2),  c_out = sd (s - s_min)/sqrt(s^2 + sd^2) (2)
    loss = E[ d(f(x0 + s eps, s) - sg f(x0 + r eps, r)) / (s - r) ],   r < s                                (3)

    (2) makes f(y, s_min) = y. Along a pair, (y_s - y_r)/(s - r) = eps, whose mean given y_s is the flow's slope, so
    E[f(y_s, s) - f(y_r, r) | y_s] / (s - r) -> df/ds along the flow as r -> s, and is zero at (1) only. At a finite distance it is biased:
    pairs start far apart, where (3) says much, and come closer as training goes on.

*Mean flow* (arXiv:2505.13447), in z = (1 - t) x0 + t eps, whose flow has the velocity v(z, t) = E[eps - x0 | z]:

    u(z, r, t) = 1/(t - r) int_r^t v dt,  so that  z_r = z_t - (t - r) u(z_t, r, t)                         (4)
    u = v - (t - r) (v . grad_z u + d_t u)                                                                  (5)
    loss = E[ d(u - sg(right-hand side of (5) with eps - x0 in place of v)) ]                               (6)

    (5) is linear in v, so the gradient of (6) is zero at the exact u for every r < t, without a limit. With r = t it is flow matching.

sg is the stop-gradient. Nothing here is a likelihood: a map that is learned so says nothing about densities.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from genjax import rng
from genjax.diffusion.process import bcast
from genjax.registry import Count, Fraction, NonNegative, Positive
from genjax.types import Array, Key

Map = Callable[[Array, Array], Array]  # (y [B, ...], s [B]) -> f [B, ...]
MeanVelocity = Callable[[Array, Array, Array], Array]  # (z [B, ...], r [B], t [B]) -> u [B, ...]


# ---- consistency ---------------------------------------------------------------------------------------------------


class Coefficients(NamedTuple):
    """[B] each: the network sees c_in * y, and f = c_skip * y + c_out * F."""

    c_in: Array
    c_skip: Array
    c_out: Array


def coefficients(s: Array, s_min: float, data_std: float) -> Coefficients:
    """Equation (2) at s [B]; c_in gives the network unit variance."""
    c_in = 1 / jnp.sqrt(s**2 + data_std**2)
    return Coefficients(c_in, data_std**2 / ((s - s_min) ** 2 + data_std**2), data_std * (s - s_min) * c_in)


# Each: (s [B], progress [B] in [0, 1], (s_min, s_max), **options) -> the pair (s, r) [B], s_min <= r < s <= s_max.


def ratio(s: Array, progress: Array, ends: tuple[float, float], q: Positive = 2.0, stages: Count = 8, k: NonNegative = 8.0, b: NonNegative = 1.0):
    """r = s (1 - (1 + k sigmoid(-b s)) / q^a), a = 1 .. stages in equal parts of the training (ECT, arXiv:2406.14548)."""
    stage = 1 + jnp.minimum(jnp.floor(progress * stages), stages - 1)
    r = s * (1 - (1 + k * jax.nn.sigmoid(-b * s)) / q**stage)
    s = jnp.maximum(s, ends[0] * 1.001)  # there is nothing below s_min to compare with
    return s, jnp.clip(r, ends[0], s * (1 - 1e-4))


def karras(s: Array, progress: Array, ends: tuple[float, float], first: Positive = 10.0, last: Positive = 1280.0, rho: Positive = 7.0):
    """The step of a Karras grid that s lies in; its steps double from `first` to `last` in equal parts of the training (arXiv:2310.14189)."""
    low, high = ends[0] ** (1 / rho), ends[1] ** (1 / rho)
    doublings = jnp.log2(last / first)
    steps = jnp.minimum(first * 2 ** jnp.floor(progress * (doublings + 1)), last)
    index = jnp.clip(jnp.floor((s ** (1 / rho) - low) / (high - low) * steps), 0, steps - 1)
    node = lambda i: (low + i / steps * (high - low)) ** rho
    return node(index + 1), node(index)


PAIRS: dict[str, Callable] = {"ratio": ratio, "karras": karras}


def consistency_error(f: Map, x0: Array, eps: Array, s: Array, r: Array) -> Array:
    """The difference of equation (3), f(y_s, s) - sg f(y_r, r) [B, ...], of data and noise [B, ...] at s and r [B]."""
    return f(x0 + bcast(s, x0) * eps, s) - jax.lax.stop_gradient(f(x0 + bcast(r, x0) * eps, r))


def consistency_walk(f: Map, levels: Array, y: Array, keys: Key) -> Array:
    """Samples in N steps: to the end by f, back up to the next noise level, and so on (arXiv:2303.01469, algorithm 1).

    Args:
      f: the map.
      levels: falling s [N + 1], from where y [B, ...] lies to s_min.
      keys: [B], one a sample.

    Returns:
      The ends after every step [N, B, ...]; the last are the samples.
    """

    def body(y, node):
        index, here, there = node
        end = f(y, jnp.full(y.shape[:1], here))
        noise = rng.normal(rng.each(keys, index), y.shape[1:]).astype(y.dtype)
        return end + jnp.sqrt(jnp.maximum(there**2 - levels[-1] ** 2, 0.0)) * noise, end

    return jax.lax.scan(body, y, (jnp.arange(len(levels) - 1), levels[:-1], levels[1:]))[1]


# ---- mean flow -----------------------------------------------------------------------------------------------------


def mean_flow_error(u: MeanVelocity, x0: Array, eps: Array, r: Array, t: Array) -> Array:
    """The difference of equation (6) [B, ...], of data and noise [B, ...] at times r <= t [B]; one forward-mode derivative of u."""
    z, v = (1 - bcast(t, x0)) * x0 + bcast(t, x0) * eps, eps - x0
    mean, rate = jax.jvp(u, (z, r, t), (v, jnp.zeros_like(r), jnp.ones_like(t)))
    return mean - jax.lax.stop_gradient(v - bcast(t - r, z) * rate)


def mean_flow_walk(u: MeanVelocity, times: Array, z: Array) -> Array:
    """The points after every step of equation (4) [N, B, ...], down the falling times [N + 1] from z [B, ...]."""

    def body(z, node):
        here, there = node
        z = z - (here - there) * u(z, jnp.full(z.shape[:1], there), jnp.full(z.shape[:1], here))
        return z, z

    return jax.lax.scan(body, z, (times[:-1], times[1:]))[1]


# ---- distances: (squared error [B], dimensions, **options) -> d [B] --------------------------------------------------


def squared(error: Array, dims: int) -> Array:
    return error


def pseudo_huber(error: Array, dims: int, scale: Positive = 0.00054) -> Array:
    """sqrt(error + c^2) - c with c = scale sqrt(dims) (arXiv:2310.14189): a large error counts like its root."""
    c = scale * dims**0.5
    return jnp.sqrt(error + c**2) - c


def adaptive(error: Array, dims: int, power: Fraction = 1.0, floor: Positive = 1e-3) -> Array:
    """error / sg(error + floor)^power (arXiv:2505.13447): a row's gradient is bounded, whatever its error."""
    return error / jax.lax.stop_gradient(error + floor) ** power


DISTANCES: dict[str, Callable] = {"squared": squared, "pseudo_huber": pseudo_huber, "adaptive": adaptive}
