"""Guidance and thresholding: a denoiser made of denoisers. One convention for every scale: 0 is unguided, 1 is the conditional model.

    D = D_base + scale (D_cond - D_base)                                                                    (1)

in x0_hat, which is the same as in eps, v or the score because all are affine. What stands for D_base gives the method its name:
    the unconditional model             classifier-free guidance                                            arXiv:2207.12598
    the model given a negative prompt   negative prompting
    a smaller or less trained model     autoguidance                                                        arXiv:2406.02507
A classifier gives D_cond - D_base itself, by Bayes and the score alpha D = x + sigma^2 grad log p:
    D_cond - D_base = (sigma^2/alpha) grad_x log p(c | x)                                                   (2)    arXiv:2105.05233
Interval (arXiv:2404.07724): (1) where low <= lambda <= high and D_cond elsewhere; the ends are log-SNR, whatever the solver.
Rescale (arXiv:2305.08891, sec. 3.4): D <- (phi std(D_cond)/std(D) + 1 - phi) D, the standard deviations over one sample's x0_hat.

Guidance and thresholds bend the score: they are for samples, a likelihood uses the bare denoiser. (1) evaluates two networks a call.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from genjax.diffusion.process import Denoise, alpha_sigma, bcast, inner
from genjax.types import Array


def classifier_free(
    denoise_cond: Denoise,
    denoise_uncond: Denoise,
    scale: float,
    interval: tuple[float, float] | None = None,
    rescale: float = 0.0,
) -> Denoise:
    """Equation (1); `denoise_cond` itself when scale is 1.

    Args:
      denoise_cond, denoise_uncond: (x [B, ...], logsnr [B]) -> x0_hat [B, ...]; the second is D_base of (1).
      scale: a Python number; 1 is off, 0 is D_base.
      interval: (low, high) in log-SNR, or None for everywhere.
      rescale: phi in [0, 1].
    """
    if scale == 1.0:
        return denoise_cond

    def denoise(x: Array, logsnr: Array) -> Array:
        cond, base = denoise_cond(x, logsnr), denoise_uncond(x, logsnr)
        guided = base + scale * (cond - base)
        if rescale:
            std_cond, std_guided = (jnp.std(v, axis=inner(x), keepdims=True) for v in (cond, guided))
            ratio = std_cond / jnp.maximum(std_guided, jnp.finfo(x.dtype).tiny)
            guided = (rescale * ratio + 1 - rescale) * guided
        if interval is None:
            return guided
        low, high = interval
        return jnp.where(bcast((low <= logsnr) & (logsnr <= high), x), guided, cond)

    return denoise


def classifier(denoise: Denoise, log_prob: Callable[[Array, Array], Array], scale: float, scaling: str) -> Denoise:
    """Equation (2): guidance of an unconditional denoiser by a classifier of noisy data.

    Args:
      denoise: (x [B, ...], logsnr [B]) -> x0_hat [B, ...].
      log_prob: (x [B, ...], logsnr [B]) -> log p(c | x) [B] in nats, each row of its own x only.
      scale: 0 is off, 1 is the posterior p(x | c).
      scaling: of the process.
    """

    def guided(x: Array, logsnr: Array) -> Array:
        alpha, sigma = alpha_sigma(logsnr, scaling)
        gradient = jax.grad(lambda x: jnp.sum(log_prob(x, logsnr)))(x)
        return denoise(x, logsnr) + scale * bcast(sigma**2 / alpha, x) * gradient

    return guided


def by_estimate(denoise: Denoise, log_prob: Callable[[Array, Array], Array], scale: float, scaling: str) -> Denoise:
    """Equation (2) with log p(c | x0_hat(x)) for log p(c | x): guidance by what is known of clean data (universal guidance, arXiv:2302.07121).

    It is exact in the limit of no noise and where p(c | x0) is linear in x0, and overconfident where x0 given x is spread: docs/diffusion.md
    has the bias on a mixture. One call costs an evaluation of the network and its gradient. log_prob: (x0 [B, ...], logsnr [B]) -> [B] in nats.
    """

    def guided(x: Array, logsnr: Array) -> Array:
        alpha, sigma = alpha_sigma(logsnr, scaling)
        x0, pull_back = jax.vjp(lambda x: denoise(x, logsnr), x)
        (gradient,) = pull_back(jax.grad(lambda x0: jnp.sum(log_prob(x0, logsnr)))(x0))
        return x0 + scale * bcast(sigma**2 / alpha, x) * gradient

    return guided


def clip(denoise: Denoise, low: float, high: float) -> Denoise:
    """Static thresholding: x0_hat cut to [low, high]."""
    return lambda x, logsnr: jnp.clip(denoise(x, logsnr), low, high)


def dynamic_threshold(denoise: Denoise, quantile: float, limit: float = 1.0) -> Denoise:
    """x0_hat cut to [-q, q] and scaled by limit/q, q = max(limit, that quantile of |x0_hat| in the sample). arXiv:2205.11487 (sec. 2.3)."""

    def thresholded(x: Array, logsnr: Array) -> Array:
        x0 = denoise(x, logsnr)
        q = jnp.quantile(jnp.abs(x0), quantile, axis=inner(x), keepdims=True)
        q = jnp.maximum(q, limit)
        return jnp.clip(x0, -q, q) * (limit / q)

    return thresholded
