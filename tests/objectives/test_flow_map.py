"""The few-step objectives. Oracle: data that are one image, whose flow is a straight line to it: every row's loss is zero, not only their mean."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.errors import UsageError
from genjax.types import Array
from tests.helpers import IMAGES, TOKENS, build, fresh_params, make_batch, random_params

NAMES = ("consistency", "mean_flow")
STAR = np.random.default_rng(3).integers(0, IMAGES.levels, IMAGES.shape)
SETTINGS = {"noise_prediction__logsnr_min": -6.0, "noise_prediction__logsnr_max": 7.0, "noise_prediction__data_std": 0.6}


@dataclasses.dataclass(frozen=True)
class Straight:
    """In the place of a network: what it ought to say when every image is `star` [H, W, C]; params["off"] is added to it."""

    star: Array
    objective: object

    num_classes = 3

    def apply(self, variables, x, levels, label, dropout_keys):
        wide = lambda v: v[:, None, None, None]
        if self.objective.levels == 2:  # z = (1 - t) star + t eps, and the mean velocity is eps - star whatever r
            exact = (x - self.star) / wide(levels[:, 0])
        else:  # x = c_in y with y = star + s eps, and the flow ends at star + s_min eps
            s = jnp.exp(-4 * levels[:, 0])
            low, std = self.objective.ends[0], self.objective.data_std
            y = x * wide(jnp.sqrt(s**2 + std**2))
            end = self.star + low / wide(s) * (y - self.star)
            skip, out = std**2 / ((s - low) ** 2 + std**2), std * (s - low) / jnp.sqrt(s**2 + std**2)
            exact = (end - wide(skip) * y) / wide(jnp.where(out > 0, out, 1.0))  # at s_min there is nothing to say
        return exact + variables["params"]["off"]


def straight(name, **overrides):
    objective = build(name, IMAGES, **SETTINGS, **{f"{name}__distance": "squared"}, **overrides)
    return dataclasses.replace(objective, network=Straight(objective.space.quantizer.encode(jnp.asarray(STAR)), objective))


def one_image(rows):
    return make_batch(IMAGES, rows) | {"image": np.broadcast_to(STAR, (rows, *IMAGES.shape))}


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_and_its_gradient_vanish_at_the_exact_map_and_only_there(name):
    objective = straight(name)

    def loss(params):
        sums = objective.loss(params, one_image(16), jax.random.key(0), train=False)
        return sums.metrics["squared_error"][0] / sums.metrics["squared_error"][1]

    at = jax.jit(jax.value_and_grad(loss))
    exact, gradient = at({"off": jnp.zeros(IMAGES.shape)})
    wrong, back = at({"off": jnp.full(IMAGES.shape, 0.1)})
    assert float(exact) < 1e-7
    assert float(jnp.abs(gradient["off"]).max()) < 1e-5
    assert float(wrong) > 1e-5
    assert float(jnp.sum(back["off"])) > 1e-4, "descent leads back"


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_samples_with_the_exact_map_are_the_image(name, steps):
    objective = straight(name, noise_prediction__steps=steps)
    request = {key: rows for key, rows in one_image(6).items() if key in ("id", "label")}
    drawn = jax.jit(objective.sample)({"off": jnp.zeros(IMAGES.shape)}, request, jax.random.key(1))
    np.testing.assert_array_equal(drawn.data, np.broadcast_to(STAR, (6, *IMAGES.shape)))
    assert (drawn.cost.nfe, drawn.cost.sequential_depth) == (steps, steps)
    films = objective.film({"off": jnp.zeros(IMAGES.shape)}, request, jax.random.key(1))
    assert films["steps"].shape == (steps, 6, *IMAGES.shape)
    np.testing.assert_array_equal(films["steps"][-1], drawn.data)


@pytest.mark.parametrize("network", ["trunk", pytest.param("unet", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_the_sum_of_its_rows(name, network):
    """Noise, noise levels, hidden labels, dropout and the stage of the training go with the row."""
    options = {"noise_prediction__network": network, "unet__channels": 8, "unet__multipliers": "1"}
    objective = build(name, IMAGES, model__dropout=0.3, conditioning__drop_rate=0.4, **SETTINGS, **options)
    params, batch = random_params(objective.init, scale=0.1), make_batch(IMAGES, 6, first=500)
    loss = jax.jit(lambda batch: objective.loss(params, batch, jax.random.key(0), train=True))
    parts = [loss({key: rows[i : i + 2] for key, rows in batch.items()}).loss for i in (0, 2, 4)]
    np.testing.assert_allclose(loss(batch).loss, sum(parts), rtol=2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_an_untrained_map_is_known(name):
    """Heads are zero at the start: the mean velocity is 0 and misses eps - x0; a consistency map is c_skip y."""
    objective = build(name, IMAGES, **SETTINGS, **{f"{name}__distance": "squared"})
    batch = make_batch(IMAGES, 2000)
    loss = jax.jit(lambda params: objective.loss(params, batch, jax.random.key(0), train=False))
    total, count = loss(fresh_params(objective)).metrics["squared_error"]
    x0 = np.asarray(objective.space.quantizer.encode(jnp.asarray(batch["image"])))
    if name == "mean_flow":
        assert float(total / count) == pytest.approx(1 + np.mean(x0**2), rel=0.02)  # 32,000 draws: 4 standard errors are 0.03
    else:
        assert 0 < float(total / count) < 1


def test_pairs_come_closer_along_the_data_stream():
    objective = build("consistency", IMAGES, train__duration=100, data__batch_size=64, **SETTINGS)
    assert objective.examples == 6400
    params = fresh_params(objective)
    error = jax.jit(lambda batch: objective.loss(params, batch, jax.random.key(0), train=False).metrics["squared_error"][0])
    errors = [float(error(make_batch(IMAGES, 256, first=first))) for first in (0, 3200, 6400, 64_000)]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert errors[3] == pytest.approx(errors[2], rel=0.5), "after the training's length they stay"


@pytest.mark.parametrize("name", NAMES)
def test_what_a_flow_map_cannot_do_is_said(name):
    objective = build(name, IMAGES)
    with pytest.raises(UsageError, match="no likelihood"):
        objective.likelihood({}, {}, jax.random.key(0))
    with pytest.raises(UsageError, match="edits nothing"):
        objective.sample({}, make_batch(IMAGES, 1), jax.random.key(0))
    with pytest.raises(UsageError, match="no classifier-free guidance"):
        build(name, IMAGES, sample__guidance_scale=2.0)
    with pytest.raises(UsageError, match="maps the flow of one curve"):
        build("mean_flow", IMAGES, noise_prediction__curve="learned")
    with pytest.raises(UsageError, match="grid=trailing stops short of the data"):
        build("consistency", IMAGES, noise_prediction__grid="trailing")
    with pytest.raises(UsageError, match="needs images"):
        build(name, TOKENS)
    with pytest.raises(UsageError, match="has no option 'radius'"):
        build(name, IMAGES, **{f"{name}__distance": "pseudo_huber(radius=1)"})


def test_pairs_that_do_not_exist_are_refused():
    with pytest.raises(UsageError, match="has no option 'steps'"):
        build("consistency", IMAGES, consistency__pairs="karras(steps=4)")
