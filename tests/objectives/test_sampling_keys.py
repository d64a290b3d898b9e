"""The keys of sampling reach the sampler. Each is compared with the denoiser made by hand that it stands for, walked down the same grid.

The network is a stand-in whose class changes the size of its output, so that guidance changes the spread of an estimate; 256 levels, so that
a level is less than what any of the keys changes.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import rng
from genjax.diffusion import grid, solvers
from genjax.types import DataSpec
from tests.helpers import build

SPEC = DataSpec("toy images of many levels", "image", (4, 4, 1), 256, 3, 100, 10)
KEY = rng.stream(0, "sample")
REQUEST = {"id": np.arange(32, dtype=np.uint32), "label": (np.arange(32) % 3).astype(np.int32)}
IMAGE = np.random.default_rng(1).integers(0, 256, (32, 4, 4, 1)).astype(np.int32)
MASK = np.broadcast_to(np.arange(4)[:, None, None] < 2, IMAGE.shape)
LOW, HIGH, STEPS = -3.0, 6.0, 6  # the data are a part of the start: e^-3 is no nothing


@dataclasses.dataclass(frozen=True)
class Sized:
    """F = (.6 + .3 label) x + .2 sin(logsnr); the label 3 is no class."""

    num_classes: int = 3

    def apply(self, variables, x, logsnr, label, dropout_keys=None, caption=None):
        return (0.6 + 0.3 * label)[:, None, None, None] * x + 0.2 * jnp.sin(logsnr)[:, None, None, None]


def objective(**overrides):
    """Predicts x0, so that F is the estimate."""
    fixed = {"prediction": "x0", "logsnr_min": LOW, "logsnr_max": HIGH, "steps": STEPS}
    built = build("noise_prediction", SPEC, **{f"noise_prediction__{name}": value for name, value in fixed.items()}, **overrides)
    return dataclasses.replace(built, network=Sized())


def drawn(o, **more):
    return jax.jit(o.sample)({}, REQUEST | more, KEY)


def estimate(x, logsnr, label):
    """What `Sized` says of x under vp, from its own formula."""
    alpha2 = 1 / (1 + jnp.exp(-logsnr))[:, None, None, None]
    return Sized().apply({}, x / jnp.sqrt(alpha2 * 0.6**2 + 1 - alpha2), logsnr, label)


def by_hand(denoise):
    """Levels of the samples by a denoiser (x, logsnr, label) -> x0_hat, by ancestral sampling from N(0, alpha^2 .6^2 + sigma^2)."""
    o = objective()

    def sample(request):
        keys = rng.rows(KEY, request["id"])
        x = solvers.initial(o.process, keys, SPEC.shape, 0.6)
        points = grid.make("uniform_logsnr", o.process, STEPS)
        x0 = solvers.sample(lambda x, logsnr: denoise(x, logsnr, request["label"]), solvers.ddpm(), points, x, keys).x
        return jnp.clip(jnp.round((x0 + 1) * 255 / 2), 0, 255)

    return np.asarray(jax.jit(sample)(REQUEST))


def assert_same(samples, expected):
    """To the level, but for a value on the edge between two."""
    difference = np.abs(np.asarray(samples.data, np.int32) - expected)
    assert difference.max() <= 1 and (difference > 0).mean() < 0.01


def assert_other(samples, others):
    assert (np.abs(np.asarray(samples.data, np.int32) - np.asarray(others.data, np.int32)) > 2).mean() > 0.1


def guided(scale, x, logsnr, label):
    cond, base = estimate(x, logsnr, label), estimate(x, logsnr, jnp.full_like(label, 3))
    return cond, base + scale * (cond - base)


GUIDED = {"sample__guidance_scale": 3.0}


@pytest.mark.parametrize(("low", "high"), [(-1.0, None), (None, 2.0), (-1.0, 2.0)])
def test_guidance_is_off_outside_its_interval(low, high):
    limits = {"noise_prediction__guidance_logsnr_min": low, "noise_prediction__guidance_logsnr_max": high}

    def denoise(x, logsnr, label):
        cond, away = guided(3.0, x, logsnr, label)
        inside = (logsnr >= (-99 if low is None else low)) & (logsnr <= (99 if high is None else high))
        return jnp.where(inside[:, None, None, None], away, cond)

    samples = drawn(objective(**GUIDED, **limits))
    assert_same(samples, by_hand(denoise))
    assert_other(samples, drawn(objective(**GUIDED)))


def test_guidance_is_rescaled_to_the_spread_of_the_unguided_estimate():
    def denoise(x, logsnr, label):
        cond, away = guided(3.0, x, logsnr, label)
        spread = lambda v: jnp.sqrt(jnp.mean((v - jnp.mean(v, axis=(1, 2, 3), keepdims=True)) ** 2, axis=(1, 2, 3), keepdims=True))
        return 0.7 * away * spread(cond) / spread(away) + 0.3 * away

    samples = drawn(objective(**GUIDED, noise_prediction__guidance_rescale=0.7))
    assert_same(samples, by_hand(denoise))
    assert_other(samples, drawn(objective(**GUIDED)))


def _static(x0):
    return jnp.minimum(jnp.maximum(x0, -1.0), 1.0)


def _dynamic(x0):
    """The value at 4/5 of the way through the 16 sizes of an image lies on the 12th of 0 to 15."""
    size = jnp.maximum(jnp.sort(jnp.abs(x0).reshape(-1, 16), axis=1)[:, 12], 1.0)[:, None, None, None]
    return jnp.minimum(jnp.maximum(x0, -size), size) / size


@pytest.mark.parametrize(("threshold", "kept"), [("static", _static), ("dynamic(quantile=0.8)", _dynamic)])
def test_the_threshold_is_put_on_the_guided_estimate(threshold, kept):
    samples = drawn(objective(**GUIDED, noise_prediction__threshold=threshold))
    assert_same(samples, by_hand(lambda x, logsnr, label: kept(guided(3.0, x, logsnr, label)[1])))
    assert_other(samples, drawn(objective(**GUIDED)))


@pytest.mark.parametrize(
    ("inpaint", "scale", "evaluations", "depth"),
    [
        ("replacement", 1.0, STEPS + 1, STEPS + 1),
        ("repaint(resamples=3)", 1.0, 3 * STEPS + 1, 3 * STEPS + 1),
        ("dps", 1.0, 2 * (STEPS + 1), STEPS + 1),
        ("repaint(resamples=3)", 3.0, 2 * (3 * STEPS + 1), 3 * STEPS + 1),
        ("dps", 3.0, 4 * (STEPS + 1), STEPS + 1),
    ],
)
def test_what_inpainting_costs_is_counted(inpaint, scale, evaluations, depth):
    """A repetition of a step is an evaluation, one after the other; the gradient of dps counts as a second one beside it, as guidance does."""
    cost = drawn(objective(noise_prediction__inpaint=inpaint, sample__guidance_scale=scale), image=IMAGE, mask=MASK).cost
    assert (int(cost.nfe), int(cost.sequential_depth)) == (evaluations, depth)
