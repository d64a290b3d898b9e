"""The optimizer. Oracles: a zero gradient, under which nothing but decay moves a parameter, and AdamW written out in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.training import optimizer
from genjax.training.optimizer import DECAYS, schedule
from genjax.training.parallel import RULES
from genjax.training.state import logical_axes
from tests.helpers import IMAGES, TOKENS, build, config, jit, random_params

NAMES = {"next_token": TOKENS, "noise_prediction": IMAGES}


def settings(**overrides):
    return config("next_token", **{f"optimizer__{name}": value for name, value in overrides.items()}).optimizer


def decay(transform, params):
    """The parameters after a step whose gradient is zero."""

    def step(params):
        updates, _ = transform.update(jax.tree.map(jnp.zeros_like, params), transform.init(params), params)
        return optax.apply_updates(params, updates)

    return jit(step)(params)


@pytest.mark.parametrize("conditional", [True, False], ids=["classes", "no classes"])
@pytest.mark.parametrize("name", NAMES)
def test_kernels_and_tables_decay_and_nothing_else(name, conditional):
    """The rule goes by the names of axes; here what it comes to is said by the names of parameters."""
    objective = build(name, NAMES[name], conditioning__label=conditional)
    transform = optimizer.build(settings(learning_rate=0.5, weight_decay=0.2, schedule="constant"), logical_axes(objective), warmup=0, total=9)
    params = random_params(objective.init)
    moved = jax.tree_util.tree_leaves_with_path(decay(transform, params))
    kinds = set()
    for (path, after), before in zip(moved, jax.tree.leaves(params), strict=True):
        kind = path[-1].key
        kinds.add(kind)
        np.testing.assert_allclose(after, before * (0.9 if kind in ("kernel", "table") else 1.0), rtol=1e-6, err_msg=jax.tree_util.keystr(path))
    assert {"kernel", "table", "scale"} <= kinds <= {"kernel", "table", "scale", "bias"}


def names_of(name, spec) -> list[tuple[str, ...]]:
    return jax.tree.leaves(logical_axes(build(name, spec)), is_leaf=lambda leaf: isinstance(leaf, tuple))


@pytest.mark.parametrize("name", NAMES)
def test_every_axis_of_a_parameter_is_listed(name):
    axes = names_of(name, NAMES[name])
    assert {axis for names in axes for axis in names} <= set(DECAYS)
    assert set(DECAYS) == set(RULES)
    params = random_params(build(name, NAMES[name]).init)
    assert [len(names) for names in axes] == [leaf.ndim for leaf in jax.tree.leaves(params)]


def test_an_unlisted_axis_is_refused():
    with pytest.raises(KeyError, match="colour"):
        optimizer.build(settings(), {"w": ("embed", "colour")}, warmup=0, total=1)


def test_stacked_norms_do_not_decay_although_they_are_matrices():
    axes = {"norm": ("layers", "norm"), "bias": ("layers", "bias", "bias"), "kernel": ("layers", "embed", "mlp")}
    transform = optimizer.build(settings(learning_rate=0.5, weight_decay=0.2, schedule="constant"), axes, warmup=0, total=9)
    params = {"norm": jnp.ones((3, 4)), "bias": jnp.ones((3, 4, 4)), "kernel": jnp.ones((3, 4, 4))}
    after = decay(transform, params)
    for name, factor in {"norm": 1.0, "bias": 1.0, "kernel": 0.9}.items():
        np.testing.assert_allclose(after[name], factor, rtol=1e-6)


# ---- the schedule --------------------------------------------------------------------------------------------------


def test_schedule_goes_through_its_points():
    rate = schedule(settings(learning_rate=0.4, schedule="cosine"), warmup=10, total=50)
    points = {0: 0.4 / 11, 5: 0.4 * (1 + 5) / 11, 10: 0.4, 20: 0.2 * (1 + np.cos(np.pi / 4)), 30: 0.2, 50: 0.0, 90: 0.0}
    for step, expected in points.items():
        np.testing.assert_allclose(rate(step), expected, rtol=1e-5, atol=1e-8, err_msg=str(step))
    rates = np.array([float(rate(step)) for step in range(51)])
    assert rates[:50].min() > 0
    assert (np.diff(rates[:11]) > 0).all()
    assert (np.diff(rates[10:]) < 0).all()


def test_constant_schedule_stays():
    rate = schedule(settings(learning_rate=0.4, schedule="constant"), warmup=3, total=10)
    np.testing.assert_allclose([float(rate(step)) for step in (0, 1, 2, 3, 9, 500)], [0.1, 0.2, 0.3, 0.4, 0.4, 0.4], rtol=1e-6)


@pytest.mark.parametrize("kind", ["cosine", "constant"])
def test_no_warmup_begins_at_the_peak(kind):
    np.testing.assert_allclose(schedule(settings(learning_rate=0.4, schedule=kind), warmup=0, total=10)(0), 0.4, rtol=1e-6)


# ---- the whole -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clip", [0.7, None], ids=["clipped", "not clipped"])
def test_updates_are_adamw_written_out(clip):
    options = settings(learning_rate=0.03, b1=0.8, b2=0.95, weight_decay=0.1, clip_norm=clip, schedule="cosine")
    axes = {"kernel": ("embed", "mlp"), "scale": ("norm",)}
    transform = optimizer.build(options, axes, warmup=2, total=8)
    random = np.random.default_rng(0)
    twin = {"kernel": random.normal(size=(3, 2)), "scale": random.normal(size=4)}
    params = {name: jnp.asarray(value, jnp.float32) for name, value in twin.items()}
    first, second = ({name: np.zeros_like(value) for name, value in twin.items()} for _ in range(2))
    state, update = transform.init(params), jit(transform.update)
    for step in range(6):
        gradient = {name: random.normal(size=value.shape) * (3.0 if step % 2 else 0.1) for name, value in twin.items()}
        updates, state = update({name: jnp.asarray(g, jnp.float32) for name, g in gradient.items()}, state, params)
        params = optax.apply_updates(params, updates)

        norm = np.sqrt(sum(np.sum(g**2) for g in gradient.values()))
        rate = 0.03 * (1 + step) / 3 if step < 2 else 0.015 * (1 + np.cos(np.pi * (step - 2) / 6))
        for name, g in gradient.items():
            g = g * min(1.0, clip / norm) if clip else g
            first[name] = 0.8 * first[name] + 0.2 * g
            second[name] = 0.95 * second[name] + 0.05 * g**2
            direction = first[name] / (1 - 0.8 ** (step + 1)) / (np.sqrt(second[name] / (1 - 0.95 ** (step + 1))) + 1e-8)
            twin[name] = twin[name] - rate * (direction + (0.1 * twin[name] if name == "kernel" else 0))
            np.testing.assert_allclose(params[name], twin[name], rtol=1e-5, atol=1e-6)
