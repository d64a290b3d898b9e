"""One optimizer step. Oracles: the gradient of the whole batch's mean loss, and numpy recursions."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax import rng
from genjax.training import ema, optimizer
from genjax.training.state import TrainState, logical_axes
from genjax.training.step import make_train_step, microbatched, several
from genjax.types import DataSpec, LossSums
from tests.helpers import IMAGES, TOKENS, assert_trees_close, assert_trees_equal, build, config, make_batch, random_params

ROWS, SEED, RATE = 12, 3, 0.1
WEIGHT = np.array([1, 1, 0.5, 0, 2, 0, 0, 1, 3, 0.25, 0, 1], np.float32)  # the thirds of a batch weigh differently
AVERAGE = functools.partial(ema.constant, decay=0.9)
NAMES = {"next_token": TOKENS, "noise_prediction": IMAGES}


def state_of(params, transform: optax.GradientTransformation, step: int = 0) -> TrainState:
    return TrainState(jnp.asarray(step, jnp.int32), params, jax.tree.map(jnp.zeros_like, params), transform.init(params))


class Training:
    """An objective with dropout and label dropping on, random parameters, and plain gradient descent: an update is the gradient."""

    def __init__(self, name: str):
        self.spec = NAMES[name]
        # Moderate noise levels: a last digit of log-SNR is magnified by the frequencies of its embedding.
        levels = {"noise_prediction__logsnr_min": -2.0, "noise_prediction__logsnr_max": 2.0}
        self.objective = build(name, self.spec, model__dropout=0.3, conditioning__drop_rate=0.4, **levels)
        self.params = jax.tree.map(jnp.asarray, random_params(self.objective.init))
        self.transform = optax.sgd(RATE)
        self.batch = make_batch(self.spec, ROWS) | {"weight": WEIGHT}

    @functools.cache  # noqa: B019
    def step(self, accumulation: int):
        return jax.jit(make_train_step(self.objective, self.transform, seed=SEED, accumulation=accumulation, average=AVERAGE))

    def run(self, accumulation: int, batch=None, step: int = 7):
        return self.step(accumulation)(state_of(self.params, self.transform, step), self.batch if batch is None else batch)

    @functools.cached_property
    def expected(self):
        """Loss and parameters after step 7, from the definition: the gradient of (sum of losses) / (sum of weights)."""

        def loss(params, batch, step):
            sums = self.objective.loss(params, batch, rng.stream(SEED, "train", step), train=True)
            return sums.loss / sums.weight

        value, gradient = jax.jit(jax.value_and_grad(loss))(self.params, self.batch, 7)
        return value, gradient, jax.tree.map(lambda p, g: p - RATE * g, self.params, gradient)


@pytest.fixture(scope="module", params=["next_token", pytest.param("noise_prediction", marks=pytest.mark.slow)])
def training(request):
    return Training(request.param)


@pytest.mark.parametrize("accumulation", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_an_update_is_the_gradient_of_the_full_batch_however_it_is_cut(accumulation, training):
    """Dropout, hidden labels and noise go with the row, so that micro-batches of uneven weight add up exactly."""
    loss, gradient, params = training.expected
    state, metrics = training.run(accumulation)
    largest = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(gradient))
    assert_trees_close(state.params, params, rtol=2e-7, atol=2e-5 * RATE * largest)
    np.testing.assert_allclose(metrics["loss"], loss, rtol=3e-6)
    np.testing.assert_allclose(metrics["gradient_norm"], optax.global_norm(gradient), rtol=1e-5)
    assert int(state.step) == 8
    assert sum(float(jnp.abs(leaf).sum()) for leaf in jax.tree.leaves(gradient)) > 1


def test_rows_with_uneven_numbers_of_supervised_tokens_add_up_however_the_batch_is_cut():
    """The loss is the mean over the tokens of the whole batch: of 1 to 12 a row, of which no two micro-batches have as many."""
    spec, supervised = DataSpec("toy text", "tokens", (12,), 5, 0, 100, 10, unit="byte"), np.array([12, 1, 0, 3, 11, 2, 12, 7])
    mask = (np.arange(12) >= 12 - supervised[:, None]).astype(np.float32)  # the tokens before them are context
    batch = make_batch(spec, len(mask)) | {"loss_mask": mask, "num_units": supervised.astype(np.float32)}
    objective, transform = build("next_token", spec), optax.sgd(RATE)
    params = jax.tree.map(jnp.asarray, random_params(objective.init))
    nats = np.asarray(jax.jit(objective.likelihood)(params, batch, jax.random.key(0)).nats)
    loss = nats.sum() / supervised.sum()

    def run(accumulation):
        return jax.jit(make_train_step(objective, transform, seed=SEED, accumulation=accumulation, average=AVERAGE))(
            state_of(params, transform), batch
        )

    state, metrics = run(1)
    update = lambda after: jax.tree.map(lambda new, old: (new - old) / RATE, after.params, params)
    largest = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(update(state)))
    for count in (2, 4):
        parts = [supervised[part::count].sum() for part in range(count)]  # micro-batches are dealt out row by row
        assert len(set(parts)) == count, parts
        cut, cut_metrics = run(count)
        np.testing.assert_allclose([cut_metrics["loss"], metrics["loss"]], loss, rtol=1e-6)
        assert_trees_close(update(cut), update(state), rtol=1e-5, atol=1e-5 * largest)
        means = [nats[part::count].sum() / parts[part] for part in range(count)]
        assert abs(np.mean(means) - loss) > 0.02, "the mean of the means of micro-batches is another number"


def test_rows_of_weight_zero_are_padding(training):
    other = make_batch(training.spec, ROWS, seed=5, first=900)
    swapped = {name: np.where((WEIGHT == 0).reshape(-1, *[1] * (rows.ndim - 1)), other[name], rows) for name, rows in training.batch.items()}
    swapped["weight"] = WEIGHT
    assert_trees_equal(training.run(3, swapped), training.run(3))


def test_the_scale_of_the_weights_does_not_matter(training):
    state, metrics = training.run(3)
    doubled, doubled_metrics = training.run(3, training.batch | {"weight": 2 * WEIGHT})
    assert_trees_close((doubled, doubled_metrics), (state, metrics), rtol=1e-6, atol=1e-7)


def test_randomness_is_a_function_of_the_step(training):
    assert_trees_equal(training.run(3), training.run(3))
    losses = {float(training.run(3, step=step)[1]["loss"]) for step in range(5)}
    assert len(losses) == 5


def test_ema_follows_its_recursion(training):
    """Two steps of the warm-up, then two after its end, which for 0.9 is at step 81."""
    state = state_of(training.params, training.transform)
    for step in (0, 1, 85, 86):
        before = state.ema
        state, _ = training.step(3)(state.replace(step=jnp.asarray(step, jnp.int32)), training.batch)
        decay = min(0.9, (1 + step) / (10 + step))
        old, new = (jax.tree.map(np.float64, tree) for tree in (before, state.params))
        moved = jax.tree.map(np.subtract, new, old)
        assert_trees_close(state.ema, jax.tree.map(np.add, old, jax.tree.map(functools.partial(np.multiply, 1 - decay), moved)), rtol=1e-6, atol=1e-7)


def test_several_steps_in_one_dispatch_are_single_steps():
    """With the whole optimizer: schedule, moments and average are carried along as from step to step."""
    settings, objective = config("next_token", model__dropout=0.3), build("next_token", TOKENS, model__dropout=0.3)
    transform = optimizer.build(settings.optimizer, logical_axes(objective), warmup=2, total=20)
    step = make_train_step(objective, transform, seed=SEED, average=AVERAGE)
    together, single = jax.jit(several(step)), jax.jit(several(step))
    batches = [make_batch(TOKENS, ROWS, seed=i, first=ROWS * i) for i in range(4)]
    stack = lambda batches: {name: np.stack([batch[name] for batch in batches]) for name in batches[0]}

    params = jax.tree.map(jnp.asarray, random_params(objective.init))
    expected, rows = state_of(params, transform), []
    for batch in batches:
        expected, metrics = single(expected, stack([batch]))
        rows.append(metrics)
    got, metrics = together(state_of(params, transform), stack(batches))
    assert_trees_close(got, expected, rtol=1e-6, atol=1e-7)
    assert_trees_close(metrics, jax.tree.map(lambda *leaves: np.concatenate(leaves), *rows), rtol=1e-6, atol=1e-7)
    assert int(got.step) == 4
    assert len(set(np.asarray(metrics["loss"]).tolist())) == 4


# ---- microbatched --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_microbatched_adds_up_every_row_once(count):
    batch = {"x": jnp.arange(24.0).reshape(8, 3), "w": jnp.arange(8)}
    total = microbatched(lambda part: {"sum": part["x"].sum(0), "count": part["w"].sum(), "seen": jnp.zeros(8).at[part["w"]].add(1)}, count)(batch)
    np.testing.assert_array_equal(total["sum"], np.arange(24.0).reshape(8, 3).sum(0))
    np.testing.assert_array_equal(total["seen"], np.ones(8))
    assert total["count"] == 28


def test_microbatches_are_dealt_out_row_by_row():
    """Rows that lie on one device stay there: of 8 rows on 4 devices, each of 2 parts has one row of every device."""
    parts = microbatched(lambda part: jnp.zeros((2, 8)).at[part["w"][0] % 2, part["w"]].add(1), 2)({"w": jnp.arange(8)})
    np.testing.assert_array_equal(parts, [[1, 0, 1, 0, 1, 0, 1, 0], [0, 1, 0, 1, 0, 1, 0, 1]])


def test_add_devices_adds_before_the_division():
    """Two devices with unlike weights, played by a function that adds the other one's sums."""
    objective, transform = _Mean(), optax.sgd(1.0)
    here, there = ({"x": jnp.array(x), "weight": jnp.array(w)} for x, w in (([1.0, 2.0], [1.0, 1.0]), ([9.0, 0.0], [1.0, 0.0])))
    gradient_there = {"p": jnp.asarray(9.0)}, objective.loss({"p": 1.0}, there, None, train=True)
    step = make_train_step(objective, transform, seed=0, average=AVERAGE, add_devices=lambda sums: jax.tree.map(jnp.add, sums, gradient_there))
    state, metrics = step(state_of({"p": jnp.asarray(1.0)}, transform), here)
    np.testing.assert_allclose(metrics["loss"], (1 + 2 + 9) / 3, rtol=1e-6)
    np.testing.assert_allclose(state.params["p"], 1 - (1 + 2 + 9) / 3, rtol=1e-6)


class _Mean:
    """loss = p x: the gradient is the weighted mean of x."""

    def loss(self, params, batch, key, *, train):
        return LossSums(jnp.sum(batch["weight"] * params["p"] * batch["x"]), jnp.sum(batch["weight"]), {})


WAYS = {
    "plain": {},
    "scan": {"model__scan_layers": True},
    "remat": {"model__remat": True},
    "chunk": {"next_token__loss_chunk": 3},
}


@functools.cache
def moved(rule: str, way: str):
    """How two steps of a whole optimizer move the parameters, dropout on."""
    objective = build("next_token", TOKENS, model__depth=2, model__dropout=0.3, model__kv_heads=1, model__tied_head=True, **WAYS[way])
    if rule == "gradient":
        transform = optax.sgd(1.0)
    else:
        settings = config("next_token", optimizer__name=rule, optimizer__learning_rate=0.01, optimizer__schedule="constant").optimizer
        transform = optimizer.build(settings, logical_axes(objective), warmup=0, total=9)
    params = jax.tree.map(jnp.asarray, random_params(objective.init))
    step, state = jax.jit(several(make_train_step(objective, transform, seed=SEED, average=AVERAGE))), state_of(params, transform)
    batches = jax.tree.map(lambda x: np.stack([x, x]), make_batch(TOKENS, ROWS))
    return jax.tree.map(lambda a, b: a - b, step(state, batches)[0].params, params)


@pytest.mark.slow
@pytest.mark.parametrize("rule, differ", [("gradient", 0.0), ("adamw", 0.01), ("muon", 0.01)])
@pytest.mark.parametrize("way", ["scan", "remat", "chunk"])
def test_an_update_does_not_depend_on_how_the_step_is_compiled(way, rule, differ):
    """Layers in a loop, activations recomputed, logits in chunks: every entry for the gradient itself. Adam divides a gradient by its size: where
    that is nothing but rounding, so is the update, and at most one entry in a hundred may differ.
    """
    for (path, got), want in zip(jax.tree_util.tree_leaves_with_path(moved(rule, way)), jax.tree.leaves(moved(rule, "plain")), strict=True):
        assert np.isclose(got, want, rtol=1e-3, atol=1e-6 if rule == "gradient" else 1e-5).mean() >= 1 - differ, jax.tree_util.keystr(path)
        assert np.abs(want).max() > 1e-3, jax.tree_util.keystr(path)


def test_a_step_that_is_not_finite_changes_only_the_count(training):
    """Nor does its number of a moment or an average reach the next step."""
    weight = WEIGHT.copy()
    weight[3] = np.nan
    before = state_of(training.params, training.transform, 7)
    after, metrics = training.run(1, training.batch | {"weight": weight})
    assert np.isnan(metrics["loss"])
    assert int(after.step) == 8
    assert_trees_equal(after.replace(step=before.step), before)
