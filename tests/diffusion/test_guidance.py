"""Guidance against Bayes, and thresholds against their definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.diffusion import guidance
from genjax.diffusion.process import SCALINGS, alpha_sigma

from .oracles import Mixture, gaussian, normal

TWO = Mixture(np.array([0.3, 0.7]), np.array([[-1.0, 0.5], [0.8, 0.0]]), np.array([0.5, 0.3]))
FIRST = Mixture(np.ones(1), TWO.means[:1], TWO.stds[:1])


def points():
    logsnr = np.linspace(-5.0, 5.0, 11)
    return normal(11, 2), logsnr


def log_first(scaling):
    """log p(component 1 | x)."""

    def log_prob(x, logsnr):
        alpha, sigma = alpha_sigma(logsnr, scaling)
        terms, _ = TWO.terms(x / alpha[:, None], ((sigma / alpha) ** 2)[:, None])
        return jax.nn.log_softmax(terms, axis=1)[:, 0]

    return log_prob


@pytest.mark.parametrize("scaling", SCALINGS)
def test_classifier_guidance_is_classifier_free_guidance(scaling):
    """Bayes: the exact classifier turns the model of all data into the model of one component, at every scale."""
    x, logsnr = points()
    all_data, first = TWO.denoiser(scaling), FIRST.denoiser(scaling)

    def difference(scale):
        by_classifier = guidance.classifier(all_data, log_first(scaling), scale, scaling)
        return by_classifier(x, logsnr) - guidance.classifier_free(first, all_data, scale)(x, logsnr)

    np.testing.assert_allclose(jax.jit(lambda: [difference(scale) for scale in (0.0, 1.0, 3.0)])(), 0.0, atol=1e-10)


def test_scale_one_is_off_and_costs_nothing():
    cond, uncond = FIRST.denoiser("vp"), TWO.denoiser("vp")
    assert guidance.classifier_free(cond, uncond, 1.0, interval=(0.0, 1.0), rescale=0.7) is cond


def test_interval_is_in_log_snr():
    x, logsnr = points()
    cond, uncond = FIRST.denoiser("vp"), TWO.denoiser("vp")
    some = jax.jit(guidance.classifier_free(cond, uncond, 3.0, interval=(-2.0, 3.0)))(x, logsnr)
    everywhere = jax.jit(guidance.classifier_free(cond, uncond, 3.0))(x, logsnr)
    inside = (logsnr >= -2.0) & (logsnr <= 3.0)
    np.testing.assert_allclose(some, np.where(inside[:, None], everywhere, jax.jit(cond)(x, logsnr)), atol=1e-14)
    assert 0 < inside.sum() < 11


def test_rescale_restores_the_contrast_of_the_conditional_model():
    x, logsnr = points()
    cond, uncond = gaussian(0.3, "vp"), gaussian(0.9, "vp")
    std = lambda rescale: np.std(jax.jit(guidance.classifier_free(cond, uncond, 4.0, rescale=rescale))(x, logsnr), axis=1)
    want = np.std(cond(x, logsnr), axis=1)
    np.testing.assert_allclose(std(1.0), want, rtol=1e-12)
    np.testing.assert_allclose(std(0.5), (std(0.0) + want) / 2, rtol=1e-12)


def test_static_threshold():
    x = jnp.array([[-3.0, 0.2, 1.5]])
    np.testing.assert_array_equal(guidance.clip(lambda x, _: x, -1.0, 1.0)(x, jnp.zeros(1)), [[-1.0, 0.2, 1.0]])


def test_dynamic_threshold_is_of_each_sample():
    """Within the limit nothing changes; beyond it the quantile is mapped to the limit."""
    calm, loud = np.linspace(-0.9, 0.9, 101), np.linspace(-5.0, 5.0, 101)
    out = guidance.dynamic_threshold(lambda x, _: x, 0.8)(jnp.asarray([calm, loud]), jnp.zeros(2))
    np.testing.assert_allclose(out[0], calm, atol=1e-12)
    np.testing.assert_allclose(out[1], np.clip(loud, -4.0, 4.0) / 4.0, atol=1e-12)
