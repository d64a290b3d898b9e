"""Time samplers: which noise levels a batch visits. A sampler is a density p(lambda) and a source of even numbers.

    u_i in [0, 1)  ->  lambda_i = Q(u_i),   p(lambda) = 1/|Q'(u)|                                           (1)

Sources of u, all keyed by the row's id so that a row meets the same noise level in any micro-batch or on any device:

    rows         u_i from the row's own key, independent
    pairs        u_2k = v_k, u_2k+1 = 1 - v_k, antithetic
    lattice      u_i = frac(v + i phi), phi = 0.6180.. the golden ratio: one offset v a call, and consecutive ids fill [0, 1) evenly
                 at every length (VDM's low-discrepancy sampler, arXiv:2107.00630, without knowing the batch size).
                 Computed in uint32, where frac is the wrap-around: id * 2654435769 mod 2^32.

Quantiles Q, all cut to [logsnr_min, logsnr_max] and normalised there:

    uniform t         lambda = curve(u),                            p = 1/slope
    uniform_logsnr    lambda evenly between the ends                p = 1/(logsnr_max - logsnr_min), the bound's own measure
    lognormal_sigma   log(sigma/alpha) ~ N(m, s^2), so lambda ~ N(-2m, (2s)^2)       EDM, arXiv:2206.00364, m = -1.2, s = 1.2
    logit_normal      logit(tau) ~ N(m, s^2), tau = sigma/(alpha + sigma), so lambda ~ N(-2m, (2s)^2) too
                                                                    SD3, arXiv:2403.03206, m = 0, s = 1

Importance sampling (arXiv:2102.09672, sec. 3.3) has no name here: it is the uniform t of a learned curve (`learned_curve`).
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from genjax import rng
from genjax.diffusion.process import Process
from genjax.registry import Number, Positive, pick
from genjax.types import Array, Key

_GOLDEN = 2654435769  # round(2^32 / golden ratio), odd, so that ids never collide


# ---- sources: (key, ids [B] uint32) -> u [B] in [0, 1) -------------------------------------------------------------


def rows(key: Key, ids: Array) -> Array:
    return rng.uniform(rng.rows(key, ids))


def pairs(key: Key, ids: Array) -> Array:
    u = rng.uniform(rng.rows(key, ids // 2))
    return jnp.where(ids % 2 == 0, u, 1 - u)


def lattice(key: Key, ids: Array) -> Array:
    offset = jax.random.bits(key, dtype=jnp.uint32)
    bits = offset + ids.astype(jnp.uint32) * jnp.uint32(_GOLDEN)
    return (bits >> 8).astype(jnp.result_type(float)) * 2.0**-24  # 24 bits are exact in float32 and never round up to 1


# ---- quantiles: (process, u [B], **options) -> (lambda [B], p(lambda) [B]) -----------------------------------------


def _uniform_t(process: Process, u: Array) -> tuple[Array, Array]:
    return process.logsnr(u), 1 / process.slope(u)


def _normal(process: Process, u: Array, mean: float, std: float) -> tuple[Array, Array]:
    """lambda ~ N(mean, std^2) cut to the ends of the process."""
    low, high = (jax.scipy.special.ndtr((end - mean) / std) for end in (process.logsnr_min, process.logsnr_max))
    standard = jax.scipy.special.ndtri(high - u * (high - low))
    logsnr = jnp.clip(mean + std * standard, process.logsnr_min, process.logsnr_max)
    return logsnr, jax.scipy.stats.norm.pdf(logsnr, mean, std) / (high - low)


def _lognormal_sigma(process: Process, u: Array, mean: Number = -1.2, std: Positive = 1.2) -> tuple[Array, Array]:
    return _normal(process, u, -2 * mean, 2 * std)


def _logit_normal(process: Process, u: Array, mean: Number = 0.0, std: Positive = 1.0) -> tuple[Array, Array]:
    return _normal(process, u, -2 * mean, 2 * std)


def _uniform_logsnr(process: Process, u: Array) -> tuple[Array, Array]:
    width = process.logsnr_max - process.logsnr_min
    return process.logsnr_min + width * u, jnp.full_like(u, 1 / width)


DENSITIES: dict[str, Callable] = {
    "uniform_t": _uniform_t,
    "uniform_logsnr": _uniform_logsnr,
    "lognormal_sigma": _lognormal_sigma,
    "logit_normal": _logit_normal,
}

# ---- samplers: (source, density) -----------------------------------------------------------------------------------

TIME_SAMPLERS: dict[str, tuple[Callable, str]] = {
    "uniform": (rows, "uniform_t"),
    "antithetic": (pairs, "uniform_t"),
    "stratified": (lattice, "uniform_t"),
    "uniform_logsnr": (lattice, "uniform_logsnr"),
    "lognormal_sigma": (lattice, "lognormal_sigma"),
    "logit_normal": (lattice, "logit_normal"),
}


def draw(name: str, process: Process, key: Key, ids: Array, **options) -> tuple[Array, Array]:
    """(logsnr [B], density [B]) for the rows `ids` [B]: the noise levels, and the sampler's pdf over lambda at them.

    Args:
      name: a name in TIME_SAMPLERS; UsageError for any other.
      process: gives the ends and, to samplers that are uniform in t, the curve.
      key: one key for the whole batch of this step.
      ids: [B] integers, the rows' positions in the data stream.
      **options: the sampler's keywords (mean, std).
    """
    source, density = pick(TIME_SAMPLERS, name, "time sampler")
    return DENSITIES[density](process, source(key, ids), **options)
