"""Editing with an unconditional denoiser: by its start, by a solver's step, by its denoiser, or by its latent.

sdedit    start from data noised to an intermediate lambda                                              arXiv:2108.01073
repaint   after every step, put the known part in at its own noise level; to let the rest adapt, noise the result back
          up and repeat the step (resamples times, 1 is the replacement method of arXiv:2011.13456)     arXiv:2201.09865
dps       guide with the likelihood of a measurement m = A(x0) + N(0, r^2) at x0_hat,
          log p(m | x) = -|m - A(D)|^2 / (2 (r^2 + v)),  v = sd^2 s^2/(sd^2 + s^2)                      arXiv:2209.14687
          v is the spread of x0 given x for data of standard deviation sd, s = sigma/alpha (as in pseudoinverse guidance, ICLR 2023): with it
          the guidance is exact for Gaussian data seen through a mask, without it far too strong at high noise.
invert    a deterministic solver on `grid.reverse(grid)` turns data into its latent                     arXiv:2010.02502
slerp     the latents between two latents that keep the length of Gaussian noise
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from genjax import rng
from genjax.diffusion import guidance
from genjax.diffusion.process import Denoise, Process, bcast, inner, perturb
from genjax.diffusion.solvers import Solver
from genjax.errors import UsageError
from genjax.types import Array, Key


def sdedit(process: Process, x0: Array, logsnr: float, keys: Key) -> tuple[Process, Array]:
    """The rest of the process from `logsnr` on, and x0 [B, ...] noised to its start; keys [B].

    Make a grid over the returned process and sample from the returned x. UsageError unless logsnr lies below logsnr_max.
    """
    rest = dataclasses.replace(process, logsnr_min=logsnr)
    eps = rng.normal(rng.each(keys, 0), x0.shape[1:])
    return rest, perturb(rest, x0, jnp.full(x0.shape[:1], logsnr, x0.dtype), eps)


_DRAWS = 8  # numbers of draws set aside for one repetition: the solver's own come first, the last two are this file's


def repaint(solver: Solver, known: Array, mask: Array, resamples: int = 1) -> Solver:
    """A one-step solver that keeps to known data.

    Args:
      solver: one without memory; UsageError for a multistep solver, whose past is no longer its own after a replacement.
      known: [B, ...] clean data.
      mask: broadcastable to known, true where the data are known.
      resamples: times that each step is taken; all but the last are noised back up.

    The known part of the end is at the noise of the last grid point (or is x0_hat): paste `known` over it if it must be exact.
    """
    if solver.init(known) != ():
        raise UsageError("repaint needs a one-step solver such as ddpm, ddim or heun, not a multistep solver.")

    def step(y, memory, at):
        def once(repetition, y):
            here = at._replace(noise=lambda draw: at.noise(_DRAWS * repetition + draw))
            y, _ = solver.step(y, memory, here)
            y = jnp.where(mask, known + at.s_next * here.noise(_DRAWS - 1), y)
            up = y + at.s * jnp.sqrt(-jnp.expm1(-2 * at.h)) * here.noise(_DRAWS - 2)
            return jnp.where(repetition < resamples - 1, up, y)

        return jax.lax.fori_loop(0, resamples, once, y), memory

    return Solver(step, evaluations=resamples * solver.evaluations)


def dps(
    denoise: Denoise,
    measure: Callable[[Array], Array],
    measurement: Array,
    noise_std: float,
    data_std: float,
    scaling: str,
    scale: float = 1.0,
) -> Denoise:
    """Diffusion posterior sampling: the denoiser of x0 given a measurement.

    Args:
      denoise: (x [B, ...], logsnr [B]) -> x0_hat [B, ...].
      measure: A, x0 [B, ...] -> [B, ...], differentiable, each row of its own x0 only.
      measurement: m [B, ...] = A(x0) + noise_std N(0, 1).
      noise_std, data_std: r and sd.
      scaling: of the process.
      scale: 1 is the posterior, 0 ignores the measurement.
    """

    def log_prob(x0, logsnr):
        ratio = jnp.exp(-logsnr)  # s^2
        variance = noise_std**2 + data_std**2 * ratio / (data_std**2 + ratio)
        error = (measurement - measure(x0)) ** 2
        return -jnp.sum(error / bcast(2 * variance, error), axis=inner(error))

    return guidance.by_estimate(denoise, log_prob, scale, scaling)


def slerp(a: Array, b: Array, weight: ArrayLike) -> Array:
    """The point at `weight`, one or [B], of the arc from a to b, each row [B, ...] on its own."""
    weight = bcast(jnp.broadcast_to(weight, jnp.shape(a)[:1]), a)

    def dot(u, v):
        return jnp.sum(u * v, axis=inner(a), keepdims=True)

    angle = jnp.arccos(jnp.clip(dot(a, b) / jnp.sqrt(dot(a, a) * dot(b, b)), -1.0, 1.0))

    def part(w):  # sin(w angle)/sin(angle), finite for parallel rows
        return w * jnp.sinc(w * angle / jnp.pi) / jnp.sinc(angle / jnp.pi)

    return part(1 - weight) * a + part(weight) * b
