"""The forward process: a curve of log-SNR and a scaling.

    x = alpha x0 + sigma eps,   eps ~ N(0, I)                                                              (1)
    lambda = log(alpha^2 / sigma^2)                     the log-SNR, the noise coordinate of this package   (2)

A process is two independent choices. The *scaling* reads alpha and sigma off lambda. With r = e^(lambda/2) = alpha/sigma:

    vp     alpha^2 = sigmoid(lambda),   sigma^2 = sigmoid(-lambda)             alpha^2 + sigma^2 = 1        (3)
    ve     alpha = 1,                   sigma = 1/r                                                         (4)
    flow   alpha = sigmoid(lambda/2),   sigma = sigmoid(-lambda/2)             alpha + sigma = 1            (5)
    subvp  alpha = 2r/(1 + sqrt(1 + 4r^2)), sigma = alpha/r                    alpha^2 + sigma = 1          (6)

Nothing here forms sqrt(1 - alpha^2): in float32 it is wrong by 20 % at small noise, (3)-(6) keep every digit.

The *curve* is lambda(t), decreasing in t, with t = 0 the data and t = 1 the noise. A curve has a natural time u of its own:

    linear       lambda = -u
    cosine       lambda = -2 log tan(pi u / 2)                                  arXiv:2102.09672, 2107.00630
    linear_beta  lambda = -log(e^B - 1), B = beta_0 u + (beta_1 - beta_0) u^2/2  arXiv:2011.13456, beta = 0.1, 20
    karras       lambda = -2 rho log u, rho = 7                                 arXiv:2206.00364 (eq. 5)
    flow         lambda = 2 log((1 - u)/u)                                      arXiv:2209.03003

and every curve may be shifted: lambda(u) + shift. The shift 2 log(base/resolution) of a cosine is simple diffusion's
(arXiv:2301.11093), the shift -2 log(s) of a flow is the resolution shift of SD3 (arXiv:2403.03206, eq. 23).
A process cuts the piece [logsnr_min, logsnr_max] out of the curve and runs through it at an even pace,

    u(t) = (1 - t) u(logsnr_max) + t u(logsnr_min)                                                          (7)

so that the ends are exact and the shape of the curve, hence its density over lambda, is kept. A curve may also be a function of t of its
own between those ends (a `Path`): the learned one of `learned_curve`, bound to its parameters.
scaling: score SDE (arXiv:2011.13456), flow matching (arXiv:2210.02747); lambda: VDM (arXiv:2107.00630).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from genjax.errors import UsageError
from genjax.registry import pick
from genjax.types import Array

Denoise = Callable[[Array, Array], Array]  # (x [B, ...], logsnr [B]) -> x0_hat [B, ...], the network as this package sees it


def namespace(x: ArrayLike) -> ModuleType:
    """numpy for a numpy value, jax.numpy for anything else: grids are built on the host in float64 by the code that trains."""
    return np if isinstance(x, np.ndarray | np.generic) else jnp


def as_float(x: ArrayLike) -> Any:
    """A jax array as it is, a Python number as an array of jax's default precision; a numpy value stays numpy (see `namespace`)."""
    return x if isinstance(x, np.ndarray | np.generic) else jnp.asarray(x, dtype=float if isinstance(x, int | float) else None)


def bcast(v: Array, x: Array) -> Array:
    """v [B] as [B, 1, ..., 1] with the rank of x [B, ...]."""
    return jnp.reshape(v, jnp.shape(v) + (1,) * (jnp.ndim(x) - jnp.ndim(v)))


def inner(x: Array) -> tuple[int, ...]:
    """The axes of x [B, ...] but the batch."""
    return tuple(range(1, jnp.ndim(x)))


# ---- scalings: lambda -> (alpha, sigma) ----------------------------------------------------------------------------


def _sigmoid(x):
    return 1.0 / (1.0 + namespace(x).exp(-x))


def _vp(logsnr):
    xp = namespace(logsnr)
    return xp.sqrt(_sigmoid(logsnr)), xp.sqrt(_sigmoid(-logsnr))


def _ve(logsnr):
    xp = namespace(logsnr)
    return xp.ones_like(logsnr), xp.exp(-logsnr / 2)


def _flow(logsnr):
    return _sigmoid(logsnr / 2), _sigmoid(-logsnr / 2)


def _subvp(logsnr):
    xp = namespace(logsnr)
    inverse_r = xp.exp(-logsnr / 2)
    alpha = 2.0 / (inverse_r + xp.sqrt(inverse_r**2 + 4.0))
    return alpha, inverse_r * alpha


SCALINGS: dict[str, Callable] = {"vp": _vp, "ve": _ve, "flow": _flow, "subvp": _subvp}


def alpha_sigma(logsnr: ArrayLike, scaling: str) -> tuple[Array, Array]:
    """(alpha, sigma) of equations (3)-(6), in the shape and type of `logsnr`; UsageError for an unknown scaling."""
    return pick(SCALINGS, scaling, "scaling")(as_float(logsnr))


# ---- curves: natural time (u, 1 - u) <-> lambda --------------------------------------------------------------------
# A curve gets and gives the complement 1 - u beside u, because a float32 u near 1 no longer knows it.


class Curve(NamedTuple):
    """logsnr(u, 1 - u) -> lambda, and its inverse time(lambda) -> (u, 1 - u)."""

    logsnr: Callable
    time: Callable


def _linear() -> Curve:
    return Curve(lambda u, _: -u, lambda logsnr: (-logsnr, 1.0 + logsnr))


def _cosine() -> Curve:
    def logsnr(u, complement):
        xp = namespace(u)
        return 2.0 * xp.log(xp.sin(math.pi / 2 * complement) / xp.sin(math.pi / 2 * u))

    def time(logsnr):
        xp = namespace(logsnr)
        return 2 / math.pi * xp.arctan(xp.exp(-logsnr / 2)), 2 / math.pi * xp.arctan(xp.exp(logsnr / 2))

    return Curve(logsnr, time)


def _linear_beta(beta_0: float = 0.1, beta_1: float = 20.0) -> Curve:
    def logsnr(u, _):
        xp = namespace(u)
        return -xp.log(xp.expm1(beta_0 * u + 0.5 * (beta_1 - beta_0) * u**2))

    def time(logsnr):
        xp = namespace(logsnr)
        integral = xp.logaddexp(-logsnr, xp.zeros_like(logsnr))  # log(1 + e^-lambda), the integral of beta
        u = 2 * integral / (beta_0 + xp.sqrt(beta_0**2 + 2 * (beta_1 - beta_0) * integral))
        return u, 1.0 - u

    return Curve(logsnr, time)


def _karras(rho: float = 7.0) -> Curve:
    def time(logsnr):
        u = namespace(logsnr).exp(-logsnr / (2 * rho))
        return u, 1.0 - u

    return Curve(lambda u, _: -2 * rho * namespace(u).log(u), time)


def _rectified_flow() -> Curve:
    return Curve(
        lambda u, complement: 2.0 * namespace(u).log(complement / u),
        lambda logsnr: (_sigmoid(-logsnr / 2), _sigmoid(logsnr / 2)),
    )


CURVES: dict[str, Curve] = {
    "linear": _linear(),
    "cosine": _cosine(),
    "linear_beta": _linear_beta(),
    "karras": _karras(),
    "flow": _rectified_flow(),
}


Path = Callable[["Process", Array], tuple[Array, Array]]  # (process, t of any shape) -> lambda and -dlambda/dt > 0

# ---- the process ---------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Process:
    """A curve of log-SNR between two finite ends, and a scaling.

    Attributes:
      curve: a name in CURVES, or a Path, which knows no shift.
      scaling: a name in SCALINGS.
      logsnr_min: lambda at t = 1, the noisiest level.
      logsnr_max: lambda at t = 0, the cleanest level.
      shift: added to the curve before it is cut to the ends; it moves the density over lambda, never the ends.

    Raises:
      UsageError: an unknown name, or ends that are not finite or not in order.
    """

    curve: str | Path
    scaling: str
    logsnr_min: float
    logsnr_max: float
    shift: float = 0.0

    def __post_init__(self):
        if isinstance(self.curve, str):
            pick(CURVES, self.curve, "log-SNR curve")
        pick(SCALINGS, self.scaling, "scaling")
        if not all(map(math.isfinite, (self.logsnr_min, self.logsnr_max, self.shift))):
            raise UsageError(
                f"A process needs finite log-SNR ends, not logsnr_min={self.logsnr_min}, logsnr_max={self.logsnr_max}, "
                f"shift={self.shift}: at an infinite end alpha or sigma is 0 and predictions divide by it."
            )
        if self.logsnr_min >= self.logsnr_max:
            raise UsageError(f"logsnr_min={self.logsnr_min} must lie below logsnr_max={self.logsnr_max}: the first is noise, the second data.")

    @property
    def _named(self) -> Curve:
        assert isinstance(self.curve, str), "a Path has no natural time"
        return CURVES[self.curve]

    def _ends(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """((u, 1 - u) at the data end, (u, 1 - u) at the noise end), in float64 on the host."""
        time = self._named.time
        data, noise = (time(np.float64(end - self.shift)) for end in (self.logsnr_max, self.logsnr_min))
        return (float(data[0]), float(data[1])), (float(noise[0]), float(noise[1]))

    def _interior(self, t):
        """Equation (7), then the curve: exact ends up to rounding, differentiable up to them."""
        (u_0, c_0), (u_1, c_1) = self._ends()
        return self._named.logsnr((1 - t) * u_0 + t * u_1, (1 - t) * c_0 + t * c_1) + self.shift

    def logsnr(self, t: ArrayLike) -> Array:
        """lambda at t in [0, 1], any shape; exactly logsnr_max at 0 and logsnr_min at 1."""
        if not isinstance(self.curve, str):
            return self.curve(self, jnp.asarray(t))[0]
        xp = namespace(t)
        at = as_float(t)
        inside = xp.clip(self._interior(at), self.logsnr_min, self.logsnr_max)
        return xp.where(at <= 0, self.logsnr_max, xp.where(at >= 1, self.logsnr_min, inside))

    def time(self, logsnr: ArrayLike) -> Array:
        """t in [0, 1] of lambda, any shape: the inverse of `logsnr`, for a curve with a name."""
        xp = namespace(logsnr)
        logsnr = as_float(logsnr)
        (u_0, _), (u_1, _) = self._ends()
        return xp.clip((self._named.time(logsnr - self.shift)[0] - u_0) / (u_1 - u_0), 0.0, 1.0)

    def slope(self, t: ArrayLike) -> Array:
        """-d lambda / dt > 0, any shape; 1 / slope is the density over lambda of a uniform t."""
        if not isinstance(self.curve, str):
            return self.curve(self, jnp.asarray(t))[1]
        t = as_float(t)
        return jax.jvp(self._interior, (t,), (-jnp.ones_like(t),))[1]


def perturb(process: Process, x0: Array, logsnr: Array, eps: Array) -> Array:
    """Equation (1): x [B, ...] of x0 [B, ...], logsnr [B] and eps [B, ...]."""
    alpha, sigma = alpha_sigma(logsnr, process.scaling)
    return bcast(alpha, x0) * x0 + bcast(sigma, x0) * eps


def prior_std(process: Process, data_std: float) -> Array:
    """Standard deviation of x at t = 1, sqrt(alpha^2 data_std^2 + sigma^2): where samplers start and likelihoods end.

    Leaving out the data's own variance would start samples too narrow and misplace every likelihood, to first order in
    (alpha data_std / sigma)^2 times the number of dimensions.
    """
    alpha, sigma = alpha_sigma(process.logsnr_min, process.scaling)
    return jnp.sqrt((alpha * data_std) ** 2 + sigma**2)
