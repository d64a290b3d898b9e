"""The weighting w(lambda): how much each noise level matters, apart from how often it is visited.

    L = 1/2 E_{lambda ~ p} [ w(lambda)/p(lambda) |eps_hat - eps|^2 ]                                         (1)

w weighs the squared error of eps, p is the density of the time sampler over lambda: by the division the value of L does not depend on
the sampler, only its variance does. w = 1 is the (negative) evidence lower bound in nats. Published objectives in these coordinates,
up to a constant (Kingma & Gao, arXiv:2303.00848, re-derived by the tests from target, sampler and coefficient):

    elbo          1                                                     arXiv:2107.00630
    simple        sech(lambda/2)                                        eps-MSE, cosine t, arXiv:2006.11239, 2102.09672
    snr           sech(lambda/2) max(1, floor e^-lambda)                x0-MSE times max(SNR, floor), arXiv:2202.00512
    min_snr       sech(lambda/2) min(1, gamma e^-lambda)                x0-MSE times min(SNR, gamma), arXiv:2303.09556
    soft_min_snr  sech(lambda/2) gamma / (gamma + e^lambda)             its harmonic version, arXiv:2401.11605
    p2            sech(lambda/2) / (k + e^lambda)^gamma                 arXiv:2204.00227
    sigmoid       sigmoid(bias - lambda)                                arXiv:2303.00848, 2410.19324
    edm           N(lambda; -2 P_mean, (2 P_std)^2) (e^-lambda + sd^2)  arXiv:2206.00364
    flow          e^(-lambda/2)                                         flow-MSE, uniform t, arXiv:2210.02747

Two weightings are no function of lambda alone, and have functions of their own below:

    target_mse    p(lambda) (sigma/(alpha c_out))^2                     the plain squared error of the network's output (`implied`)
    uncertainty   e^(-u(lambda)), u learned                             arXiv:2312.02696
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from genjax.diffusion.prediction import coefficients
from genjax.diffusion.process import Process, alpha_sigma
from genjax.registry import NonNegative, Number, Positive, pick
from genjax.types import Array


def elbo(logsnr):
    return jnp.ones_like(logsnr)


def simple(logsnr):
    return 1 / jnp.cosh(logsnr / 2)


def snr(logsnr, floor: Positive = 1.0):
    return simple(logsnr) * jnp.maximum(1.0, floor * jnp.exp(-logsnr))


def min_snr(logsnr, gamma: Positive = 5.0):
    return simple(logsnr) * jnp.minimum(1.0, gamma * jnp.exp(-logsnr))


def soft_min_snr(logsnr, gamma: Positive = 4.0):
    return simple(logsnr) * gamma / (gamma + jnp.exp(logsnr))


def p2(logsnr, gamma: NonNegative = 1.0, k: Positive = 1.0):
    return simple(logsnr) / (k + jnp.exp(logsnr)) ** gamma


def sigmoid(logsnr, bias: Number = 2.0):
    return jax.nn.sigmoid(bias - logsnr)


def edm(logsnr, mean: Number = -1.2, std: Positive = 1.2, data_std: Positive = 0.5):
    density = jax.scipy.stats.norm.pdf(logsnr, -2 * mean, 2 * std)
    return density * (jnp.exp(-logsnr) + data_std**2)


def flow(logsnr):
    return jnp.exp(-logsnr / 2)


WEIGHTINGS: dict[str, Callable] = {
    "elbo": elbo,
    "simple": simple,
    "snr": snr,
    "min_snr": min_snr,
    "soft_min_snr": soft_min_snr,
    "p2": p2,
    "sigmoid": sigmoid,
    "edm": edm,
    "flow": flow,
}


def weight(name: str, logsnr: Array, **options: float) -> Array:
    """w(lambda) [B] of the table above at logsnr [B]; `options` are that weighting's keywords. UsageError for an unknown name."""
    return pick(WEIGHTINGS, name, "weighting")(logsnr, **options)


def implied(prediction: str, logsnr: Array, density: Array, scaling: str, data_std: float) -> Array:
    """w(lambda) [B] that a plain squared error in the network's own output stands for, at a sampler's density [B] over lambda.

    |F_hat - F|^2 = (sigma / (alpha c_out))^2 |eps_hat - eps|^2, and (1) with w/p equal to that factor gives w.
    """
    alpha, sigma = alpha_sigma(logsnr, scaling)
    return density * (sigma / (alpha * coefficients(prediction, logsnr, scaling, data_std).c_out)) ** 2


def uncertainty(loss: Array, log_variance: Array) -> Array:
    """EDM2's learned weighting, loss / e^u + u with u = log_variance(lambda): both [B].

    At its optimum u = log E[loss | lambda], so every noise level sends gradients of the same size (arXiv:2312.02696).
    """
    return loss * jnp.exp(-log_variance) + log_variance


def log_variance(table: Array, process: Process, logsnr: Array) -> Array:
    """u(lambda) [B]: the line through the values `table` [K] at K even steps of lambda between the ends of the process."""
    return jnp.interp(logsnr, jnp.linspace(process.logsnr_min, process.logsnr_max, table.size), table)
