"""Samplers that walk down a grid of noise levels.

Every solver is written in the coordinates y = x/alpha, s = sigma/alpha = e^(-lambda/2), in which every scaling is variance exploding:

    y = x0 + s eps,     D(y, lambda) = x0_hat = denoise(alpha y, lambda),     eps_hat = (y - D)/s             (1)
    dy/ds = eps_hat,    dy/dtau = D - y   with tau = lambda/2 = -log s         (the probability flow)         (2)

The scaling enters only in the call of the denoiser. So on one lambda grid VP, VE, flow and sub-VP share one trajectory by construction, and
Euler in s is DDIM is Euler in flow time. A step goes from s to s' < s; h = tau' - tau = log(s/s') > 0; z are fresh N(0, 1). Every solver
names the variable it integrates in, because a second-order step is another step in another variable.

    ddim(eta)           y' = D + s_down eps_hat + s_up z,  s_up = eta s' sqrt(1 - s'^2/s^2),  s_down^2 = s'^2 - s_up^2
    euler, ddpm         ddim(0), Euler in s; ddim(1), ancestral sampling: the posterior q(x_s' | x_s, x0_hat)
    heun                the trapezoidal rule in s
    dpm2                the midpoint rule in s, the midpoint that of tau
    dpmpp_2m            exponential in tau: y' = e^-h y + (1 - e^-h) M,  M = D + h/(2 h_last) (D - D_last)
    dpmpp_2m_sde(eta)   the same with decay e^-(1+eta)h and noise s' sqrt(1 - e^(-2 eta h)) z
    unipc               UniP-2, which is dpmpp_2m; then UniC-2: once D' is known, the exact integral of (2) over the parabola
                        through D_last, D, D'. Third order for one evaluation a step
    edm_churn           noise up to s (1 + gamma), then heun down to s'
    euler_maruyama      the reverse SDE in s^2: y' = y + (s^2 - s'^2) score + sqrt(s^2 - s'^2) z
    pc                  a Langevin corrector at s, then euler_maruyama

ddim arXiv:2010.02502; ddpm arXiv:2006.11239; heun, edm_churn arXiv:2206.00364 (alg. 1, 2); dpm2 arXiv:2206.00927; dpmpp_2m
arXiv:2211.01095; dpmpp_2m_sde the same, in its midpoint form; unipc arXiv:2302.04867; euler_maruyama, pc arXiv:2011.13456 (app. G).

A row's noise is keyed by (row key, step), so a sample does not depend on its batch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from genjax import rng
from genjax.diffusion.grid import Grid
from genjax.diffusion.process import Denoise, Process, alpha_sigma, bcast, inner, prior_std
from genjax.errors import UsageError
from genjax.registry import Fraction, NonNegative, Positive, pick
from genjax.types import Array, Key


class Solution(NamedTuple):
    """What a sampler gives.

    Attributes:
      x: [B, ...] at the end.
      nfe: calls of `denoise` for each sample; a guided denoiser evaluates its network twice a call.
      path: [N + 1, B, ...] x at every point of the grid; where nobody looks at it, the compiler drops it.
    """

    x: Array
    nfe: Array | int
    path: Array


class Step(NamedTuple):
    """One step of a grid as a solver sees it.

    Attributes:
      number: scalar, 0 for the first step.
      nodes: the number of points of the grid.
      logsnr, logsnr_next: scalars, lambda before and after the step.
      model: (y [B, ...], scalar lambda) -> D of equation (1).
      noise: number of the draw -> N(0, 1) in the shape of y.
    """

    number: Array
    nodes: int
    logsnr: Array
    logsnr_next: Array
    model: Callable[[Array, Array], Array]
    noise: Callable[[int], Array]

    @property
    def s(self) -> Array:
        return jnp.exp(-self.logsnr / 2)

    @property
    def s_next(self) -> Array:
        return jnp.exp(-self.logsnr_next / 2)

    @property
    def h(self) -> Array:
        return (self.logsnr_next - self.logsnr) / 2


@dataclasses.dataclass(frozen=True)
class Solver:
    """A sampler as values.

    Attributes:
      step: (y, memory, Step) -> (y, memory).
      init: y -> memory before the first step.
      evaluations: calls of the denoiser in a step.
    """

    step: Callable[[Array, Any, Step], tuple[Array, Any]]
    init: Callable[[Array], Any] = lambda y: ()
    evaluations: int = 1


# ---- one-step solvers ----------------------------------------------------------------------------------------------


def ddim(eta: Fraction = 0.0) -> Solver:
    """Denoising diffusion implicit models; `eta` scales the standard deviation of the fresh noise, as in the paper."""

    def step(y, memory, at):
        x0 = at.model(y, at.logsnr)
        eps_hat = (y - x0) / at.s
        if not eta:  # no root of s^2 - s'^2, so that a reversed grid inverts the sampler
            return x0 + at.s_next * eps_hat, memory
        up = eta * at.s_next * jnp.sqrt(-jnp.expm1(-2 * at.h))
        down = jnp.sqrt(at.s_next**2 - up**2)
        return x0 + down * eps_hat + up * at.noise(0), memory

    return Solver(step)


def euler() -> Solver:
    """Euler on the probability flow in s."""
    return ddim(eta=0.0)


def ddpm() -> Solver:
    """Ancestral sampling."""
    return ddim(eta=1.0)


def heun() -> Solver:
    """The trapezoidal rule in s, second order."""

    def step(y, memory, at):
        return _trapezoid(y, at.logsnr, at), memory

    return Solver(step, evaluations=2)


def _trapezoid(y: Array, logsnr: Array, at: Step) -> Array:
    """Heun's step in s from lambda = logsnr to the end of the step."""
    s = jnp.exp(-logsnr / 2)
    slope = (y - at.model(y, logsnr)) / s
    there = y + (at.s_next - s) * slope
    slope_there = (there - at.model(there, at.logsnr_next)) / at.s_next
    return y + (at.s_next - s) * (slope + slope_there) / 2


def dpm2() -> Solver:
    """DPM-Solver-2: the midpoint rule, second order."""

    def step(y, memory, at):
        middle = (at.logsnr + at.logsnr_next) / 2
        s_middle = jnp.exp(-middle / 2)
        half = y + (s_middle - at.s) * (y - at.model(y, at.logsnr)) / at.s
        slope = (half - at.model(half, middle)) / s_middle
        return y + (at.s_next - at.s) * slope, memory

    return Solver(step, evaluations=2)


def edm_churn(s_churn: NonNegative = 40.0, s_min: NonNegative = 0.0, s_max: NonNegative = float("inf"), s_noise: Positive = 1.0) -> Solver:
    """EDM's stochastic sampler: where s_min <= s <= s_max, gamma = min(s_churn/nodes, sqrt(2) - 1).

    s_noise != 1 biases the variance however fine the grid is (1.003 leaves .25156 where .25 is right). UsageError where no s lies between.
    """
    if s_min > s_max:
        raise UsageError(f"edm_churn with s_min={s_min:g} above s_max={s_max:g} would never add noise: exchange them, or use heun.")

    def step(y, memory, at):
        gamma = jnp.where((s_min <= at.s) & (at.s <= s_max), min(s_churn / at.nodes, 2**0.5 - 1), 0.0)
        y = y + s_noise * at.s * jnp.sqrt(gamma * (2 + gamma)) * at.noise(0)
        return _trapezoid(y, at.logsnr - 2 * jnp.log1p(gamma), at), memory

    return Solver(step, evaluations=2)


def euler_maruyama() -> Solver:
    """Euler-Maruyama on the reverse SDE, in the variable s^2."""

    def step(y, memory, at):
        fall = -jnp.expm1(-2 * at.h)  # (s^2 - s'^2)/s^2
        y = y + fall * (at.model(y, at.logsnr) - y) + at.s * jnp.sqrt(fall) * at.noise(0)
        return y, memory

    return Solver(step)


def pc(snr: Positive = 0.16) -> Solver:
    """Predictor-corrector. The corrector's step size is 2 (snr |z|/|score|)^2 with the norms of each sample, not of the batch."""
    predictor = euler_maruyama()

    def step(y, memory, at):
        score, z = (at.model(y, at.logsnr) - y) / at.s**2, at.noise(1)
        size = 2 * snr**2 * jnp.sum(z**2, axis=inner(y), keepdims=True) / jnp.sum(score**2, axis=inner(y), keepdims=True)
        return predictor.step(y + size * score + jnp.sqrt(2 * size) * z, memory, at)

    return Solver(step, evaluations=2)


# ---- multistep solvers ---------------------------------------------------------------------------------------------
# A missing last step is one infinitely long ago: h_last = inf, and its divided differences are 0.


def _extrapolate(x0: Array, last: Array, h: Array, h_last: Array) -> Array:
    """D half a step ahead, on the line through D_last and D."""
    return x0 + h / (2 * h_last) * (x0 - last)


def dpmpp_2m_sde(eta: NonNegative = 1.0) -> Solver:
    """DPM-Solver++(2M) for the SDE; eta = 0 is the deterministic solver."""

    def step(y, memory, at):
        last, h_last = memory
        x0 = at.model(y, at.logsnr)
        ahead = _extrapolate(x0, last, at.h, h_last)
        decay = (1 + eta) * at.h
        y = jnp.exp(-decay) * y - jnp.expm1(-decay) * ahead
        if eta:
            y = y + at.s_next * jnp.sqrt(-jnp.expm1(-2 * eta * at.h)) * at.noise(0)
        return y, (x0, at.h)

    return Solver(step, lambda y: (jnp.zeros_like(y), jnp.asarray(jnp.inf, y.dtype)))


def dpmpp_2m() -> Solver:
    """DPM-Solver++(2M), second order for one evaluation a step."""
    return dpmpp_2m_sde(eta=0.0)


class _History(NamedTuple):
    """Where the last step of unipc began: its y, the D there and one step earlier, and the lengths of both steps."""

    y: Array
    x0: Array
    x0_last: Array
    h: Array
    h_last: Array


def unipc() -> Solver:
    """UniPC-2: UniP-2 and UniC-2. The last point of a grid that stops is predicted, not corrected."""

    def corrected(past: _History, x0: Array) -> Array:
        """The step of `past` again, now that its end x0 is known: exact for D quadratic in tau."""
        slope, slope_last = (x0 - past.x0) / past.h, (past.x0 - past.x0_last) / past.h_last
        curvature = (slope - slope_last) / (past.h + past.h_last)
        power_0 = -jnp.expm1(-past.h)  # power_n: the integral of e^-(h-u) u^n over [0, h]
        power_1 = past.h - power_0
        power_2 = past.h**2 - 2 * power_1
        bend = power_2 - past.h * power_1
        return jnp.exp(-past.h) * past.y + power_0 * past.x0 + power_1 * slope + bend * curvature

    def step(y, past, at):
        first = at.number == 0
        x0 = at.model(y, at.logsnr)
        y = jnp.where(first, y, corrected(past, x0))
        h_last = jnp.where(first, jnp.inf, past.h)
        ahead = _extrapolate(x0, past.x0, at.h, h_last)
        return jnp.exp(-at.h) * y - jnp.expm1(-at.h) * ahead, _History(y, x0, past.x0, at.h, h_last)

    def init(y):
        one = jnp.ones((), y.dtype)
        return _History(y, jnp.zeros_like(y), jnp.zeros_like(y), one, jnp.inf * one)

    return Solver(step, init)


SOLVERS: dict[str, Callable[..., Solver]] = {
    "euler": euler,
    "ddim": ddim,
    "ddpm": ddpm,
    "heun": heun,
    "dpm2": dpm2,
    "dpmpp_2m": dpmpp_2m,
    "dpmpp_2m_sde": dpmpp_2m_sde,
    "unipc": unipc,
    "edm_churn": edm_churn,
    "euler_maruyama": euler_maruyama,
    "pc": pc,
}


def make(name: str, **options) -> Solver:
    """The solver `name` of SOLVERS with its options; UsageError for an unknown name."""
    return pick(SOLVERS, name, "solver")(**options)


# ---- the walk ------------------------------------------------------------------------------------------------------


def initial(process: Process, keys: Key, shape: tuple[int, ...], data_std: float) -> Array:
    """x [B, *shape] at the noise end, N(0, prior_std^2); keys [B]."""
    return rng.normal(jax.vmap(lambda key: rng.fold_name(key, "initial"))(keys), shape) * prior_std(process, data_std)


def sample(denoise: Denoise, solver: Solver, grid: Grid, x: Array, keys: Key) -> Solution:
    """Walk x [B, ...] down the grid.

    Args:
      denoise: (x [B, ...], logsnr [B]) -> x0_hat [B, ...].
      solver: from `make`.
      grid: N + 1 noise levels; x lives at the first of them.
      x: [B, ...] noisy start, from `initial` or `editing`.
      keys: [B], one a sample.

    Returns:
      Solution; its x is x0_hat if grid.final is "denoise", and x at the last point otherwise.
    """

    def noise(index, draw):
        return rng.normal(rng.each(rng.each(keys, index), draw), x.shape[1:]).astype(x.dtype)

    return walk(denoise, solver, grid, x, noise)


def walk(denoise: Denoise, solver: Solver, grid: Grid, x: Array, noise: Callable[[Array, int], Array]) -> Solution:
    """`sample` with its noise given as a function of (step, number of the draw in the step) -> [B, ...]."""
    logsnr = jnp.asarray(grid.logsnr, x.dtype)
    alpha = jnp.asarray(grid.alpha, x.dtype)

    def model(y, here):
        return denoise(alpha_sigma(here, grid.scaling)[0] * y, jnp.full(y.shape[:1], here))

    def body(carry, node):
        (y, memory), (index, here, there) = carry, node
        at = Step(index, grid.steps + 1, here, there, model, lambda draw: noise(index, draw))
        y, memory = solver.step(y, memory, at)
        return (y, memory), y

    y = x / alpha[0]
    (y, _), path = jax.lax.scan(body, (y, solver.init(y)), (jnp.arange(grid.steps), logsnr[:-1], logsnr[1:]))
    path = jnp.concatenate([x[None], path * bcast(alpha[1:], path)])
    nfe = grid.steps * solver.evaluations
    if grid.final == "denoise":
        return Solution(model(y, logsnr[-1]), nfe + 1, path)
    return Solution(y * alpha[-1], nfe, path)
