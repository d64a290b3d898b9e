"""Diffusion in latents. Oracle: a linear-Gaussian autoencoder with the exact denoiser: -log p(x), the posterior and any q's cost are known."""

import dataclasses
import math
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from genjax import rng
from genjax.diffusion.process import alpha_sigma
from genjax.errors import UsageError
from genjax.objectives.spaces import Latents
from genjax.training import ema, optimizer
from genjax.training.state import TrainState, create, logical_axes
from genjax.training.step import make_train_step
from tests.helpers import IMAGES, assert_trees_equal, build, config, make_batch, random_params

KEY = rng.stream(0, "likelihood")

# x = A z + T n with z and n normal, in each of two dimensions; latents are shifted and scaled by numbers that do not fit them.
A, T = 0.8, 0.5
VARIANCE = A**2 + T**2
SHIFT, SCALE = 0.3, 1.7
FIXED = {"autoencoder": {"network": {}, "shift": jnp.array([SHIFT]), "scale": jnp.array([SCALE])}}


@dataclasses.dataclass(frozen=True)
class LinearGaussian:
    """Stands in for an autoencoder. q is the exact posterior, moved by `shift` and widened by `ratio`."""

    shift: float
    ratio: float
    draws: int
    latent_shape: tuple[int, ...] = (2, 1, 1)

    @property
    def network(self):
        return self

    def posterior(self, params, x):
        return A / VARIANCE * x + self.shift, jnp.full(x.shape, self.ratio * T / VARIANCE**0.5)

    def decoder_nats(self, params, z, x):
        return jnp.sum(0.5 * ((x - A * z) / T) ** 2 + math.log(T) + 0.5 * math.log(2 * math.pi), axis=(1, 2, 3))

    @property
    def excess(self):
        """KL(q(z | x) || p(z | x)), two dimensions."""
        return 2 * (0.5 * (self.ratio**2 + self.shift**2 * VARIANCE / T**2 - 1) - math.log(self.ratio))


class Exact:
    """E[w | x] where (SCALE w + SHIFT) is N(0, 1), as an x0-prediction; c_in is 1 for vp and data of unit variance."""

    num_classes = 0

    def apply(self, variables, x, logsnr, label, dropout_keys=None, caption=None):
        alpha, sigma = (v[:, None, None, None] for v in alpha_sigma(logsnr, "vp"))
        mean, variance = -SHIFT / SCALE, 1 / SCALE**2
        return mean + variance * alpha * (x - alpha * mean) / (alpha**2 * variance + sigma**2)


def linear_gaussian(kind, rows, times, **q):
    """nats of `rows` draws of x, what they exceed the exact value by, and the excess that is right."""
    space = Latents(LinearGaussian(**q), "")
    objective = build("noise_prediction", IMAGES, noise_prediction__prediction="x0", noise_prediction__eval_times=times)
    process = dataclasses.replace(objective.process, logsnr_min=-18.0, logsnr_max=12.0)
    objective = dataclasses.replace(objective, space=space, network=Exact(), process=process, data_std=1.0, bound=kind)
    x = np.random.default_rng(0).normal(scale=VARIANCE**0.5, size=(rows, 2, 1, 1)).astype(np.float32)
    exact = -norm.logpdf(x, scale=VARIANCE**0.5).sum(axis=(1, 2, 3))
    batch = {"image": x, "id": np.arange(rows, dtype=np.uint32), "weight": np.ones(rows, np.float32)}
    found = jax.jit(lambda batch: objective.likelihood(FIXED, batch, KEY))(batch)
    np.testing.assert_allclose(sum(found.terms.values()), found.nats, rtol=1e-5, atol=1e-5)
    assert found.kind == "upper_bound"
    return found, np.asarray(found.nats, np.float64) - exact, space.autoencoder.excess


@pytest.mark.parametrize("q", [(0.0, 1.0), (0.2, 1.5)], ids=["the posterior", "another q"])
def test_variational_bound_exceeds_the_exact_value_by_the_divergence_of_q_from_the_posterior(q):
    found, excess, right = linear_gaussian("bound", 5000, 64, shift=q[0], ratio=q[1], draws=4)
    stderr = excess.std(ddof=1) / len(excess) ** 0.5
    assert stderr < 0.02
    assert abs(excess.mean() - right) < 4 * stderr + 1e-3
    # The reported error of a row covers the draws of z and of the noise: its square is an estimate of the scatter.
    np.testing.assert_allclose(np.sqrt(np.mean(np.asarray(found.stderr) ** 2)), excess.std(), rtol=0.2)


def test_flow_bound_is_exact_row_by_row_where_q_is_the_posterior():
    """-log p(x|z) - log p(z) + log q(z|x) is then the same for every z, and the trace of a linear flow for every probe."""
    _, excess, _ = linear_gaussian("ode", 16, 2, shift=0.0, ratio=1.0, draws=2)
    np.testing.assert_allclose(excess, 0, atol=2e-3)


# ---- with an autoencoder's own network -----------------------------------------------------------------------------

SMALL = {
    "noise_prediction__autoencoder": "some/run",
    "autoencoder__channels": 4,
    "autoencoder__multipliers": "1,1",
    "autoencoder__latent_channels": 2,
    "autoencoder__draws": 2,
}
BATCH = make_batch(IMAGES, 6)
REQUEST = {"id": BATCH["id"], "label": BATCH["label"]}


@pytest.fixture(scope="module")
def latent():
    objective = build("noise_prediction", IMAGES, **SMALL)
    return objective, random_params(objective.init, scale=0.3)


@pytest.mark.slow
def test_everything_that_is_done_in_pixels_is_done_in_latents(latent):
    """But inpainting. The loss is in nats a dimension of the data, the likelihood in units of the data."""
    objective, params = latent

    @jax.jit
    def everything(params):
        return (
            objective.loss(params, BATCH, KEY, train=True),
            objective.likelihood(params, BATCH, KEY),
            objective.sample(params, REQUEST, KEY).data,
            objective.sample(params, REQUEST | {"image": BATCH["image"]}, KEY).data,
            objective.film(params, BATCH, KEY),
        )

    sums, found, samples, edited, films = everything(params)
    assert float(sums.weight) == 6 * IMAGES.num_dims
    assert float(sums.metrics["eps_mse"][1]) == 6 * math.prod(objective.space.shape) == 6 * 8
    np.testing.assert_array_equal(found.units, IMAGES.num_dims)
    assert set(found.terms) == {"reconstruction", "kl"}
    assert samples.shape == edited.shape == BATCH["image"].shape
    assert (samples != edited).any()
    np.testing.assert_array_equal(films["denoising"][-1], samples)
    assert films["noising"].shape == (9, *BATCH["image"].shape)


def test_what_latents_cannot_do_is_said(latent):
    objective, params = latent
    with pytest.raises(UsageError, match="a mask of pixels"):
        jax.eval_shape(objective.sample, params, BATCH | {"mask": np.ones((6, 4, 4, 1), bool)}, KEY)
    with pytest.raises(UsageError, match="latents have no such range"):
        build("noise_prediction", IMAGES, **SMALL, noise_prediction__threshold="static")


def test_a_classifier_that_guides_is_asked_about_the_decoded_image_and_another_model_must_have_the_same_latents(latent):
    objective, params = latent
    classifier = build("classifier", IMAGES, classifier__patch_size=2)
    guided = dataclasses.replace(objective, guidance_scale=2.0).guided_by("classifier", classifier)
    guide = jax.eval_shape(lambda: nn.unbox(classifier.init(KEY)))
    assert jax.eval_shape(guided.sample, params | {"guide": guide}, REQUEST, KEY).data.shape == BATCH["image"].shape
    objective = dataclasses.replace(objective, guidance_scale=2.0)
    assert objective.guided_by("noise_prediction", build("noise_prediction", IMAGES, **SMALL)).guide is not None
    with pytest.raises(UsageError, match="the latents of the same autoencoder"):
        objective.guided_by("noise_prediction", build("noise_prediction", IMAGES))


@pytest.mark.parametrize("objective", ["consistency", "mean_flow"])
def test_few_step_objectives_work_in_latents_too(objective):
    objective = build(objective, IMAGES, **SMALL)
    params = jax.eval_shape(lambda: nn.unbox(objective.init(KEY)))
    assert jax.eval_shape(lambda p: objective.loss(p, BATCH, KEY, train=True), params).loss.shape == ()
    assert jax.eval_shape(objective.sample, params, REQUEST, KEY).data.shape == BATCH["image"].shape
    assert jax.eval_shape(objective.film, params, REQUEST, KEY)["steps"].shape[1:] == BATCH["image"].shape


def test_a_learned_curve_has_a_gradient_in_latents():
    objective = build("noise_prediction", IMAGES, **SMALL, noise_prediction__curve="learned")
    params = random_params(objective.init, scale=0.3)
    gradient = jax.jit(jax.grad(lambda p: objective.loss(p, BATCH, KEY, train=True).loss))(params)
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradient["curve"]))
    assert all(np.abs(leaf).max() == 0 for leaf in jax.tree.leaves(gradient["autoencoder"]))


@pytest.mark.slow
def test_parameters_of_the_autoencoder_are_never_moved(latent):
    """Not by gradients, not by decay, not by averaging: bit by bit after steps, while all else moves."""
    objective, params = latent
    settings = config("noise_prediction", optimizer__weight_decay=0.5, optimizer__learning_rate=0.1).optimizer
    axes = logical_axes(objective)
    assert set(jax.tree.leaves(axes["autoencoder"])) == {"frozen"}
    adamw = optimizer.build(settings, axes, warmup=0, total=100)
    step = jax.jit(make_train_step(objective, adamw, seed=0, average=partial(ema.constant, decay=0.9)))
    state = TrainState(jnp.zeros((), jnp.int32), params, params, adamw.init(params))
    for _ in range(3):
        state, _ = step(state, BATCH)
    assert_trees_equal(state.params["autoencoder"], params["autoencoder"])
    assert_trees_equal(state.ema["autoencoder"], params["autoencoder"])
    for tree in (state.params, state.ema):
        learned = [(a, b) for name in params if name != "autoencoder" for a, b in zip(*map(jax.tree.leaves, (tree[name], params[name])), strict=True)]
        assert np.mean([(np.asarray(a) != np.asarray(b)).any() for a, b in learned]) > 0.9


def test_what_is_inherited_takes_the_place_of_what_init_makes_and_is_scaled_to_unit_variance():
    """Shift and scale by numpy, from the posteriors; the checkpoint is asked for the shapes of an autoencoder's parameters."""
    objective = build("noise_prediction", IMAGES, **SMALL)
    twin = objective.space.autoencoder
    weights, asked = random_params(twin.init, seed=3, scale=0.3), []

    def load(path, shapes):
        asked.append((path, jax.tree.map(jnp.shape, shapes)))
        return weights

    inherited = objective.inherit(load, lambda count: {name: jnp.asarray(rows) for name, rows in make_batch(IMAGES, 70).items()})
    assert asked == [("some/run", jax.tree.map(jnp.shape, weights))]
    mean, std = (np.asarray(v, np.float64) for v in jax.jit(twin.posterior)(weights, make_batch(IMAGES, 70)["image"]))
    np.testing.assert_allclose(inherited["autoencoder"]["shift"], mean.mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(inherited["autoencoder"]["scale"] ** 2, mean.var(axis=(0, 1, 2)) + (std**2).mean(axis=(0, 1, 2)), rtol=1e-4)

    state = jax.jit(
        lambda given: create(
            objective, optimizer.build(config("noise_prediction").optimizer, logical_axes(objective), warmup=0, total=9), 0, inherited=given
        )
    )(inherited)
    for tree in (state.params, state.ema):
        assert_trees_equal(tree["autoencoder"], jax.tree.map(np.asarray, inherited["autoencoder"]))
    assert jax.tree.structure(nn.unbox(jax.eval_shape(objective.init, jax.random.key(0)))) == jax.tree.structure(state.params)


def test_a_data_std_that_is_far_off_is_told_of(caplog):
    """Levels 0 and 4 of five are -1 and 1: a root mean square of 1."""
    rows = lambda n: {"image": np.where(np.arange(n)[:, None, None, None] % 2, 4, 0) * np.ones((1, 4, 4, 1), np.int32)}
    for data_std, said in (
        (0.7, ""),
        (1.4, ""),
        (0.6, "data_std=0.6, and the root mean square of the training images is 1.00"),
        (1.6, "data_std=1.6"),
    ):
        caplog.clear()
        assert build("noise_prediction", IMAGES, noise_prediction__data_std=data_std).inherit(lambda *_: {}, rows) == {}
        assert said in caplog.text and bool(said) == bool(caplog.records)
