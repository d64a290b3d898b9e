"""Likelihood by the probability flow: the instantaneous change of variables along dz/dtau = f(z, tau) of `adaptive`.

    log p(z_data) = log p(z_noise) - int div f dtau   from noise to data        arXiv:1806.07366, 2011.13456 (eq. 39)    (1)
    div f = a tr(dD/dz) - a^2 dim                                                                            (2)

z_noise has the density N(0, prior_std^2) that the sampler starts from. The model's data density is that of y = x/alpha at logsnr_max,
with log p(y) = log p(z) + dim log a. The trace is exact (one forward derivative a dimension), or Hutchinson's estimate v^T (dD/dz) v from
K Rademacher probes (arXiv:1810.01367) that stay fixed along the trajectory, as step control needs a smooth integrand.
Integer data are dequantised (`quantizer`), with which (1) becomes an upper bound of -log P(k).
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from genjax import rng
from genjax.diffusion import adaptive
from genjax.diffusion.process import Denoise, Process, alpha_sigma, inner, prior_std
from genjax.diffusion.quantizer import Continuous, Quantizer
from genjax.errors import UsageError
from genjax.types import Array, Key


class Latent(NamedTuple):
    """Data at the other end of the flow.

    Attributes:
      z: [B, ...] the state at logsnr_min.
      log_det: [B, K] log p(y) - log p(z), one estimate a probe; K = 1 for the exact trace.
      nfe: [B] evaluations of the denoiser; each carries K derivatives along.
    """

    z: Array
    log_det: Array
    nfe: Array


class OdeNats(NamedTuple):
    """Negative log-likelihood [B] in nats, the standard error of that estimate [B], and evaluations of the denoiser [B]."""

    nats: Array
    stderr: Array
    nfe: Array


def rademacher(keys: Key, num: int, shape: tuple[int, ...]) -> Array:
    """`num` probes a row: [num, B, *shape] of -1 and 1, from keys [B]."""
    return jax.vmap(lambda key: jax.random.rademacher(key, (num, *shape), jnp.result_type(float)), out_axes=1)(keys)


def _basis(y: Array) -> Array:
    """Every unit vector of a row of y [B, ...], for all rows: [dim, B, ...]. As probes, their sum is the exact trace."""
    dim = math.prod(y.shape[1:])
    return jnp.broadcast_to(jnp.eye(dim, dtype=y.dtype).reshape(dim, 1, *y.shape[1:]), (dim, *y.shape))


def latent(denoise: Denoise, process: Process, y: Array, probes: Array | None, rtol: float = 1e-5, atol: float = 1e-5) -> Latent:
    """Run the flow from y [B, ...] (clean units, at logsnr_max) to the noise end, with its log-determinant.

    Args:
      denoise: (x [B, ...], logsnr [B]) -> x0_hat [B, ...], without guidance or thresholding.
      process: gives the ends and the scaling.
      y: [B, ...].
      probes: [K, B, ...] from `rademacher`, or None for the exact trace.
      rtol, atol: tolerances on z and on the log-determinant.
    """
    batch, dim = y.shape[0], math.prod(y.shape[1:])
    exact = probes is None
    directions = _basis(y) if probes is None else probes
    drift = adaptive.flow(denoise, process.scaling)

    def augmented(state, tau):
        slope, derivative = jax.linearize(lambda z: drift(z, tau), state[0])
        quadratic = jax.vmap(lambda v: jnp.sum(v * derivative(v), axis=inner(v)))(directions)
        divergence = jnp.sum(quadratic, axis=0)[:, None] if exact else quadratic.T
        return slope, divergence

    low, high = process.logsnr_min, process.logsnr_max
    a = alpha_sigma(high, "vp")[0]
    start = (a * y, jnp.zeros((batch, 1 if exact else directions.shape[0]), y.dtype))
    end = adaptive.integrate(augmented, start, high / 2, low / 2, rtol, atol)
    z, divergence = end.y  # the integral runs from data to noise, which is the minus sign of (1)
    return Latent(z, divergence + dim * jnp.log(a), end.nfe)


def continuous(
    denoise: Denoise, process: Process, y: Array, probes: Array | None, data_std: float, rtol: float = 1e-5, atol: float = 1e-5
) -> tuple[Array, Array]:
    """-log p(y) [B, K] of continuous data y [B, ...], one estimate a probe (K = 1 for the exact trace), and calls of the denoiser [B].

    data_std: of the data; enters the prior as in `solvers.initial`. (The others as in `latent`.)
    """
    end = latent(denoise, process, y, probes, rtol, atol)
    return prior_nats(process, end.z, data_std)[:, None] - end.log_det, end.nfe


def prior_nats(process: Process, z: Array, data_std: float) -> Array:
    """-log N(z; 0, prior_std^2) [B] of the normalised state z [B, ...] at logsnr_min."""
    std = prior_std(process, data_std) / adaptive.norm(process.logsnr_min, process.scaling)
    per_dim = 0.5 * (z / std) ** 2 + jnp.log(std) + 0.5 * math.log(2 * math.pi)
    return jnp.sum(per_dim, axis=inner(z))


def discrete(
    denoise: Denoise,
    process: Process,
    quantizer: Quantizer | Continuous,
    ints: Array,
    keys: Key,
    num_draws: int,
    *,
    dequantization: Literal["uniform", "normal"] = "normal",
    data_std: float = 1.0,
    num_probes: int = 1,
    rtol: float = 1e-5,
    atol: float = 1e-5,
) -> OdeNats:
    """An upper bound of -log P(ints) [B], the mean over `num_draws` >= 2 independent dequantisations and trajectories.

    Args:
      ints: [B, ...] levels; real numbers where the quantizer is Continuous, and the bound is one of their density.
      dequantization: "uniform" on the bin, or "normal", the process's own noise at logsnr_max cut to the bin.
      num_probes: K >= 1 probes a trajectory, or 0 for the exact trace.
      (the others as in `continuous`)

    Returns:
      OdeNats; the standard error over draws covers the dequantisation and the probes, nfe counts all trajectories.
    """
    if num_draws < 2:
        raise UsageError(f"A dequantised likelihood needs num_draws >= 2 to know its standard error, not {num_draws}.")
    if dequantization not in ("uniform", "normal"):
        raise UsageError(f"dequantization must be 'uniform' or 'normal', not {dequantization!r}.")
    alpha, sigma = alpha_sigma(process.logsnr_max, process.scaling)

    def one_draw(draw):
        here = rng.each(keys, draw)
        if dequantization == "uniform":
            y, log_volume = quantizer.dequantize_uniform(ints, rng.each(here, 0))
        else:
            y, log_volume = quantizer.dequantize_normal(ints, rng.each(here, 0), sigma / alpha)
        probes = rademacher(rng.each(here, 1), num_probes, y.shape[1:]) if num_probes else None
        nats, nfe = continuous(denoise, process, y, probes, data_std, rtol, atol)
        return jnp.mean(nats, axis=1) - log_volume, nfe

    nats, nfe = jax.lax.map(one_draw, jnp.arange(num_draws))
    return OdeNats(jnp.mean(nats, axis=0), jnp.std(nats, axis=0, ddof=1) / num_draws**0.5, jnp.sum(nfe, axis=0))
