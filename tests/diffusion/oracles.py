"""Distributions whose ideal denoiser, likelihood and probability flow are known: what the library is tested against.

With y = x/alpha = x0 + s eps, s = sigma/alpha, the ideal denoiser is E[x0 | y]. All of these work in jax, in any scaling.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from genjax.diffusion import mixture
from genjax.diffusion.mixture import in_clean_units


def gaussian(std, scaling):
    """Data N(0, std^2), independent dimensions."""
    return in_clean_units(lambda y, s2: std**2 / (std**2 + s2) * y, scaling)


def bent(scaling):
    """Not the denoiser of any data, but smooth, cheap to compile and mixing dimensions: for what must hold for every denoiser."""
    return in_clean_units(lambda y, s2: jnp.tanh(y / (1 + s2)) + 0.3 * jnp.sin(jnp.roll(y, 1, axis=-1) / (1 + s2)), scaling)


class Mixture(mixture.Mixture):
    """The library's mixture with draws and exact quantiles."""

    def quantiles(self, levels, s):
        """Quantiles of y in one dimension at noise s. The 1-D probability flow is monotone, so it maps quantiles to quantiles:
        its exact solution without any solver."""
        std = np.sqrt(self.stds**2 + s**2)
        cdf = lambda y, level: np.sum(self.weights * norm.cdf(y, self.means[:, 0], std)) - level
        return np.array([brentq(cdf, -20 * (1 + s), 20 * (1 + s), args=(level,), xtol=1e-14, rtol=1e-14) for level in levels])

    def sample(self, rows, seed=0):
        """[rows, D] draws."""
        random = np.random.default_rng(seed)
        k = random.choice(len(self.weights), rows, p=self.weights)
        return self.means[k] + self.stds[k][:, None] * random.standard_normal((rows, self.means.shape[1]))


MILD = Mixture(np.array([0.4, 0.6]), np.array([[-0.6], [0.7]]), np.array([0.5, 0.4]))


def mixture_16d():
    random = np.random.default_rng(3)
    return Mixture(np.array([0.3, 0.3, 0.4]), 0.7 * random.standard_normal((3, 16)), np.array([0.3, 0.5, 0.4]))


def discrete(values, probabilities, scaling):
    """Data that take values[k] with probabilities[k] in every dimension, independently."""

    def posterior_mean(y, s2):
        grid = jnp.asarray(values).reshape((1,) * y.ndim + (-1,))
        logits = jnp.log(probabilities).reshape(grid.shape) - 0.5 * (y[..., None] - grid) ** 2 / s2[..., None]
        return jnp.sum(jax.nn.softmax(logits, axis=-1) * grid, axis=-1)

    return in_clean_units(posterior_mean, scaling)


def quantised_gaussian(levels, std):
    """Probabilities [levels] of a Gaussian of `std` levels in the middle of the range, rounded to the nearest level."""
    edges = np.concatenate([[-np.inf], np.arange(levels - 1) + 0.5, [np.inf]])
    return np.diff(norm.cdf(edges, (levels - 1) / 2, std))


def quadrature(edges, nodes=12):
    """Points and weights of Gauss-Legendre on every piece between neighbouring edges."""
    unit, weights = np.polynomial.legendre.leggauss(nodes)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (1 + unit)).ravel(), (half * weights).ravel()


def keys(rows, seed=0):
    """[rows] random keys, without compiling anything."""
    return jax.random.wrap_key_data(np.random.default_rng(seed).integers(0, 2**32, (rows, 2), dtype=np.uint32))


def normal(*shape, seed=0):
    """N(0, 1) of a shape, a numpy array."""
    return np.random.default_rng(seed).standard_normal(shape)
