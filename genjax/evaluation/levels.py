"""Where the bits above the entropy are: a denoiser of scenes beside the ideal one, noise level by noise level.

A variational bound costs 1/2 times the integral over the log-SNR of e^logsnr E|x0 - x0_hat|^2 nats. The ideal x0* = E[x0 | x] is an orthogonal
projection, so for any other estimate

    E|x0 - x0_hat|^2 = E|x0 - x0*|^2 + E|x0* - x0_hat|^2                                                    (1)

and a model's bound exceeds the ideal denoiser's by 1/2 times the integral of e^logsnr E|x0* - x0_hat|^2, a sum of squares in which the scenes
themselves have no part: it is small where the model is good, and so is its error. The first term of (1) is what the noise hides from anybody.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from genjax import rng
from genjax.config import require
from genjax.data.loader import eval_batches
from genjax.data.shapes.prompts import SceneData
from genjax.diffusion.process import Denoise, Process, perturb
from genjax.diffusion.quantizer import Quantizer
from genjax.evaluation import ideal
from genjax.evaluation.evaluator import Evaluator
from genjax.evaluation.statistics import Estimate
from genjax.objectives.base import Given
from genjax.objectives.spaces import Space
from genjax.training.setup import Run
from genjax.types import Array, Batch, Key, Params


@runtime_checkable
class Denoises(Protocol):
    """An objective with an estimate of the clean image at every noise level."""

    process: Process
    space: Space

    def denoiser(self, params: Params, given: Given) -> Denoise:
        """(x, logsnr) -> x0_hat."""
        raise NotImplementedError


class Row(NamedTuple):
    """Bits an image between two log-SNRs.

    Attributes:
      low, high: the log-SNRs.
      ideal: what the ideal denoiser's error costs.
      above: how many more the model's costs, equation (1).
    """

    low: float
    high: float
    ideal: Estimate
    above: Estimate


def check(run: Run) -> None:
    """UsageError for models of other data, of captions, or without a denoiser of pixels."""
    objective, prompts = run.objective, run.source.prompts
    pixels = isinstance(objective, Denoises) and isinstance(objective.space.frame, Quantizer)
    require(
        pixels and isinstance(prompts, SceneData) and not run.captioned,
        "--noise_levels: the ideal denoiser is known for noise_prediction in the pixels of shapes, without captions",
    )


def measure(evaluator: Evaluator, params: Params, count: int | None, intervals: int = 15) -> list[Row]:
    """Of the first `count` held-out scenes, or of all, each at one noise level in every interval; the last row is the sum."""
    check(evaluator.run)
    run, objective, prompts = evaluator.run, evaluator.run.objective, evaluator.run.source.prompts
    assert isinstance(objective, Denoises) and isinstance(objective.space.frame, Quantizer) and isinstance(prompts, SceneData)
    process, quantizer = objective.process, objective.space.frame
    edges = np.linspace(process.logsnr_min, process.logsnr_max, intervals + 1)
    best = ideal.denoiser(prompts.tier, process.scaling)

    def nats(params: Params, batch: Batch, key: Key) -> tuple[Array, Array]:
        """What the ideal costs and what the model costs above it [intervals, B], nats."""
        x0, denoise = quantizer.encode(batch[run.source.spec.key]), objective.denoiser(params, Given.of(batch))
        keys = rng.rows(key, batch["id"])

        def at(interval: Array) -> tuple[Array, Array]:
            mine = rng.each(keys, interval)
            low, width = jnp.asarray(edges)[interval], (process.logsnr_max - process.logsnr_min) / intervals
            logsnr = low + width * jax.vmap(lambda key: jax.random.uniform(rng.fold_name(key, "level")))(mine)
            x = perturb(process, x0, logsnr, rng.normal(mine, x0.shape[1:]))
            right = best(x, logsnr)
            cost = lambda error: 0.5 * width * jnp.exp(logsnr) * jnp.sum(jnp.square(error), axis=(1, 2, 3))
            return cost(x0 - right), cost(right - denoise(x, logsnr))

        return jax.lax.map(at, jnp.arange(intervals))

    measured, key, parts = jax.jit(nats), rng.stream(run.config.seed, "noise levels"), []
    for batch in eval_batches(run.source, evaluator.batch_size, limit=count):
        found = measured(params, batch, key)
        parts.append(np.stack(found)[:, :, np.asarray(batch["weight"]) > 0])
    bits = np.concatenate(parts, axis=2, dtype=np.float64) / math.log(2)
    bits = np.concatenate([bits, bits.sum(axis=1, keepdims=True)], axis=1)
    ends = [*itertools.pairwise(edges), (edges[0], edges[-1])]
    return [Row(float(low), float(high), *map(_mean, bits[:, i])) for i, (low, high) in enumerate(ends)]


def lines(rows: list[Row]) -> list[str]:
    """The measurement as a table for people."""
    written = [f"  {'log-SNR':<16} {'ideal, bits/image':<22} more than that"]
    for number, row in enumerate(rows, 1):
        name = "all" if number == len(rows) else f"{row.low:6.2f} … {row.high:6.2f}"
        ideal, above = (f"{part.value:.3f} ± {part.stderr:.3f}" for part in (row.ideal, row.above))
        written.append(f"    {name:<16} {ideal:<22} {above}")
    return written


def record(rows: list[Row]) -> list[dict]:
    """The measurement as JSON."""
    return [row._asdict() | {"ideal": row.ideal._asdict(), "above": row.above._asdict()} for row in rows]


def _mean(bits: np.ndarray) -> Estimate:
    return Estimate(float(bits.mean()), float(bits.std()) / math.sqrt(max(1, len(bits) - 1)))
