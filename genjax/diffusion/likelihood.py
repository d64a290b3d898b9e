"""The variational bound of integer data under a diffusion model, in nats per example.

    -log P(k) <= KL(q(x_1 | x0) || p(x_1))  +  diffusion  +  E[-log P(k | x_0)]                             (1)
                 prior                                        reconstruction
    diffusion = 1/2 int |eps - eps_hat|^2 dlambda                                  in continuous time        (2)
              = 1/2 sum_i (e^(lambda' - lambda) - 1) |eps - eps_hat|^2             over the steps of a grid  (3)

x_1 is x at logsnr_min, with p(x_1) = N(0, prior_std^2); x_0 is x at logsnr_max, with the decoder P(k | x_0) of `quantizer`, centred on
x_0/alpha with standard deviation sigma/alpha. (2) does not depend on the curve between the ends: that is only a density p of noise levels for
the Monte-Carlo estimate, mean of |eps - eps_hat|^2 / (2 p(lambda)). (3) is the bound of ancestral sampling on that grid, and larger:
(e^h - 1)/h > 1. VDM, arXiv:2107.00630.

The standard error of a mean over K evenly spread noise levels, with the draws f_1 .. f_K in the order of lambda, is

    stderr^2 = sum_k (f_{k+1} - f_k)^2 / (2 K (K - 1))  +  (f_K - f_1)^2 / (12 K^2)                         (4)

the noise of the draws about their trend, and what the random start of the spread leaves of the trend (Euler-Maclaurin; Wolter, Introduction
to Variance Estimation, ch. 8). The plain variance of the draws would overstate it several times: it takes the trend for noise.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from genjax import rng
from genjax.diffusion import time_sampling
from genjax.diffusion.grid import Grid
from genjax.diffusion.prediction import eps_from_x0
from genjax.diffusion.process import Denoise, Process, alpha_sigma, bcast, inner, prior_std
from genjax.errors import UsageError
from genjax.types import Array, Key


class Codes(Protocol):
    """Data as points of a space: the integers of a `Quantizer`, `Palette` or `Codebook`, real numbers as they are of `Continuous`."""

    def encode(self, ints: Array) -> Array:
        """The point of each integer, [B, ...] -> [B, ...] with axes of its own at the end, if any."""
        ...

    def log_prob(self, ints: Array, mean: Array, std: Array) -> Array:
        """log P(ints | a point that is noisy by std), in the shape of ints."""
        ...


class Bound(NamedTuple):
    """The terms of (1) in nats per example, [B] each, and the standard error of their Monte-Carlo estimate for that example."""

    prior: Array
    reconstruction: Array
    diffusion: Array
    stderr: Array

    @property
    def nats(self) -> Array:
        """[B] the bound."""
        return self.prior + self.reconstruction + self.diffusion


def _sum(x: Array, counted: Array | None = None) -> Array:
    """Sum over everything but the batch: [B, ...] -> [B]; of what is counted, where that is given: [B, ...] of as many leading axes."""
    return jnp.sum(x if counted is None else x * bcast(counted, x), axis=inner(x))


def eps_error(denoise: Denoise, scaling: str, x0: Array, eps: Array, logsnr: Array, counted: Array | None = None) -> Array:
    """|eps - eps_hat|^2 [B] at x = alpha x0 + sigma eps, for x0 and eps [B, ...], logsnr [B]; over what is counted."""
    alpha, sigma = alpha_sigma(logsnr, scaling)
    x = bcast(alpha, x0) * x0 + bcast(sigma, x0) * eps
    return _sum((eps - eps_from_x0(x, denoise(x, logsnr), logsnr, scaling)) ** 2, counted)


def prior_kl(process: Process, x0: Array, data_std: float, counted: Array | None = None) -> Array:
    """KL(N(alpha x0, sigma^2) || N(0, prior_std^2)) [B] in nats, at logsnr_min, of x0 [B, ...]; over what is counted."""
    alpha, sigma = alpha_sigma(process.logsnr_min, process.scaling)
    std = prior_std(process, data_std)
    return _sum(0.5 * (((alpha * x0) ** 2 + sigma**2) / std**2 - 1) + jnp.log(std / sigma), counted)


def decoder_nats(quantizer: Codes, ints: Array, eps: Array, logsnr: ArrayLike, counted: Array | None = None) -> Array:
    """-log P(ints | x_0) [B] in nats, x_0 = alpha x0 + sigma eps at a scalar logsnr, for ints and eps [B, ...]; over what is counted."""
    std = jnp.exp(-jnp.asarray(logsnr) / 2)
    return -_sum(quantizer.log_prob(ints, quantizer.encode(ints) + std * eps, std), counted)


def variational_bound(
    denoise: Denoise,
    process: Process,
    quantizer: Codes,
    ints: Array,
    keys: Key,
    num_times: int,
    *,
    data_std: float = 1.0,
    counted: Array | None = None,
    density: str = "uniform_logsnr",
    **options,
) -> Bound:
    """An unbiased estimate of (1) with (2) for every example: in expectation never below its exact -log P.

    Args:
      denoise: (x [B, ...], logsnr [B]) -> x0_hat [B, ...], without guidance or thresholding.
      process, quantizer: the model's.
      ints: [B, ...] levels; real numbers where the quantizer is Continuous, and the bound is one of their density.
      keys: [B], one an example; the same key gives the same estimate in any batch.
      num_times: K >= 2 noise levels an example, evenly spread from a random start; one network evaluation each.
      data_std: of the encoded data; enters the prior as in `solvers.initial`.
      counted: [B, ...] of as many axes as ints, 1 for the dimensions whose nats are summed; None: all. The others are the denoiser's affair.
      density, **options: p(lambda), a name in `time_sampling.DENSITIES` with its keywords; it changes the standard error only.
    """
    if num_times < 2:
        raise UsageError(f"The variational bound needs num_times >= 2 to know its standard error, not {num_times}.")
    x0 = quantizer.encode(ints)
    draws = jnp.arange(num_times, dtype=jnp.uint32)
    u = jax.vmap(lambda key: time_sampling.lattice(rng.fold_name(key, "times"), draws), out_axes=1)(keys)  # [K, B]
    times = time_sampling.DENSITIES[density](process, u, **options)

    def one_draw(_, at):
        draw, logsnr, p = at
        eps, decoder_eps = _noise(keys, draw, x0)
        diffusion = 0.5 * eps_error(denoise, process.scaling, x0, eps, logsnr, counted) / p
        return None, (decoder_nats(quantizer, ints, decoder_eps, process.logsnr_max, counted), diffusion)

    _, (reconstruction, diffusion) = jax.lax.scan(one_draw, None, (draws, *times))
    stderr = spread_stderr(reconstruction + diffusion, u)
    return Bound(prior_kl(process, x0, data_std, counted), jnp.mean(reconstruction, axis=0), jnp.mean(diffusion, axis=0), stderr)


def discrete_bound(denoise: Denoise, process: Process, grid: Grid, quantizer: Codes, ints: Array, keys: Key, *, data_std: float = 1.0) -> Bound:
    """An unbiased estimate of (1) with (3), the bound of ancestral sampling on `grid`; arguments as in `variational_bound`.

    Costs grid.steps evaluations an example, one noise a step. x_0 is x at the end of the grid, which starts where the process does.
    """
    x0 = quantizer.encode(ints)
    logsnr = jnp.asarray(grid.logsnr, x0.dtype)

    def one_step(_, at):
        index, here, there = at
        eps, decoder_eps = _noise(keys, index, x0)
        error = eps_error(denoise, process.scaling, x0, eps, jnp.full(x0.shape[:1], here))
        return None, (decoder_nats(quantizer, ints, decoder_eps, logsnr[-1]), 0.5 * jnp.expm1(there - here) * error)

    _, (reconstruction, diffusion) = jax.lax.scan(one_step, None, (jnp.arange(grid.steps), logsnr[:-1], logsnr[1:]))
    stderr = jnp.sqrt(squared_differences(reconstruction / grid.steps + diffusion))
    return Bound(prior_kl(process, x0, data_std), jnp.mean(reconstruction, axis=0), jnp.sum(diffusion, axis=0), stderr)


def _noise(keys: Key, draw: Array, like: Array) -> tuple[Array, Array]:
    """The noise of the diffusion term and of the decoder for one draw, [B, ...] each."""
    here = rng.each(keys, draw)
    return rng.normal(rng.each(here, 0), like.shape[1:]), rng.normal(rng.each(here, 1), like.shape[1:])


def spread_stderr(draws: Array, u: Array) -> Array:
    """Equation (4): the standard error [B] of the mean over K >= 2 draws [K, B] at evenly spread u [K, B]."""
    count = float(draws.shape[0])  # whole numbers would leave 32 bits at 20,000 draws
    in_order = jnp.take_along_axis(draws, jnp.argsort(u, axis=0), axis=0)
    noise = squared_differences(in_order) / (count * (count - 1))
    return jnp.sqrt(noise + (in_order[-1] - in_order[0]) ** 2 / (12 * count**2))


def squared_differences(draws: Array) -> Array:
    """Half the sum of squared successive differences of draws [K, B]: [B], (K - 1) times the variance about their trend."""
    return 0.5 * jnp.sum(jnp.diff(draws, axis=0) ** 2, axis=0)
