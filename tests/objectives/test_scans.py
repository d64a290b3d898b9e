"""The order in which the values of an array are predicted: permutations, and next-token prediction along them on all images of 2 x 2 pixels."""

import dataclasses
import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.decoding.sampling import SamplingRule
from genjax.errors import UsageError
from genjax.models import adapters, masks
from genjax.objectives import scans
from genjax.types import DataSpec
from tests.helpers import build, random_params

SCANS = ["raster", "hilbert", "random(seed=2)"]
LEVELS, LENGTH = 3, 4
SPEC = DataSpec("toy image", "image", (2, 2, 1), LEVELS, 0, 100, 10)
WORLD = np.array(list(itertools.product(range(LEVELS), repeat=LENGTH)), np.int32)
KEY = jax.random.key(11)


def spec_of(*shape: int, key="array") -> DataSpec:
    return DataSpec("toy", key, shape, LEVELS, 0, 100, 10)


def order_of(scan: str, spec: DataSpec = SPEC) -> np.ndarray:
    order = scans.order(scan, spec)
    return np.arange(spec.num_dims) if order is None else order


# ---- the permutations ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec", [spec_of(8, 8, 1), spec_of(3, 5, 3), spec_of(2, 3, 4, 1), spec_of(6, 4, key="tokens")], ids=lambda spec: str(spec.shape)
)
@pytest.mark.parametrize("scan", SCANS)
def test_a_scan_visits_every_value_once_and_a_pixel_whole(scan, spec):
    order = order_of(scan, spec)
    np.testing.assert_array_equal(np.sort(order), np.arange(spec.num_dims))
    channels = spec.shape[-1] if spec.ordered else 1
    np.testing.assert_array_equal(order.reshape(-1, channels), order[::channels, None] + np.arange(channels))
    assert (scan == "raster") == (order == np.arange(spec.num_dims)).all()


@pytest.mark.parametrize("height", range(2, 13))
def test_the_curve_goes_from_each_cell_to_one_beside_it(height):
    for width in range(2, 13):
        at = np.stack(np.divmod(scans.hilbert((height, width)), width), axis=1)
        steps = np.abs(np.diff(at, axis=0))
        diagonal = max(height, width) % 2 == 1 and min(height, width) % 2 == 0 and min(height, width) > 2
        assert steps.max() == 1 and (steps.sum(1) == 2).sum() == diagonal, (height, width)


def test_the_curve_stays_near_where_it_was():
    """Of 16 x 16 cells, 16 in a row lie in a square of 4 x 4: a line of raster order is 16 long."""
    at = np.stack(np.divmod(scans.hilbert((16, 16)), 16), axis=1).reshape(16, 16, 2)
    np.testing.assert_array_equal(np.ptp(at, axis=1), 3)


def test_films_are_read_frame_by_frame():
    film = order_of("hilbert", spec_of(3, 4, 6, 1))
    frame = order_of("hilbert", spec_of(4, 6, 1))
    np.testing.assert_array_equal(film, np.concatenate([frame, 24 + frame, 48 + frame]))


def test_a_random_scan_is_a_function_of_its_seed_also_where_it_is_compiled():
    first, second = (scans.random((16, 16), seed=seed) for seed in (0, 1))
    assert (first != second).any()
    np.testing.assert_array_equal(scans.random((16, 16)), first)
    np.testing.assert_array_equal(jax.jit(lambda: jnp.arange(256)[scans.random((16, 16), seed=1)])(), second)
    far = np.abs(np.diff(np.stack(np.divmod(first, 16), 1), axis=0)).sum(1).mean()
    assert 9 < far < 12.5  # two cells anywhere in 16 x 16 are 2 (16 - 1/16)/3 = 10.6 apart


@pytest.mark.parametrize("spec", [spec_of(16, key="tokens"), spec_of(16, 1), spec_of(1, 16, 1), spec_of(16, 2)], ids=lambda spec: str(spec.shape))
def test_a_sequence_has_an_order_of_its_own(spec):
    build("next_token", spec)
    with pytest.raises(UsageError, match=r"next_token\.scan=hilbert is for arrays with rows and columns, and toy is a sequence"):
        build("next_token", spec, next_token__scan="hilbert")


def test_an_option_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match="the scan 'hilbert' has no option 'seed'"):
        build("next_token", SPEC, next_token__scan="hilbert(seed=1)")


# ---- prediction along them -----------------------------------------------------------------------------------------


class Model:
    """An objective with random parameters, those of every scan the same."""

    def __init__(self, scan):
        self.objective, self.order = build("next_token", SPEC, next_token__scan=scan), order_of(scan)
        self.params = random_params(self.objective.init, scale=1.0)
        self._likelihood = jax.jit(self.objective.likelihood)
        self.logits = jax.jit(self._logits)

    def likelihood(self, images, params=None):
        batch = {"image": images.reshape(-1, *SPEC.shape), "id": np.arange(len(images), dtype=np.uint32)}
        return np.asarray(self._likelihood(self.params if params is None else params, batch, KEY).nats, np.float64)

    def _logits(self, values):
        """p(x_s(i) | x_s(<i)) for every i, of values in the order of the scan, with nothing of the objective but its network."""
        network = self.objective.network
        inputs = jnp.concatenate([jnp.full((len(values), 1), LEVELS), values[:, :-1]], axis=1)
        at = jnp.broadcast_to(adapters.grid_coordinates((2, 2))[self.order], (*values.shape, 2))
        return network.apply({"params": self.params}, inputs, at, masks.causal(*values.shape), None)[0]

    @functools.cache  # noqa: B019
    def sampler(self, **fields):
        objective = dataclasses.replace(self.objective, **fields)
        return jax.jit(lambda request: objective.sample(self.params, request, KEY))


@pytest.fixture(scope="module", params=SCANS)
def model(request):
    return Model(request.param)


def test_the_scans_are_three_and_the_random_one_is_not_its_own_inverse():
    """Or a value that is put in the wrong place could lie in the right one."""
    assert len({tuple(order_of(scan)) for scan in SCANS}) == 3
    assert (np.argsort(order_of(SCANS[-1])) != order_of(SCANS[-1])).any()


def test_the_likelihood_is_exact_along_every_scan(model):
    nats = model.likelihood(WORLD)
    assert abs(np.exp(-nats).sum() - 1) < 1e-5 and np.std(nats) > 0.5
    values = WORLD[:, model.order]
    logits = np.asarray(model.logits(values), np.float64)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    np.testing.assert_allclose(nats, -np.take_along_axis(log_p, values[..., None], -1).sum((1, 2)), rtol=1e-5)


def test_a_model_that_ignores_what_it_sees_has_one_likelihood_along_every_scan(model):
    """Without values and without attention a prediction depends on its place alone, which goes with the value."""
    params = model.params | {"embed": jax.tree.map(np.zeros_like, model.params["embed"])}
    blocks = params["trunk"]["blocks"]
    attention = blocks["attention"] | {"out": jax.tree.map(np.zeros_like, blocks["attention"]["out"])}
    params["trunk"] = params["trunk"] | {"blocks": blocks | {"attention": attention}}
    nats, raster = model.likelihood(WORLD, params), Model("raster")
    np.testing.assert_allclose(nats, raster.likelihood(WORLD, params), rtol=1e-6)
    marginals = np.exp(-nats).reshape((LEVELS,) * LENGTH)
    marginals = [marginals.sum(axis=tuple(j for j in range(LENGTH) if j != i)) for i in range(LENGTH)]
    assert min(np.abs(a - b).max() for a, b in itertools.combinations(marginals, 2)) > 0.01, "places differ"


def greedy(model, known=None, mask=None):
    """The likeliest value, one after the other along the scan, by whole forward passes; given ones where the mask says so. All [B, 4]."""
    values = np.zeros_like(WORLD)
    for position, cell in enumerate(model.order):
        values[:, position] = np.argmax(np.asarray(model.logits(values)), axis=-1)[:, position]
        if known is not None:
            values[:, position] = np.where(mask[:, cell], known[:, cell], values[:, position])
    images = np.zeros_like(values)
    images[:, model.order] = values
    return images.reshape(-1, *SPEC.shape)


def test_what_is_drawn_lies_where_it_belongs(model):
    drawn = model.sampler(rule=SamplingRule(0.0))({"id": np.arange(len(WORLD), dtype=np.uint32)})
    np.testing.assert_array_equal(drawn.data, greedy(model))
    assert int(drawn.cost.nfe) == LENGTH


def test_what_is_redrawn_keeps_what_is_known_and_sees_what_came_before_it_in_the_scan(model):
    mask = np.random.default_rng(0).random(WORLD.shape) < 0.5
    shaped = {"image": WORLD.reshape(-1, *SPEC.shape), "mask": mask.reshape(-1, *SPEC.shape)}
    drawn = np.asarray(model.sampler(rule=SamplingRule(0.0))({"id": np.arange(len(WORLD), dtype=np.uint32)} | shaped).data)
    np.testing.assert_array_equal(drawn[shaped["mask"]], shaped["image"][shaped["mask"]])
    np.testing.assert_array_equal(drawn, greedy(model, WORLD, mask))


def test_samples_have_the_likelihood_that_is_stated(model):
    """Each of the commonest images as often as its probability says, at four and a half standard deviations."""
    many = 4096
    drawn = np.asarray(model.sampler()({"id": np.arange(many, dtype=np.uint32)}).data).reshape(many, LENGTH)
    probability = np.exp(-model.likelihood(WORLD))
    counts = np.bincount(drawn @ LEVELS ** np.arange(LENGTH)[::-1], minlength=len(WORLD))
    for image in np.argsort(-probability)[:8]:
        p = probability[image]
        assert abs(counts[image] / many - p) < 4.5 * math.sqrt(p * (1 - p) / many)


def test_a_film_writes_in_the_order_of_the_scan(model):
    batch = {"image": WORLD[:40].reshape(-1, *SPEC.shape), "id": np.arange(40, dtype=np.uint32)}
    film = jax.jit(lambda batch: model.objective.film(model.params, batch, KEY))
    frames = np.asarray(film(batch)["writing"]).reshape(LENGTH + 1, 40, LENGTH)
    whole = np.asarray(model.sampler()({"id": batch["id"]}).data).reshape(40, LENGTH)
    for count, frame in enumerate(frames):
        written = np.isin(np.arange(LENGTH), model.order[:count])
        np.testing.assert_array_equal(frame, np.where(written, whole, 0))
    assert (whole > 0).any(0).all()
