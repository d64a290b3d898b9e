"""The optimizer. Oracles: a zero gradient, under which nothing but decay moves a parameter, and AdamW written out in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.errors import UsageError
from genjax.models import masks
from genjax.training import optimizer
from genjax.training.optimizer import DECAYS, schedule
from genjax.training.parallel import RULES, Parallel
from genjax.training.state import create, logical_axes
from tests.helpers import IMAGES, TOKENS, build, config, fresh_params, make_batch, random_params

NAMES = {"next_token": TOKENS, "noise_prediction": IMAGES}


def settings(**overrides):
    return config("next_token", **{f"optimizer__{name}": value for name, value in overrides.items()}).optimizer


def decay(transform, params):
    """The parameters after a step whose gradient is zero."""

    def step(params):
        updates, _ = transform.update(jax.tree.map(jnp.zeros_like, params), transform.init(params), params)
        return optax.apply_updates(params, updates)

    return jax.jit(step)(params)


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


def test_wsd_warms_up_stays_and_falls_to_zero():
    rate = schedule(settings(learning_rate=0.4, schedule="wsd"), warmup=10, decay=20, total=50)
    points = {0: 0.4 / 11, 5: 0.4 * 6 / 11, 10: 0.4, 29: 0.4, 30: 0.4, 35: 0.3, 40: 0.2, 49: 0.02, 50: 0.0, 60: 0.0}
    np.testing.assert_allclose([float(rate(step)) for step in points], list(points.values()), rtol=1e-5, atol=1e-8)


def test_wsd_refuses_parts_that_are_longer_than_the_whole():
    with pytest.raises(UsageError, match=r"optimizer.warmup \(30 steps\) and optimizer.decay \(21 steps\) are longer than .* 50 steps"):
        schedule(settings(schedule="wsd"), warmup=30, decay=21, total=50)


def test_inverse_sqrt_quarters_the_steps_to_halve_the_rate():
    rate = schedule(settings(learning_rate=0.4, schedule="inverse_sqrt"), warmup=10, total=50)
    np.testing.assert_allclose([float(rate(step)) for step in (10, 40, 90, 160)], [0.4, 0.2, 0.4 / 3, 0.1], rtol=1e-6)


@pytest.mark.parametrize("kind", ["cosine", "constant", "wsd", "inverse_sqrt"])
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
    state, update = transform.init(params), jax.jit(transform.update)
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


# ---- rules by role -------------------------------------------------------------------------------------------------

AXES = {
    "query": ("layers", "embed", "heads", "head"),
    "out": ("layers", "heads", "head", "embed"),
    "gate": ("layers", "embed", "mlp"),
    "norm": ("layers", "norm"),
    "table": ("vocab", "embed"),
}
SHAPES = {"query": (3, 8, 2, 6), "out": (3, 2, 6, 8), "gate": (3, 8, 20), "norm": (3, 8), "table": (5, 8)}
MATRIX = {"query": (3, 8, 12), "out": (3, 12, 8), "gate": (3, 8, 20)}  # what the kernels of a block are


def gradients(seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


def updates_of(transform, many):
    """The updates of several gradients in a row, without weight decay."""

    @jax.jit
    def run(many):
        state, out = transform.init(many[0]), []
        for gradient in many:
            update, state = transform.update(gradient, state, jax.tree.map(jnp.zeros_like, gradient))
            out.append(update)
        return out

    return run(many)


def rule(name, **overrides):
    return optimizer.build(
        settings(name=name, learning_rate=1.0, schedule="constant", weight_decay=0.0, clip_norm=None, **overrides), AXES, warmup=0, total=9
    )


def test_muon_makes_every_matrix_of_every_layer_orthogonal():
    """Against the singular value decomposition: the same singular vectors, and values that the iteration brings near 1, layer by layer."""
    gradient = gradients()
    (update,) = updates_of(rule("muon"), [gradient])
    for name, shape in MATRIX.items():
        for layer, (got, given) in enumerate(zip(update[name].reshape(shape), gradient[name].reshape(shape), strict=True)):
            u, values, v = np.linalg.svd(given, full_matrices=False)
            diagonal = -(u.T @ np.asarray(got, np.float64) @ v.T) / np.sqrt(max(1.0, shape[2] / shape[1]))
            assert values.max() / values.min() > 1.5
            np.testing.assert_allclose(diagonal - np.diag(np.diag(diagonal)), 0, atol=1e-4, err_msg=f"{name} {layer}")
            assert 0.65 < np.diag(diagonal).min() <= np.diag(diagonal).max() < 1.25  # the coefficients of the iteration aim at 1 +- 0.3


def test_muon_of_a_stack_is_muon_of_each_layer_alone():
    """Two steps, with momentum; and what is no hidden matrix is Adam's."""
    many = [gradients(seed) for seed in (1, 2)]
    stacked = updates_of(rule("muon"), many)
    alone = optimizer.build(
        settings(name="muon", learning_rate=1.0, schedule="constant", weight_decay=0.0, clip_norm=None),
        {name: AXES[name][1:] for name in MATRIX},
        warmup=0,
        total=9,
    )
    for layer in range(3):
        one = updates_of(alone, [{name: gradient[name][layer] for name in MATRIX} for gradient in many])
        for name in MATRIX:
            np.testing.assert_allclose(stacked[1][name][layer], one[1][name], atol=2e-5)
    adam = updates_of(rule("adamw"), many)
    for name in ("norm", "table"):  # another program, which may round otherwise
        np.testing.assert_allclose(stacked[1][name], adam[1][name], rtol=1e-6, atol=1e-7)


def test_muon_leaves_its_rest_to_a_learning_rate_of_its_own():
    many = [gradients()]
    (same,), (other,) = updates_of(rule("muon"), many), updates_of(rule("muon", adam_learning_rate=0.25), many)
    for name in SHAPES:
        np.testing.assert_allclose(other[name], same[name] * (1.0 if name in MATRIX else 0.25), rtol=1e-6)


def test_lion_is_the_sign_of_its_momentum():
    many = [gradients(seed) for seed in (1, 2)]
    update = updates_of(rule("lion", b1=0.9, b2=0.99), many)[1]
    for name in SHAPES:
        np.testing.assert_array_equal(update[name], -np.sign(0.9 * 0.01 * many[0][name] + 0.1 * many[1][name]))


def test_adafactor_is_its_formula_written_out_layer_by_layer():
    many = [gradients(seed) for seed in (1, 2, 3)]
    update = updates_of(rule("adafactor"), many)
    for name, shape in (MATRIX | {"table": (1, 5, 8)}).items():
        for layer in range(shape[0]):
            rows, columns = np.zeros(shape[1]), np.zeros(shape[2])
            for step, gradient in enumerate(many):
                g = gradient[name].reshape(shape)[layer].astype(np.float64)
                fresh = (step + 1) ** -0.8
                rows, columns = rows + fresh * ((g**2).mean(1) - rows), columns + fresh * ((g**2).mean(0) - columns)
                u = g / np.sqrt(np.outer(rows, columns) / rows.mean())
                u /= max(1.0, np.sqrt((u**2).mean()))
                np.testing.assert_allclose(-update[step][name].reshape(shape)[layer], u, rtol=2e-5, atol=1e-6)


def test_adafactor_keeps_a_row_and_a_column_of_every_matrix():
    state = rule("adafactor").init(gradients())
    sizes = {leaf.shape for leaf in jax.tree.leaves(state)}
    assert {(3, 8, 1, 1), (3, 1, 2, 6), (3, 8, 1), (3, 1, 20), (5, 1), (1, 8)} <= sizes
    assert not sizes & {SHAPES["query"], SHAPES["gate"], SHAPES["table"]}


@pytest.mark.parametrize("name", optimizer.RULES)
def test_every_rule_lays_out_its_state_like_the_parameters(name):
    """What is kept for a parameter has its sharding where it has its shape; everything can be laid out."""
    objective = build("next_token", TOKENS)
    axes = logical_axes(objective)
    transform = optimizer.build(settings(name=name), axes, warmup=0, total=9)
    parallel = Parallel.build(config("next_token").parallel, 64, 1)
    state = jax.eval_shape(lambda: create(objective, transform, 0))
    shardings = parallel.state_shardings(state, axes, transform)
    assert jax.tree.structure(shardings) == jax.tree.structure(state)


# ---- width transfer ------------------------------------------------------------------------------------------------


def test_what_reads_features_learns_more_slowly_in_a_wider_model():
    names = {
        "kernel": ("layers", "embed", "mlp"),
        "head": ("embed", "vocab"),
        "table": ("vocab", "embed"),
        "norm": ("norm",),
        "patch": ("patch", "embed"),
    }
    transform = optimizer.build(settings(learning_rate=1.0, schedule="constant", base_width=16, clip_norm=None), names, warmup=0, total=9, width=64)
    gradient = {name: np.ones((2,) * len(axes), np.float32) for name, axes in names.items()}
    (update,) = updates_of(transform, [gradient])
    for name, share in {"kernel": 0.25, "head": 0.25, "table": 1.0, "norm": 1.0, "patch": 1.0}.items():
        np.testing.assert_allclose(update[name], -share, rtol=1e-5)


def change(width: int, base_width: int | None) -> np.ndarray:
    """How far three steps of training move the features and the logits of a model, root mean square."""
    objective = build("next_token", TOKENS, model__width=width)
    options = settings(learning_rate=1e-3, schedule="constant", base_width=base_width, clip_norm=None)
    transform = optimizer.build(options, logical_axes(objective), warmup=0, total=9, width=width)
    batch, at = make_batch(TOKENS, 16), np.broadcast_to(np.arange(4)[None, :, None], (16, 4, 1))

    def outputs(params):
        apply = functools.partial(objective.network.apply, {"params": params})
        features, _ = apply(batch["tokens"], at, masks.causal(16, 4), batch["label"], method="features")
        return features, apply(features, method="logits")

    def step(carry, _):
        params, state = carry
        gradient = jax.grad(lambda params: (lambda sums: sums.loss / sums.weight)(objective.loss(params, batch, jax.random.key(0), train=False)))(
            params
        )
        updates, state = transform.update(gradient, state, params)
        return (optax.apply_updates(params, updates), state), None

    def run(params):
        (after, _), _ = jax.lax.scan(step, (params, transform.init(params)), None, length=3)
        return [jnp.sqrt(jnp.mean(jnp.square(b - a))) for a, b in zip(outputs(params), outputs(after), strict=True)]

    return np.array(jax.jit(run)(fresh_params(objective)))


@pytest.mark.slow
def test_with_width_transfer_the_first_steps_move_a_wide_model_as_far_as_a_narrow_one():
    """The coordinate check of arXiv:2203.03466, from width 16 to width 256: nothing grows with the transfer, the logits do without it."""
    narrow, wide, without = change(16, 16), change(256, 16), change(256, None)
    assert (wide < 1.5 * narrow).all()
    assert without[1] > 5 * narrow[1]
