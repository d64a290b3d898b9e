"""The variational bound of integer data under a diffusion model, in nats per example.

    -log P(k) <= KL(q(x_1 | x0) || p(x_1))  +  1/2 int |eps - eps_hat|^2 dlambda  +  E[-log P(k | x_0)]      (1)
                 prior                         diffusion                            reconstruction

x_1 is x at logsnr_min, with p(x_1) = N(0, prior_std^2); x_0 is x at logsnr_max, with the decoder P(k | x_0) of `quantizer`, centred on
x_0/alpha with standard deviation sigma/alpha. The integral runs from logsnr_min to logsnr_max and does not depend on the curve between them:
that is only a density p of noise levels for its Monte-Carlo estimate, mean of |eps - eps_hat|^2 / (2 p(lambda)). VDM, arXiv:2107.00630 (eq. 11-13, 18).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from genjax import rng
from genjax.diffusion import time_sampling
from genjax.diffusion.prediction import eps_from_x0
from genjax.diffusion.process import Process, alpha_sigma, perturb, prior_std
from genjax.diffusion.quantizer import Quantizer
from genjax.errors import UsageError
from genjax.types import Array, Key

Denoise = Callable[[Array, Array], Array]


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


def _sum(x: Array) -> Array:
    """Sum over everything but the batch: [B, ...] -> [B]."""
    return jnp.sum(x, axis=tuple(range(1, x.ndim)))


def _fold(keys: Key, name: str) -> Key:
    return jax.vmap(lambda key: rng.fold_name(key, name))(keys)


def prior_kl(process: Process, x0: Array, data_std: float) -> Array:
    """KL(N(alpha x0, sigma^2) || N(0, prior_std^2)) [B] in nats, at logsnr_min, of x0 [B, ...]."""
    alpha, sigma = alpha_sigma(process.logsnr_min, process.scaling)
    std = prior_std(process, data_std)
    return _sum(0.5 * (((alpha * x0) ** 2 + sigma**2) / std**2 - 1) + jnp.log(std / sigma))


def decoder_nats(process: Process, quantizer: Quantizer, ints: Array, eps: Array) -> Array:
    """-log P(ints | x_0) [B] in nats, x_0 = alpha x0 + sigma eps at logsnr_max."""
    alpha, sigma = alpha_sigma(process.logsnr_max, process.scaling)
    std = sigma / alpha
    return -_sum(quantizer.log_prob(ints, quantizer.encode(ints) + std * eps, std))


def variational_bound(
    denoise: Denoise,
    process: Process,
    quantizer: Quantizer,
    ints: Array,
    keys: Key,
    num_times: int,
    *,
    data_std: float = 1.0,
    sampler: str = "uniform_logsnr",
    **options,
) -> Bound:
    """An unbiased estimate of (1) for every example, in expectation never below its exact -log P.

    Args:
      denoise: (x [B, ...], logsnr [B]) -> x0_hat [B, ...], without guidance or thresholding.
      process, quantizer: the model's.
      ints: [B, ...] levels.
      keys: [B], one an example; the same key gives the same estimate in any batch.
      num_times: K >= 2 noise levels an example, evenly spread from a random start; one network evaluation each.
      data_std: of the encoded data; enters the prior as in `solvers.initial`.
      sampler, **options: the time sampler and its keywords; they change the standard error only.

    Returns:
      Bound. Its standard error takes the K draws as independent, which overstates it for evenly spread noise levels.
    """
    if num_times < 2:
        raise UsageError(f"The variational bound needs num_times >= 2 to know its standard error, not {num_times}.")
    x0 = quantizer.encode(ints)
    draws = jnp.arange(num_times, dtype=jnp.uint32)
    times = jax.vmap(lambda key: time_sampling.draw(sampler, process, key, draws, **options))(_fold(keys, "times"))

    def one_draw(_, at):
        index, logsnr, density = at
        here = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, index)
        eps = rng.normal(_fold(here, "eps"), x0.shape[1:])
        x = perturb(process, x0, logsnr, eps)
        eps_hat = eps_from_x0(x, denoise(x, logsnr), logsnr, process.scaling)
        diffusion = 0.5 * _sum((eps - eps_hat) ** 2) / density
        reconstruction = decoder_nats(process, quantizer, ints, rng.normal(_fold(here, "decoder"), x0.shape[1:]))
        return None, (reconstruction, diffusion)

    _, (reconstruction, diffusion) = jax.lax.scan(one_draw, None, (draws, *(jnp.transpose(v) for v in times)))
    stderr = jnp.std(reconstruction + diffusion, axis=0, ddof=1) / num_times**0.5
    return Bound(prior_kl(process, x0, data_std), jnp.mean(reconstruction, 0), jnp.mean(diffusion, 0), stderr)
