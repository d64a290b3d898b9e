"""What guides: the model without class, another class, a weaker model, a classifier. Identities of equation (1) of `diffusion.guidance`."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import rng
from genjax.diffusion import guidance
from genjax.errors import UsageError
from tests.helpers import IMAGES, TOKENS, build, random_params

KEY = rng.stream(0, "sample")
REQUEST = {"id": np.arange(8, dtype=np.uint32), "label": (np.arange(8) % 3).astype(np.int32)}


@dataclasses.dataclass(frozen=True)
class Linear:
    """Stands in for a network, compiled in no time: F = a x + b sin(logsnr) + c label."""

    num_classes: int = 3

    def apply(self, variables, x, logsnr, label, dropout_keys=None, caption=None):
        p = variables["params"]
        return p["a"] * x + (p["b"] * jnp.sin(logsnr) + p["c"] * label)[:, None, None, None]


def parameters(seed):
    return dict(zip("abc", np.random.default_rng(seed).normal(size=3).astype(np.float32), strict=True))


def noise_prediction(**overrides):
    return dataclasses.replace(build("noise_prediction", IMAGES, noise_prediction__prediction="v", **overrides), network=Linear())


def drawn(objective, params, request=REQUEST):
    return jax.jit(objective.sample)(params, request, KEY)


@pytest.fixture(scope="module")
def strong():
    """An objective and its parameters."""
    return noise_prediction(), parameters(0)


def assert_zero_is_the_negative_class(negative, plain, params, classes):
    """At scale 0 only D_base is left: sampling with the negative label, 1, as the label."""
    request, ones = REQUEST | {"label": REQUEST["label"] % classes}, REQUEST | {"label": np.ones(8, np.int32)}
    np.testing.assert_array_equal(drawn(negative, params, request).data, drawn(plain, params, ones).data)
    assert (np.asarray(drawn(plain, params, request).data) != drawn(plain, params, ones).data).any()


def test_guidance_of_zero_is_the_negative_class_in_noise_prediction(strong):
    negative = noise_prediction(sample__guidance_scale=0.0, sample__negative_label=1)
    assert_zero_is_the_negative_class(negative, *strong, IMAGES.num_classes)


@pytest.mark.slow
def test_guidance_of_zero_is_the_negative_class_in_next_token():
    negative, plain = build("next_token", TOKENS, sample__guidance_scale=0.0, sample__negative_label=1), build("next_token", TOKENS)
    assert_zero_is_the_negative_class(negative, plain, random_params(plain.init, scale=1.0), TOKENS.num_classes)


def test_a_negative_class_that_is_none_is_refused():
    with pytest.raises(UsageError, match="negative_label=3, but the classes are 0 to 2"):
        build("noise_prediction", IMAGES, sample__guidance_scale=2.0, sample__negative_label=3)


def test_a_model_that_guides_itself_changes_nothing_and_a_scale_of_zero_leaves_the_guide(strong):
    objective, params = strong
    weak = parameters(1)
    for scale, guide, expected in ((3.0, params, params), (0.0, weak, weak)):
        guided = dataclasses.replace(objective, guidance_scale=scale).guided_by("noise_prediction", objective)
        found = drawn(guided, params | {"guide": guide})
        np.testing.assert_array_equal(found.data, drawn(objective, expected).data)
        assert int(found.cost.nfe) == 2 * (objective.steps + 1)


def test_a_guide_of_another_scaling_sees_the_same_noise_level(strong):
    """c_in x is x / sqrt(alpha^2 sd^2 + sigma^2), the same at one log-SNR under every scaling, and so is what an x0-network says of it."""
    objective, params = strong

    def guide(scaling):
        process = dataclasses.replace(objective.process, scaling=scaling)
        return dataclasses.replace(objective, process=process, prediction="x0")

    images = []
    for scaling in ("vp", "ve"):
        guided = dataclasses.replace(objective, guidance_scale=0.0).guided_by("noise_prediction", guide(scaling))
        images.append(np.asarray(drawn(guided, params | {"guide": parameters(2)}).data))
    assert (images[0] == images[1]).mean() > 0.99  # up to rounding between two levels


@pytest.mark.slow
def test_a_classifier_that_knows_nothing_leaves_the_model_without_class(strong):
    objective, params = strong
    params = params | {"c": np.float32(0.1)}  # so that images without a class are not all at the lowest level
    classifier = build("classifier", IMAGES, classifier__patch_size=2)
    ignorant = jax.tree.map(jnp.zeros_like, random_params(classifier.init))
    guided = objective.guided_by("classifier", classifier)
    found = drawn(guided, params | {"guide": ignorant})
    np.testing.assert_array_equal(found.data, drawn(objective, params, REQUEST | {"label": np.full(8, 3, np.int32)}).data)
    assert np.unique(found.data).size > 1
    knowing = drawn(guided, params | {"guide": random_params(classifier.init, scale=1.0)})
    assert (np.asarray(knowing.data) != np.asarray(found.data)).any()


def test_a_classifier_of_estimates_is_exact_where_its_logarithm_is_linear_and_the_data_gaussian():
    """Data N(0, 1), p(c | x0) ~ exp(b x0): x0 given x is Gaussian, so E[e^(b x0) | x] = e^(b x0_hat + ...) and x0_hat moves by b var(x0 | x)."""
    x, logsnr, b = np.linspace(-2, 2, 5, dtype=np.float32)[:, None], np.linspace(-3, 3, 5, dtype=np.float32), 0.7
    alpha, sigma = np.sqrt(1 / (1 + np.exp(-logsnr)))[:, None], np.sqrt(1 / (1 + np.exp(logsnr)))[:, None]
    denoise = lambda x, logsnr: jnp.asarray(alpha) * x  # of N(0, 1) under vp
    told = guidance.by_estimate(denoise, lambda x0, logsnr: b * x0[:, 0], 1.0, "vp")
    np.testing.assert_allclose(told(x, logsnr), alpha * x + b * sigma**2, rtol=1e-5, atol=1e-6)


def test_guides_that_do_not_fit_are_refused(strong):
    objective, _ = strong
    with pytest.raises(UsageError, match="cannot be a model of objective=next_token"):
        objective.guided_by("next_token", build("next_token", TOKENS))
    with pytest.raises(UsageError, match="it would do nothing"):
        objective.guided_by("noise_prediction", objective)
    objective = dataclasses.replace(objective, guidance_scale=2.0)
    with pytest.raises(UsageError, match="other data"):
        other = dataclasses.replace(IMAGES, levels=7)
        objective.guided_by("classifier", build("classifier", other, classifier__patch_size=2))
