"""Guidance: a denoiser made of denoisers. One convention everywhere: scale 1 is off.

Classifier-free guidance (arXiv:2207.12598) in terms of x0_hat, which is the same as in eps, v or the score because all are affine:

    D = D_uncond + scale (D_cond - D_uncond)                                                                (1)

Interval (arXiv:2404.07724): (1) where low <= lambda <= high and D_cond elsewhere; the ends are log-SNR, whatever the solver.
Rescale (arXiv:2305.08891, sec. 3.4): D <- (phi std(D_cond)/std(D) + 1 - phi) D, the standard deviations over one sample's x0_hat.
A guided denoiser evaluates two networks a call.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp

from genjax.diffusion.process import bcast
from genjax.types import Array

Denoise = Callable[[Array, Array], Array]


def classifier_free(
    denoise_cond: Denoise,
    denoise_uncond: Denoise,
    scale: float,
    interval: tuple[float, float] | None = None,
    rescale: float = 0.0,
) -> Denoise:
    """The guided denoiser; `denoise_cond` itself when scale is 1.

    Args:
      denoise_cond, denoise_uncond: (x [B, ...], logsnr [B]) -> x0_hat [B, ...].
      scale: of equation (1); 1 is off, 0 is unconditional.
      interval: (low, high) in log-SNR, or None for everywhere.
      rescale: phi in [0, 1].
    """
    if scale == 1.0:
        return denoise_cond

    def denoise(x: Array, logsnr: Array) -> Array:
        cond, uncond = denoise_cond(x, logsnr), denoise_uncond(x, logsnr)
        guided = uncond + scale * (cond - uncond)
        if rescale:
            axes = tuple(range(1, x.ndim))
            ratio = jnp.std(cond, axes, keepdims=True) / jnp.std(guided, axes, keepdims=True)
            guided = (rescale * ratio + 1 - rescale) * guided
        if interval is None:
            return guided
        low, high = interval
        return jnp.where(bcast((low <= logsnr) & (logsnr <= high), x), guided, cond)

    return denoise
