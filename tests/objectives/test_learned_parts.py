"""What is learned beside the network: the curve of log-SNR and the uncertainty. The network must not notice, and the noise must fall."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import rng
from genjax.training import optimizer, state
from tests.helpers import IMAGES, assert_trees_close, build, fresh_params, make_batch, random_params

KEY = rng.stream(0, "train")
BATCH = make_batch(IMAGES, 16)
LEARNED = {"noise_prediction__curve": "learned", "noise_prediction__prediction": "v"}


def network_of(params):
    return {name: leaf for name, leaf in params.items() if name not in ("curve", "uncertainty")}


@pytest.fixture(scope="module")
def learned():
    objective = build("noise_prediction", IMAGES, **LEARNED)
    params = random_params(objective.init)
    return objective, params | {"curve": fresh_params(objective)["curve"]}


@pytest.mark.slow
def test_the_network_has_the_gradient_that_it_has_under_the_same_curve_without_learning(learned):
    """The twin is given the curve as a fixed one and differentiates the plain loss."""
    objective, params = learned
    fixed = dataclasses.replace(objective, process=objective._process(params), learns_curve=False)
    gradient = lambda objective: jax.jit(jax.value_and_grad(lambda params: objective.loss(params, BATCH, KEY, train=True).loss))(params)
    (value, got), (expected_value, expected) = gradient(objective), gradient(fixed)
    np.testing.assert_allclose(value, expected_value, rtol=1e-6)
    assert_trees_close(network_of(got), network_of(expected), rtol=1e-4, atol=1e-4)
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(got["curve"]))


def test_the_curve_has_the_gradient_of_the_mean_square_of_the_loss(learned):
    """By finite differences of mean (loss a dimension)^2, with the random numbers held."""
    objective, params = learned

    def mean_square(height):
        here = params | {"curve": params["curve"] | {"line": height}}
        rows = jax.lax.map(lambda row: objective.loss(here, jax.tree.map(lambda x: x[None], row), KEY, train=False), four)
        return ((rows.loss / rows.weight) ** 2).mean()

    four = jax.tree.map(lambda x: x[:4], BATCH)
    gradient = jax.jit(lambda: jax.grad(lambda p: objective.loss(p, four, KEY, train=False).loss)(params))()
    line, step = params["curve"]["line"], 0.03
    mean_square = jax.jit(mean_square)
    expected = (mean_square(line + step) - mean_square(line - step)) / (2 * step)
    np.testing.assert_allclose(gradient["curve"]["line"][0] / (4 * IMAGES.num_dims), expected, rtol=0.02)


@pytest.mark.slow
def test_learning_the_curve_lowers_the_variance_and_keeps_the_value():
    """A network that says 0 for edm on data of a known size has an error that changes with log-SNR; the curve is trained by itself."""
    objective = build("noise_prediction", IMAGES, noise_prediction__curve="learned", noise_prediction__prediction="edm")
    params = fresh_params(objective)  # its head is zero
    batch = make_batch(IMAGES, 64)

    def per_row(curve, key):
        one = lambda row: objective.loss(params | {"curve": curve}, jax.tree.map(lambda x: x[None], row), key, train=False)
        rows = jax.lax.map(one, batch)
        return rows.loss / rows.weight

    def train(curve, step):
        key = rng.stream(1, "curve", step)
        loss = lambda curve: objective.loss(params | {"curve": curve}, batch, key, train=True)
        gradient = jax.grad(lambda curve: loss(curve).loss / loss(curve).weight)(curve)
        return jax.tree.map(lambda p, g: p - 0.03 * jnp.clip(g, -1, 1), curve, gradient), None

    curve = params["curve"]
    after, _ = jax.jit(lambda curve: jax.lax.scan(train, curve, jnp.arange(300)))(curve)
    measure = jax.jit(lambda curve: jax.lax.map(lambda step: per_row(curve, rng.stream(2, "curve", step)), jnp.arange(16)))
    before, now = (np.asarray(measure(c)).ravel() for c in (curve, after))
    assert now.var() < 0.6 * before.var()
    assert abs(now.mean() - before.mean()) < 4 * np.sqrt((now.var() + before.var()) / now.size)


@pytest.mark.slow
def test_a_likelihood_and_a_grid_in_time_follow_the_curve(learned):
    objective, params = learned
    changed = params | {"curve": jax.tree.map(lambda leaf: leaf + 1.0 * jnp.cos(jnp.arange(leaf.size)), params["curve"])}
    of_time = dataclasses.replace(objective, grid="uniform_t")
    request = {"id": BATCH["id"], "label": BATCH["label"]}
    for o, same in ((of_time, False), (objective, True)):
        first, second = (jax.jit(o.sample)(p, request, KEY).data for p in (params, changed))
        assert np.array_equal(first, second) == same
    many = dataclasses.replace(objective, eval_times=256)
    first, second = (jax.jit(many.likelihood)(p, BATCH, KEY) for p in (params, changed))
    error = np.sqrt(np.mean(np.asarray(first.stderr) ** 2 + np.asarray(second.stderr) ** 2) / 16)
    assert abs(np.mean(first.nats) - np.mean(second.nats)) < 4 * error
    assert (np.asarray(first.nats) != second.nats).all()


def test_uncertainty_is_the_logarithm_of_the_error_at_its_best():
    """At u = log error the gradient in u is 0 on average, and the network's gradient is that of log error."""
    objective = build("noise_prediction", IMAGES, noise_prediction__weighting="uncertainty", noise_prediction__prediction="eps")
    params = fresh_params(objective)  # says 0: the error is 1/2 at every level
    batch = make_batch(IMAGES, 2048)
    loss = jax.jit(
        lambda table: jax.value_and_grad(lambda table: objective.loss(params | {"uncertainty": {"table": table}}, batch, KEY, train=False).loss)(
            table
        )
    )
    width, count = 19.0, 2048 * IMAGES.num_dims
    value, gradient = loss(jnp.full(32, jnp.log(0.5)))
    np.testing.assert_allclose(value / count, width * (1 + np.log(0.5)), rtol=0.02)
    # a knot sees 1/31 of the levels; its gradient scatters by the spread of a row's error, sqrt(2/D)
    assert np.abs(gradient / count).max() < 5 * width * np.sqrt(2 / IMAGES.num_dims) * np.sqrt(1 / 31 / 2048)
    value, gradient = loss(jnp.zeros(32))
    np.testing.assert_allclose(value / count, width * 0.5, rtol=0.02)
    np.testing.assert_allclose(np.sum(gradient) / count, width * 0.5, rtol=0.02)


def test_target_mse_is_the_plain_squared_error_of_the_output():
    objective = build(
        "noise_prediction", IMAGES, noise_prediction__weighting="target_mse", noise_prediction__prediction="v", conditioning__drop_rate=0
    )
    params = fresh_params(objective)
    sums = jax.jit(lambda: objective.loss(params, BATCH, KEY, train=False))()
    logsnr = np.asarray(sampled_levels(objective))
    alpha, sigma = np.sqrt(1 / (1 + np.exp(-logsnr))), np.sqrt(1 / (1 + np.exp(logsnr)))
    eps = np.asarray(rng.normal(rng.rows(rng.fold_name(KEY, "noise"), BATCH["id"]), IMAGES.shape))
    x0 = np.asarray(objective.space.quantizer.encode(BATCH["image"]))
    v = alpha[:, None, None, None] * eps - sigma[:, None, None, None] * x0
    np.testing.assert_allclose(sums.loss, 0.5 * np.sum(v**2), rtol=1e-4)


def sampled_levels(objective):
    from genjax.diffusion import time_sampling

    return time_sampling.draw(objective.time_sampler, objective.process, rng.fold_name(KEY, "time"), BATCH["id"])[0]


def test_what_is_learned_beside_the_network_does_not_decay():
    objective = build("noise_prediction", IMAGES, **LEARNED, noise_prediction__weighting="uncertainty")
    axes = state.logical_axes(objective)
    for name in ("curve", "uncertainty"):
        assert all(names == ("curve",) for names in jax.tree.leaves(axes[name], is_leaf=lambda leaf: isinstance(leaf, tuple)))
    assert not optimizer.DECAYS["curve"]
