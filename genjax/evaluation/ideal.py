"""The ideal models of shapes at work: what the samplers and the bound do when nothing is left to learn.

Whatever these numbers lack, a trained model lacks too: they separate the error of a sampler from the error of a model.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from genjax import rng
from genjax.data.shapes import bayes, oracle, scenes
from genjax.data.shapes.scenes import Tier
from genjax.diffusion import grid, likelihood, solvers
from genjax.diffusion.process import Denoise, Process, alpha_sigma, bcast
from genjax.diffusion.quantizer import Palette
from genjax.types import Array, Key

SAMPLING = Process("linear", "vp", -6.0, 6.0)
PALETTE = Palette(tuple(map(tuple, bayes.to_unit(scenes.PALETTE.astype(np.float64)).tolist())))


class Judged(NamedTuple):
    """What the oracle says of samples.

    Attributes:
      valid: share of pictures in which every cell shows something that there is.
      count: mean number of objects.
      total_variation: between the samples' numbers of objects and the uniform distribution of the data; of n true scenes about sqrt(K / 6 n).
      count_std: standard deviation of the number of objects.
    """

    valid: float
    count: float
    total_variation: float
    count_std: float


def denoiser(tier: Tier, scaling: str) -> Denoise:
    """The ideal denoiser of x = alpha x0 + sigma eps."""

    def denoise(x: Array, logsnr: Array) -> Array:
        return bayes.denoise(tier, x / bcast(alpha_sigma(logsnr, scaling)[0], x), logsnr)

    return denoise


def draw_pictures(tier: Tier, solver: solvers.Solver, steps: int, keys: Key) -> Array:
    """Palette numbers [B, H, W] of samples of the ideal denoiser in `steps` evaluations from log-SNR -6 to 6; keys [B]."""
    points = grid.make("uniform_logsnr", SAMPLING, steps, "stop")
    start = solvers.initial(SAMPLING, keys, (tier.pixels, tier.pixels, 3), 1.0)
    found = solvers.sample(denoiser(tier, SAMPLING.scaling), solver, points, start, keys)
    return oracle.nearest(jnp.clip(jnp.round((found.x + 1) * 127.5), 0, 255))


def draw_codes(tier: Tier, steps: int, keys: Key) -> Array:
    """Palette numbers [B, H, W] of samples of the ideal masked model: random order, T / steps codes at a time, each from its own marginal."""
    rows, side = keys.shape[0], tier.patches
    positions = side * side
    order = jax.vmap(lambda key: jax.random.permutation(rng.fold_name(key, "order"), positions))(keys).reshape(rows, side, side)

    def reveal(codes: Array, step: Array) -> tuple[Array, None]:
        logits = jnp.log(jnp.maximum(bayes.marginals(tier, codes, order < step * positions // steps), 1e-30))
        drawn = jax.vmap(jax.random.categorical)(rng.each(keys, step), logits)
        shown = (order >= step * positions // steps) & (order < (step + 1) * positions // steps)
        return jnp.where(shown, drawn, codes), None

    codes, _ = jax.lax.scan(reveal, jnp.zeros((rows, side, side), jnp.int32), jnp.arange(steps))
    return jnp.asarray(scenes.CODE_BOOK)[codes].swapaxes(2, 3).reshape(rows, tier.pixels, tier.pixels).astype(jnp.int32)


# Name -> (tier, steps, keys) -> palette numbers.
SAMPLERS = {
    "ddim": lambda tier, steps, keys: draw_pictures(tier, solvers.make("ddim"), steps, keys),
    "ddpm": lambda tier, steps, keys: draw_pictures(tier, solvers.make("ddpm"), steps, keys),
    "masked_parallel": draw_codes,
}


def judge(tier: Tier, numbers: Array) -> Judged:
    """The oracle's verdict on palette numbers [B, H, W]."""
    facts = oracle.read_numbers(tier, numbers)
    count, valid = np.asarray(facts.k), np.asarray(facts.valid)
    shares = np.bincount(count, minlength=tier.max_count + 1) / len(count)
    uniform = np.pad(np.full(tier.max_count + 1, 1 / (tier.max_count + 1)), (0, len(shares) - tier.max_count - 1))
    return Judged(float(valid.mean()), float(count.mean()), float(np.abs(shares - uniform).sum() / 2), float(count.std()))


def run(tier: Tier, sampler: str, steps: int, rows: int, seed: int = 0, batch: int = 256) -> Judged:
    """`rows` samples, judged."""
    draw = jax.jit(partial(SAMPLERS[sampler], tier, steps))
    key = rng.stream(seed, sampler)
    numbers = [np.asarray(draw(rng.rows(key, jnp.arange(start, start + batch)))) for start in range(0, rows, batch)]
    return judge(tier, jnp.asarray(np.concatenate(numbers)[:rows]))


def bound_process(logsnr_max: float) -> Process:
    """A process whose noise end leaves no signal, and whose data end is given."""
    return Process("linear", "vp", -10.0, logsnr_max)


def bound(tier: Tier, process: Process, numbers: Array, keys: Key, times: int) -> likelihood.Bound:
    """The variational bound of the ideal denoiser with the palette's decoder, for palette numbers [B, H, W]; nats a row."""
    return likelihood.variational_bound(denoiser(tier, process.scaling), process, PALETTE, numbers, keys, times)


def bound_excess(tier: Tier, process: Process, numbers: Array, keys: Key) -> tuple[Array, Array]:
    """What the bound of the ideal denoiser exceeds -log p by, as two estimates [B] whose means are its two parts, in nats.

        E bound - H = KL(q(x_1) || N(0, 1)) + E[log p(x0 | x_0) - log P(x0 | x_0)]                       (1)

    by the identity of information and minimum mean-square error (Guo, Shamai and Verdu, 2005): the noise end that the prior does not match,
    and the data end, where the decoder takes pixels for independent. x_1 and x_0 are drawn; p is exact.
    """
    x0 = PALETTE.encode(numbers)
    noise = lambda name: rng.normal(jax.vmap(lambda key: rng.fold_name(key, name))(keys), x0.shape[1:])
    prior = bits_nats(tier, numbers)

    def log_density(y: Array, logsnr: Array) -> Array:
        return bayes.log_density(tier, y, logsnr)

    low, high = (jnp.full(x0.shape[:1], end, x0.dtype) for end in (process.logsnr_min, process.logsnr_max))
    alpha, sigma = alpha_sigma(low, process.scaling)
    eps = noise("noise end")
    y = x0 + bcast(sigma / alpha, x0) * eps
    dims = x0[0].size
    log_q = log_density(y, low) - dims * jnp.log(alpha)
    x = bcast(alpha, y) * y
    log_normal = -0.5 * jnp.sum(x**2, axis=(1, 2, 3)) - 0.5 * dims * jnp.log(2 * jnp.pi)

    eps = noise("data end")
    y = x0 + bcast(jnp.exp(-high / 2), x0) * eps
    log_given = -0.5 * jnp.sum(eps**2, axis=(1, 2, 3)) + 0.5 * dims * (high - jnp.log(2 * jnp.pi))
    log_posterior = log_given - prior - log_density(y, high)
    decoder = likelihood.decoder_nats(PALETTE, numbers, eps, process.logsnr_max)
    return log_q - log_normal, log_posterior + decoder


def bits_nats(tier: Tier, numbers: Array) -> Array:
    """-log p [B] in nats of palette numbers [B, H, W] that show scenes."""
    count = oracle.read_numbers(tier, numbers).k
    each = scenes.bits(tier, np.array(tier.counts)) * np.log(2)
    return jnp.asarray(each)[count]
