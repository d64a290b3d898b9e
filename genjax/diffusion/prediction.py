"""What the network predicts: seven targets, one affine map.

A target is a row of two coefficients, F = a x0 + b eps. With x = alpha x0 + sigma eps the 2 x 2 system gives x0 back:

    x0_hat = c_skip x + c_out F,   c_skip = b/d,  c_out = -sigma/d,  d = alpha b - sigma a                  (1)

    name       a                   b                     d                         source
    x0         1                   0                     -sigma
    eps        0                   1                     alpha                     arXiv:2006.11239
    score      0                   -1/sigma              -alpha/sigma              arXiv:2011.13456
    v          -sigma              alpha                 alpha^2 + sigma^2         arXiv:2202.00512
    flow       -1                  1                     alpha + sigma             arXiv:2209.03003
    velocity   alpha'              sigma'                alpha sigma/2             arXiv:2210.02747
    edm        sigma c_in/sd       -alpha sd c_in        -1/(c_in sd)              arXiv:2206.00364 (eq. 7)

where ' = -d/dlambda: `velocity` is the drift of the probability flow per unit of falling lambda, slope(t) times it the drift per unit of
t. `flow` is the velocity d/dtau of the normalised state x/(alpha + sigma) in the flow time tau = sigma/(alpha + sigma), the
rectified-flow target under any scaling. Every target is fed c_in x, which has unit variance for data of standard deviation sd:

    c_in = 1/sqrt(alpha^2 sd^2 + sigma^2)                                                                   (2)

No d is a difference of like terms, so every pair of target and scaling is well-posed at finite lambda. Where x is nearly all noise, (1) may
still subtract noise from noise: c_skip x is c_skip/c_in times unit variance, and one digit of x0_hat is lost for every factor of ten in it. It
is sigma/alpha for eps and score (and for velocity under ve); x0, v, flow and edm keep all digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from genjax.diffusion.process import Process, alpha_sigma, as_float, bcast
from genjax.errors import UsageError
from genjax.registry import pick
from genjax.types import Array


class Coefficients(NamedTuple):
    """[B] each: the network sees c_in * x, and x0_hat = c_skip * x + c_out * F."""

    c_in: Array
    c_skip: Array
    c_out: Array


def _c_in(alpha, sigma, data_std):
    return 1 / jnp.sqrt((alpha * data_std) ** 2 + sigma**2)


def _rates(logsnr: Array, scaling: str) -> tuple[Array, Array]:
    """(alpha', sigma') with ' = -d/dlambda, by forward differentiation of the scaling."""
    return jax.jvp(lambda at: alpha_sigma(at, scaling), (logsnr,), (-jnp.ones_like(logsnr),))[1]


# ---- targets: (logsnr, scaling, data_std) -> (a, b) of F = a x0 + b eps ---------------------------------------------


def _x0(logsnr, scaling, data_std):
    return jnp.ones_like(logsnr), jnp.zeros_like(logsnr)


def _eps(logsnr, scaling, data_std):
    return jnp.zeros_like(logsnr), jnp.ones_like(logsnr)


def _score(logsnr, scaling, data_std):
    return jnp.zeros_like(logsnr), -1 / alpha_sigma(logsnr, scaling)[1]


def _v(logsnr, scaling, data_std):
    alpha, sigma = alpha_sigma(logsnr, scaling)
    return -sigma, alpha


def _flow(logsnr, scaling, data_std):
    return -jnp.ones_like(logsnr), jnp.ones_like(logsnr)


def _velocity(logsnr, scaling, data_std):
    return _rates(logsnr, scaling)


def _edm(logsnr, scaling, data_std):
    alpha, sigma = alpha_sigma(logsnr, scaling)
    c_in = _c_in(alpha, sigma, data_std)
    return sigma * c_in / data_std, -alpha * data_std * c_in


PREDICTIONS: dict[str, Callable] = {
    "x0": _x0,
    "eps": _eps,
    "score": _score,
    "v": _v,
    "flow": _flow,
    "velocity": _velocity,
    "edm": _edm,
}

_LARGEST_SKIP = 1e5  # c_skip/c_in at which a float32 x0_hat has 2 digits left
_LARGEST_LOGSNR = 27.0  # where float32 rounds x by a twentieth of its noise: 2^-24 alpha/sigma = .04


def check(prediction: str, process: Process) -> None:
    """Refuse an unknown target, one that cannot recover the data at the noise end of this process ("zero terminal SNR"), and a data end at which
    float32 cannot hold the noise.

    Raises:
      UsageError: with the targets that work there.
    """
    if process.logsnr_max > _LARGEST_LOGSNR:
        raise UsageError(
            f"logsnr_max={process.logsnr_max:g} is noise that float32 rounds away: set it to {_LARGEST_LOGSNR:g} or less "
            "(at 13.3, 256 levels are told apart)."
        )
    with jax.ensure_compile_time_eval():  # a refusal needs numbers, also under jit
        c = coefficients(prediction, process.logsnr_min, process.scaling, 1.0)
        amplification = float(c.c_skip / c.c_in)
    if not amplification < _LARGEST_SKIP:
        raise UsageError(
            f"prediction={prediction!r} cannot recover the data at logsnr_min={process.logsnr_min}: it subtracts noise from noise there. "
            f"Use x0, v, flow or edm, or raise logsnr_min to {-2 * math.log(_LARGEST_SKIP):.0f} or more."
        )


def coefficients(prediction: str, logsnr: ArrayLike, scaling: str, data_std: float) -> Coefficients:
    """Equations (1) and (2) at logsnr [B]; UsageError for an unknown prediction or scaling."""
    logsnr = as_float(logsnr)
    alpha, sigma = alpha_sigma(logsnr, scaling)
    a, b = pick(PREDICTIONS, prediction, "prediction")(logsnr, scaling, data_std)
    determinant = alpha * b - sigma * a
    return Coefficients(_c_in(alpha, sigma, data_std), b / determinant, -sigma / determinant)


def to_x0(prediction: str, x: Array, output: Array, logsnr: Array, scaling: str, data_std: float) -> Array:
    """x0_hat [B, ...] of the noisy x [B, ...], the network output [B, ...] and logsnr [B]: equation (1)."""
    c = coefficients(prediction, logsnr, scaling, data_std)
    return bcast(c.c_skip, x) * x + bcast(c.c_out, x) * output


def target(prediction: str, x0: Array, eps: Array, logsnr: Array, scaling: str, data_std: float) -> Array:
    """F = a x0 + b eps [B, ...]: the output for which `to_x0` gives x0 [B, ...] back; logsnr [B]."""
    a, b = pick(PREDICTIONS, prediction, "prediction")(as_float(logsnr), scaling, data_std)
    return bcast(a, x0) * x0 + bcast(b, x0) * eps


def eps_from_x0(x: Array, x0: Array, logsnr: Array, scaling: str) -> Array:
    """eps_hat = (x - alpha x0_hat) / sigma, all [B, ...]."""
    alpha, sigma = alpha_sigma(logsnr, scaling)
    return (x - bcast(alpha, x) * x0) / bcast(sigma, x)
