"""What bends the samples of noise prediction: guides, thresholds, and the ways to draw a part of an image anew.

Each takes a denoiser and gives one. They are for samples only, and never enter a likelihood.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import jax.numpy as jnp

from genjax.diffusion import editing, guidance, solvers
from genjax.diffusion.process import Denoise, alpha_sigma, bcast
from genjax.errors import UsageError
from genjax.objectives.base import Given
from genjax.objectives.classifier import Classifier
from genjax.registry import Count, Fraction, NonNegative
from genjax.types import Array, Params

if TYPE_CHECKING:
    from genjax.objectives.noise_prediction import NoisePrediction

# Each: (objective, params, what rows are given) -> the denoiser that samples are drawn with, and its network evaluations a call; by what guides.


def _by_condition(objective: NoisePrediction, params: Params, given: Given) -> tuple[Denoise, int]:
    """Classifier-free, or away from a negative label."""
    denoise = objective.denoiser(params, given)
    if objective.guidance_scale == 1.0:
        return denoise, 1
    return _away_from(objective.denoiser(params, given.instead(objective.base_label)), denoise, objective), 2


def _by_weaker_model(objective: NoisePrediction, params: Params, given: Given) -> tuple[Denoise, int]:
    """Autoguidance. The guide may have another scaling and another prediction: at one log-SNR, x/alpha means the same to both."""
    assert objective.guide is not None
    guide = cast("NoisePrediction", objective.guide[1])
    weaker, (mine, theirs) = guide.denoiser(params["guide"], given), (objective.process.scaling, guide.process.scaling)

    def denoise(x: Array, logsnr: Array) -> Array:
        return weaker(bcast(alpha_sigma(logsnr, theirs)[0] / alpha_sigma(logsnr, mine)[0], x) * x, logsnr)

    return _away_from(denoise, objective.denoiser(params, given), objective), 2


def _by_classifier(objective: NoisePrediction, params: Params, given: Given) -> tuple[Denoise, int]:
    """A classifier of clean images, asked about x0_hat (universal guidance); the model itself is not told the class."""
    assert objective.guide is not None
    guide = objective.guide[1]
    assert isinstance(guide, Classifier)
    label = given.label
    assert label is not None, "a classifier's data have labels"
    base = objective.denoiser(params, given.instead(objective.network.num_classes))

    def log_prob(x0: Array, logsnr: Array) -> Array:
        return guide.log_prob(params["guide"], objective.space.image(params, x0), label)

    told = guidance.by_estimate(base, log_prob, 1.0, objective.process.scaling)
    return _away_from(base, told, objective), 2


def _away_from(base: Denoise, denoise: Denoise, objective: NoisePrediction) -> Denoise:
    o = objective
    return guidance.classifier_free(denoise, base, o.guidance_scale, o.guidance_interval, o.guidance_rescale)


GUIDES = {None: _by_condition, "noise_prediction": _by_weaker_model, "classifier": _by_classifier}


# Each: (the data's standard deviation, scaling, denoiser, solver or None, known [B, ...], mask) -> denoiser and solver that draw the rest, and how
# many times as many evaluations a call of that denoiser costs.


def _replacement(data_std: float, scaling: str, denoise: Denoise, solver: solvers.Solver | None, known: Array, mask: Array):
    return _repaint(data_std, scaling, denoise, solver, known, mask, resamples=1)


def _repaint(data_std: float, scaling: str, denoise: Denoise, solver: solvers.Solver | None, known: Array, mask: Array, resamples: Count = 10):
    if solver is None:
        raise UsageError("noise_prediction.solver=adaptive cannot draw a part anew by steps: use one such as ddpm, or inpaint=dps")
    return denoise, editing.repaint(solver, known, mask, resamples), 1


def _dps(
    data_std: float,
    scaling: str,
    denoise: Denoise,
    solver: solvers.Solver | None,
    known: Array,
    mask: Array,
    scale: NonNegative = 1.0,
    noise_std: NonNegative = 0.0,
):
    def seen(x: Array) -> Array:
        return jnp.where(mask, x, 0.0)

    return editing.dps(denoise, seen, seen(known), noise_std, data_std, scaling, scale), solver, 2


INPAINTERS: dict[str, Callable] = {"replacement": _replacement, "repaint": _repaint, "dps": _dps}


# Each: denoiser -> denoiser, for images on [-1, 1].


def _no_threshold(denoise: Denoise) -> Denoise:
    return denoise


def _static_threshold(denoise: Denoise) -> Denoise:
    return guidance.clip(denoise, -1.0, 1.0)


def _dynamic_threshold(denoise: Denoise, quantile: Fraction = 0.995) -> Denoise:
    return guidance.dynamic_threshold(denoise, quantile)


THRESHOLDS = {"none": _no_threshold, "static": _static_threshold, "dynamic": _dynamic_threshold}
