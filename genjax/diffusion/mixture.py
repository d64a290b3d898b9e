"""Mixtures of Gaussians: data whose ideal denoiser is known, so that what a sampler does to them can be compared with what is right.

p(x0) = sum_k w_k N(m_k, s_k^2 I),    y = x/alpha = x0 + s eps                                         (1)
p(k | y) ~ w_k N(y; m_k, s_k^2 + s^2),    E[x0 | y] = sum_k p(k | y) (m_k + s_k^2/(s_k^2 + s^2) (y - m_k))  (2)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from genjax.diffusion.process import Denoise, alpha_sigma, bcast
from genjax.types import Array


def in_clean_units(posterior_mean: Callable[[Array, Array], Array], scaling: str) -> Denoise:
    """A denoiser (x [B, ...], logsnr [B]) -> x0_hat from E[x0 | y, s^2], s^2 broadcastable to y."""

    def denoise(x: Array, logsnr: Array) -> Array:
        alpha, sigma = alpha_sigma(logsnr, scaling)
        return posterior_mean(x / bcast(alpha, x), bcast((sigma / alpha) ** 2, x))

    return denoise


@dataclasses.dataclass(frozen=True)
class Mixture:
    """Equation (1): weights [K], means [K, D], stds [K]."""

    weights: np.ndarray
    means: np.ndarray
    stds: np.ndarray

    def _arrays(self, like: Array) -> Iterator[Array]:
        """weights [1, K], means [1, K, D], stds [1, K] in the type of `like`."""
        return (jnp.asarray(v[None], like.dtype) for v in (self.weights, self.means, self.stds))

    def terms(self, y: Array, s2: Array) -> tuple[Array, Array]:
        """Log of every component's share of the density of y [B, D] at noise s2 [B, 1]: [B, K]; and variances [B, K]."""
        weights, means, stds = self._arrays(y)
        variance = stds**2 + s2
        squares = jnp.sum((y[:, None] - means) ** 2, axis=-1)
        return jnp.log(weights) - 0.5 * (squares / variance + self.means.shape[1] * jnp.log(2 * np.pi * variance)), variance

    def log_prob(self, y: Array, s2: ArrayLike = 0.0) -> Array:
        """log density [B] of y [B, D] = x0 + sqrt(s2) eps."""
        return jax.nn.logsumexp(self.terms(y, jnp.full((y.shape[0], 1), s2))[0], axis=-1)

    def posterior_mean(self, y: Array, s2: Array) -> Array:
        """Equation (2), [B, D]."""
        _, means, stds = self._arrays(y)
        terms, variance = self.terms(y, s2)
        gain = (stds**2 / variance)[..., None]
        return jnp.sum(jax.nn.softmax(terms, axis=-1)[..., None] * (means + gain * (y[:, None] - means)), axis=1)

    def denoiser(self, scaling: str) -> Denoise:
        """(x [B, D], logsnr [B]) -> E[x0 | x] [B, D]."""
        return in_clean_units(self.posterior_mean, scaling)
