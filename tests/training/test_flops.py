"""Counting operations. Oracles: closed forms, and XLA's own count of programs that have no loop."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.training import ema, optimizer
from genjax.training.flops import count, formula, operations
from genjax.training.state import create, logical_axes
from genjax.training.step import make_train_step, several
from genjax.types import DataSpec
from tests.helpers import IMAGES, build, config, make_batch, random_params


def abstract(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


M, K, N = 3, 5, 7
MATMUL = 2 * M * K * N
A, B = abstract(M, K), abstract(K, N)


CLOSED_FORMS = {
    "matmul": (lambda a, b: a @ b, (A, B), MATMUL),
    "batched matmul": (lambda a, b: jnp.einsum("zmk,zkn->zmn", a, b), (abstract(4, M, K), abstract(4, K, N)), 4 * MATMUL),
    "contraction of two axes": (lambda a, b: jnp.tensordot(a, b, 2), (abstract(M, 2, K), abstract(2, K, N)), 2 * MATMUL),
    "elementwise": (lambda a: jnp.exp(a) * a + 1.0, (A,), 3 * M * K),
    "reduction": (lambda a: jnp.sum(a), (A,), M * K),
    "moving data": (lambda a: jnp.concatenate([a.T, a.T]).reshape(-1)[::2], (A,), 0),
    "integers": (lambda n: n * 3 + 1, (jax.ShapeDtypeStruct((100,), jnp.int32),), 0),
    "scan": (lambda a, s: jax.lax.scan(lambda c, x: (c @ x, None), a, s)[0], (A, abstract(11, K, K)), 11 * 2 * M * K * K),
    "unrolled scan": (lambda a, s: jax.lax.scan(lambda c, x: (c @ x, None), a, s, unroll=11)[0], (A, abstract(11, K, K)), 11 * 2 * M * K * K),
    "scan of scans": (
        lambda a, s: jax.lax.scan(lambda c, xs: (jax.lax.scan(lambda d, x: (d @ x, None), c, xs)[0], None), a, s)[0],
        (A, abstract(3, 4, K, K)),
        12 * 2 * M * K * K,
    ),
    "fori_loop": (lambda a, x: jax.lax.fori_loop(0, 6, lambda _, c: c @ x, a), (A, abstract(K, K)), 6 * 2 * M * K * K),
    "the dearer branch": (lambda p, a, b: jax.lax.cond(p, lambda: a @ b, lambda: jnp.zeros((M, N))), (jax.ShapeDtypeStruct((), bool), A, B), MATMUL),
    "inside jit": (lambda a, b: jax.jit(jnp.matmul)(a, b), (A, B), MATMUL),
    "inside vmap": (jax.vmap(jnp.matmul), (abstract(4, M, K), abstract(4, K, N)), 4 * MATMUL),
    "inside custom_jvp": (lambda a: jax.nn.relu(a), (A,), M * K),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_count_is_the_closed_form(name):
    function, args, expected = CLOSED_FORMS[name]
    assert count(function, *args) == expected


def squares(a, b):
    return jnp.sum(jnp.square(a @ b))


def test_a_gradient_is_two_more_products():
    """One for each factor; what is elementwise is of the size of the result."""
    counted = count(jax.value_and_grad(squares, argnums=(0, 1)), A, B)
    assert 3 * MATMUL <= counted <= 3 * MATMUL + 6 * M * N


def test_rematerialisation_counts_what_is_computed_again():
    counted = count(jax.value_and_grad(jax.checkpoint(squares), argnums=(0, 1)), A, B)
    assert 4 * MATMUL <= counted <= 4 * MATMUL + 8 * M * N


def test_convolution_is_its_closed_form():
    """[B, H, W, C] with a kernel [h, w, C, O]: 2 h w C operations for each of B H' W' O outputs."""
    convolve = lambda x, k: jax.lax.conv_general_dilated(x, k, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    assert count(convolve, abstract(2, 8, 9, 3), abstract(3, 2, 3, 5)) == 2 * (3 * 2 * 3) * (2 * 6 * 8 * 5)


# ---- a whole training step -----------------------------------------------------------------------------------------


def train_step(name: str, *, accumulation: int = 1, **model):
    """The step of an objective, its abstract state, and a batch; nothing is compiled."""
    sizes = {"model__width": 96, "model__depth": 3, "model__heads": 2} | model
    objective = build(name, IMAGES, **sizes)
    transform = optimizer.build(config(name).optimizer, logical_axes(objective), warmup=1, total=10)
    state = jax.eval_shape(lambda: create(objective, transform, 0))
    return make_train_step(objective, transform, seed=0, accumulation=accumulation, average=ema.constant), state, make_batch(IMAGES, 64)


@pytest.fixture(scope="module", params=["next_token", "noise_prediction"])
def unrolled(request):
    step, state, batch = train_step(request.param)
    return request.param, count(step, state, batch), (step, state, batch)


def test_a_step_counts_what_xla_counts(unrolled):
    _, counted, (step, state, batch) = unrolled
    xla = jax.jit(step).lower(state, batch).cost_analysis()
    np.testing.assert_allclose(counted, xla["flops"] + xla["transcendentals"], rtol=0.02)  # XLA counts exp and its like by themselves


def test_a_step_of_scanned_layers_counts_the_same(unrolled):
    name, counted, _ = unrolled
    step, state, batch = train_step(name, model__scan_layers=True)
    np.testing.assert_allclose(count(step, state, batch), counted, rtol=0.02)
    assert jax.jit(step).lower(state, batch).cost_analysis()["flops"] < 0.6 * counted  # why XLA is not asked


def test_a_step_in_micro_batches_counts_the_same(unrolled):
    name, counted, _ = unrolled
    np.testing.assert_allclose(count(*train_step(name, accumulation=4)), counted, rtol=0.03)  # and the sums are added four times


def test_steps_in_one_dispatch_add_up(unrolled):
    _, counted, (step, state, batch) = unrolled
    stacked = {key: np.stack([rows] * 5) for key, rows in batch.items()}
    np.testing.assert_allclose(count(several(step), state, stacked), 5 * counted, rtol=1e-6)


# ---- attention, masks and the formula ------------------------------------------------------------------------------


def test_a_product_of_what_belongs_to_a_row_is_attention_and_one_with_weights_is_not():
    found = operations(lambda x, w: jnp.einsum("btd,bsd->bts", x @ w, x), abstract(2, 5, 3), abstract(3, 3))
    assert found.attention == 2 * 2 * 5 * 5 * 3
    assert found.products == found.total == found.attention + 2 * 2 * 5 * 3 * 3


def test_a_mask_saves_its_share_of_attention_and_nothing_else():
    found = operations(lambda x: jnp.einsum("btd,bsd->bts", x, x) + 1, abstract(2, 5, 3))
    assert found.mask_aware(1.0) == found.total
    assert found.mask_aware((5 + 1) / 10) == found.total - 0.4 * found.attention


@pytest.mark.parametrize("name", ["next_token", "noise_prediction"])
def test_the_formula_is_the_products_of_a_training_step(name):
    """6 N T and attention, to the operation for the next-token model; a patch model needs no gradient of its inputs, the noisy image and log-SNR."""
    step, state, batch = train_step(name)
    objective = build(name, IMAGES, model__width=96, model__depth=3, model__heads=2)
    axes, positions = logical_axes(objective), objective.work().positions
    found = operations(step, state, batch)
    by_formula = 64 * formula(state.params, axes, positions=positions, depth=3, width=96)
    unneeded = {"next_token": 0, "noise_prediction": 64 * 2 * (positions * 4 * 96 + 64 * 96)}[name]
    assert found.products == by_formula - unneeded
    assert found.attention == 64 * 3 * 3 * 4 * positions**2 * 96
    assert 0.6 < found.products / found.total < 1  # narrow as it is, products are most of it


def test_the_share_of_the_formula_grows_with_the_width():
    shares = []
    for width in (96, 384):
        step, state, batch = train_step("next_token", model__width=width)
        found = operations(step, state, batch)
        shares.append(found.products / found.total)
    assert shares[0] < shares[1] and shares[1] > 0.9


def test_a_count_does_not_depend_on_what_a_kernel_leaves_out():
    """Next-token attention computes 5/8 of the pairs of 256 positions; counted are all, whatever was traced before.

    A layer of T positions has 2 T^2 D in each of two products of attention, and twice as much backward.
    """
    spec = DataSpec("toy text", "tokens", (256,), 5, 0, 100, 10)
    objective = build("next_token", spec)
    network = objective.network
    plain = dataclasses.replace(objective, network=network.clone(trunk=network.trunk.clone(ordered=False, parent=None), parent=None))
    params, batch, key = random_params(objective.init), make_batch(spec, 2), jax.random.key(0)

    def gradient(objective):
        step = jax.grad(lambda params: objective.loss(params, batch, key, train=True).loss)
        jax.make_jaxpr(step)(params)
        return operations(step, params)

    assert gradient(objective) == gradient(plain)
    assert gradient(objective).attention == 3 * 2 * 2 * 2 * 256**2 * network.trunk.width * network.trunk.depth
