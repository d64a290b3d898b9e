"""Averages of the parameters along training, theta_bar <- beta theta_bar + (1 - beta) theta.

constant      beta = min(decay, (1 + n)/(10 + n)) after n updates: the warm-up forgets the initialisation
power         beta = (1 - 1/n)^(gamma + 1) at the n-th update: a profile p(m) ~ m^gamma over past updates m <= n, whose width
              relative to n never changes (EDM2, arXiv:2312.02696, sec. 3.1); the first update copies theta
sigma_rel     that width, sigma_rel^2 = (gamma + 1) / ((gamma + 2)^2 (gamma + 3))                       (1)
post-hoc      any other profile as a linear combination of stored averages (sec. 3.2): least squares between profiles on [0, n],
              <p_a, p_b> = (g_a + 1)(g_b + 1) min(n_a, n_b)^(g_a + g_b + 1)
                           / ((g_a + g_b + 1) n_a^(g_a + 1) n_b^(g_b + 1))                              (2)
              taken relative to the larger n, so that nothing overflows. The weights are bound to sum to one (the paper leaves that to the
              residual), so that a parameter that has not moved comes back exactly. The system is nearly singular: float64, on the host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from genjax.errors import UsageError
from genjax.registry import Fraction, Positive, bind
from genjax.types import Array, PyTree

Beta = Callable[[Array | int], Array]  # earlier updates -> beta of the next one


def constant(updates: Array | int, decay: Fraction = 0.995) -> Array:
    """beta of an exponential average with warm-up, after `updates` earlier updates."""
    n = jnp.asarray(updates, jnp.result_type(float))
    return jnp.minimum(decay, (1 + n) / (10 + n))


def power(updates: Array | int, sigma_rel: Positive = 0.1) -> Array:
    """beta of the power-function average of relative width sigma_rel, after `updates` earlier updates: 0 at the first."""
    return (1 - 1 / (jnp.asarray(updates, jnp.result_type(float)) + 1)) ** (gamma(sigma_rel) + 1)


AVERAGES: dict[str, Callable[..., Array]] = {"constant": constant, "power": power}


def average(choice: tuple[str, dict[str, float]]) -> Beta:
    """The average (name, options) of AVERAGES; UsageError for a name, an option or a number that there is not."""
    beta = bind(AVERAGES, choice, "average of the parameters")
    beta(0)  # a number out of range is refused now
    return beta


# Each: widths of the power averages that are tracked beside the one that is used, so that any other can be made of their snapshots.


def _none() -> tuple[float, ...]:
    return ()


def _pair(narrow: Positive = 0.05, wide: Positive = 0.1) -> tuple[float, ...]:
    if not narrow < wide:
        raise UsageError(f"optimizer.tracked: narrow={narrow} must be below wide={wide}; two equal widths say nothing more than one.")
    return narrow, wide


TRACKED: dict[str, Callable[..., tuple[float, ...]]] = {"none": _none, "pair": _pair}


def tracked(choice: tuple[str, dict[str, float]]) -> tuple[float, ...]:
    """sigma_rel of every average that (name, options) of TRACKED asks for; UsageError as in `average`."""
    widths = bind(TRACKED, choice, "set of tracked averages")()
    for width in widths:
        gamma(width)
    return widths


def powers(widths: Sequence[float]) -> tuple[Beta, ...]:
    """The power averages of these widths."""
    return tuple(partial(power, sigma_rel=width) for width in widths)


def gamma(sigma_rel: float) -> float:
    """The exponent of the power profile of relative width sigma_rel: the positive root of (1). UsageError outside (0, 0.288]."""
    inverse = sigma_rel**-2 if sigma_rel > 0 else np.inf
    if not 12 <= inverse < np.inf:
        raise UsageError(f"sigma_rel={sigma_rel} must lie in (0, {12**-0.5:.3f}], the widths of increasing power profiles.")
    return float(np.roots([1, 7, 16 - inverse, 12 - inverse]).real.max())


def update(average: PyTree, params: PyTree, beta: Array) -> PyTree:
    """One step of the average, each leaf in the type of the average (keep it float32: 1 - beta is below bfloat16's resolution)."""
    return jax.tree.map(lambda a, p: a + (1 - beta).astype(a.dtype) * (p.astype(a.dtype) - a), average, params)


def profile_product(n_a: ArrayLike, gamma_a: ArrayLike, n_b: ArrayLike, gamma_b: ArrayLike) -> np.ndarray:
    """<p_a, p_b> of equation (2), broadcast."""
    n_a, gamma_a, n_b, gamma_b = (np.asarray(v, np.float64) for v in (n_a, gamma_a, n_b, gamma_b))
    n_max = np.maximum(n_a, n_b)
    ratio = np.where(n_a < n_b, (n_a / n_max) ** gamma_b, (n_b / n_max) ** gamma_a)
    return (gamma_a + 1) * (gamma_b + 1) / (gamma_a + gamma_b + 1) * ratio / n_max


def posthoc_weights(updates: ArrayLike, gammas: ArrayLike, target_updates: float, target_gamma: float) -> np.ndarray:
    """Weights [K] of stored power averages that best make up the power average `target_gamma` at `target_updates`.

    Args:
      updates, gammas: [K] updates after which each was stored, and its exponent.
      target_updates: not after the last stored one (UsageError: no combination knows the future).
    """
    n, g = np.asarray(updates, np.float64), np.asarray(gammas, np.float64)
    if target_updates < 1:
        raise UsageError(f"There is no average at update {target_updates}: the first is at update 1.")
    if target_updates > n.max():
        raise UsageError(f"An average at update {target_updates} cannot be made from averages stored until update {n.max():.0f}.")
    stored = profile_product(n[:, None], g[:, None], n[None, :], g[None, :])
    wanted = profile_product(n, g, target_updates, target_gamma)
    ones = np.ones((len(n), 1))
    bound = np.block([[stored, ones], [ones.T, np.zeros((1, 1))]])  # the last unknown is the multiplier of the bound
    return np.linalg.solve(bound, np.append(wanted, 1.0))[:-1]


def posthoc(averages: Iterable[PyTree], weights: ArrayLike) -> PyTree:
    """sum_k weights[k] averages[k], summed in float64 on the host, one average in memory at a time; leaves in the type of the first."""
    total, types = None, None
    for average, weight in zip(averages, np.asarray(weights), strict=True):
        term = jax.tree.map(lambda leaf, weight=weight: weight * np.asarray(leaf, np.float64), average)
        total = term if total is None else jax.tree.map(np.add, total, term)
        types = types or jax.tree.map(lambda leaf: leaf.dtype, average)
    return jax.tree.map(lambda leaf, dtype: leaf.astype(dtype), total, types)
