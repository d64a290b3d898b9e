"""The layers. Oracles: float64 numpy twins written from the papers' formulas, and the identities that rotary positions must obey."""

import math
import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.models import masks
from genjax.models.layers import Attention, Dense, GatedMLP, RMSNorm, attend, jointly, of_vector, rotary
from tests.helpers import assert_trees_close, random_params

B, T, H, K, D = 2, 5, 2, 12, 24


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def rotary_twin(x: np.ndarray, coordinates: np.ndarray, base: float = 10_000.0) -> np.ndarray:
    """Pairs (i, i + K/2) as complex numbers, turned one by one."""
    out, (*_, pairs, axes) = np.zeros_like(x, np.float64), (x.shape[-1] // 2, coordinates.shape[-1])
    owners = [axis for axis in range(axes) for _ in range(pairs // axes + (1 if axis < pairs % axes else 0))]
    for b, t, h in np.ndindex(x.shape[:3]):
        for pair, axis in enumerate(owners):
            n, j = owners.count(axis), pair - owners.index(axis)
            turned = complex(x[b, t, h, pair], x[b, t, h, pair + pairs]) * np.exp(1j * coordinates[b, t, axis] * base ** (-j / n))
            out[b, t, h, pair], out[b, t, h, pair + pairs] = turned.real, turned.imag
    return out


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("size", [12, 16])  # six pairs divide among three axes, eight do not
def test_rotary_is_a_turn_of_complex_numbers_and_keeps_the_norm(axes, size):
    x = draw(B, T, H, size)
    coordinates = np.random.default_rng(1).integers(0, 40, (B, T, axes))
    turned = jax.jit(rotary)(x, coordinates)
    np.testing.assert_allclose(turned, rotary_twin(x, coordinates), atol=2e-5)
    np.testing.assert_allclose(np.linalg.norm(turned, axis=-1), np.linalg.norm(x, axis=-1), rtol=1e-6)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_rotary_scores_depend_on_differences_alone(axes):
    q, k = draw(1, T, 1, K, seed=1), draw(1, T, 1, K, seed=2)
    at = np.random.default_rng(3).integers(0, 20, (1, T, axes), dtype=np.int32)

    @jax.jit
    def scores(q_at, k_at):
        return jnp.einsum("bqhd,bkhd->bqk", rotary(q, q_at), rotary(k, k_at))

    for axis in range(axes):
        shift = 17 * np.eye(axes, dtype=np.int32)[axis]
        np.testing.assert_allclose(scores(at + shift, at + shift), scores(at, at), atol=2e-5)
        moved = np.abs(scores(at + shift, at) - scores(at, at))
        assert np.median(moved) > 0.05, f"axis {axis} has no part in the scores"


def test_rotary_of_the_origin_does_nothing():
    x = draw(B, T, H, K)
    np.testing.assert_array_equal(jax.jit(rotary)(x, np.zeros((B, T, 2), np.int32)), x)


def rms_twin(x: np.ndarray, scale: np.ndarray | float = 1.0) -> np.ndarray:
    x = x.astype(np.float64)
    return x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-6) * scale


def test_rmsnorm_is_its_formula():
    x = 5 * draw(B, T, D)
    params = random_params(lambda key: RMSNorm().init(key, x)["params"])
    np.testing.assert_allclose(jax.jit(RMSNorm().apply)({"params": params}, x), rms_twin(x, params["scale"]), rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(jax.jit(RMSNorm(learned=False).apply)({}, x), rms_twin(x), rtol=2e-5, atol=1e-6)


def test_rmsnorm_of_bfloat16_computes_in_float32():
    x = (100 * draw(B, T, D)).astype(jnp.bfloat16)
    out = jax.jit(RMSNorm(learned=False).apply)({}, x)
    assert out.dtype == jnp.bfloat16
    np.testing.assert_array_equal(out, rms_twin(x).astype(np.float32).astype(jnp.bfloat16))


@pytest.mark.parametrize("inputs", [1, 2])
@pytest.mark.parametrize("features", [(4,), (2, 3)])
def test_dense_is_a_sum_over_its_input_axes(inputs, features):
    x = draw(B, T, 3, 5)
    axes = ("heads", "head")[:inputs] + ("mlp", "embed")[: len(features)]
    dense = Dense(features, axes, use_bias=True, num_input_axes=inputs)
    params = random_params(lambda key: dense.init(key, x)["params"])
    expected = np.tensordot(x.astype(np.float64), params["kernel"], axes=inputs) + params["bias"]
    np.testing.assert_allclose(jax.jit(dense.apply)({"params": params}, x), expected, rtol=1e-5, atol=1e-5)


def test_dense_starts_with_variance_one_over_all_its_inputs():
    """A map from heads x head size sums over both: 1 / (8 * 16), not 1 / 16."""
    dense = Dense((64,), ("heads", "head", "embed"), num_input_axes=2)
    kernel = nn.unbox(jax.jit(dense.init)(jax.random.key(0), np.zeros((1, 8, 16), np.float32))["params"])["kernel"]
    assert kernel.shape == (8, 16, 64)
    deviation = 5 * np.sqrt(2 / kernel.size)  # five standard errors of an empirical variance
    np.testing.assert_allclose(np.var(kernel) * 8 * 16, 1.0, atol=deviation)


def test_gated_mlp_is_its_formula():
    x, module = draw(B, T, D), GatedMLP(hidden=16, dtype=jnp.float32)
    params = random_params(lambda key: module.init(key, x)["params"])
    p = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    gate = x @ p["gate"]["kernel"]
    expected = (gate / (1 + np.exp(-gate)) * (x @ p["value"]["kernel"])) @ p["out"]["kernel"]
    np.testing.assert_allclose(jax.jit(module.apply)({"params": params}, x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, D), (D,), (B, T, D)])
def test_maps_taken_jointly_are_each_of_them(shape, bias):
    class Maps(nn.Module):
        @nn.compact
        def __call__(self, x, together):
            maps = Dense((H, 3), ("embed", "heads", "head"), bias, name="first"), Dense((5,), ("embed", "mlp"), bias, name="second")
            return jointly(x, *maps) if together else [each(x) for each in maps]

    x, module = draw(*shape), Maps()
    params = random_params(lambda key: module.init(key, x, True)["params"])
    assert jax.tree.map(np.shape, params) == jax.tree.map(np.shape, random_params(lambda key: module.init(key, x, False)["params"]))
    found, expected = (module.apply({"params": params}, x, together) for together in (True, False))
    for each, alone in zip(found, expected, strict=True):
        np.testing.assert_allclose(each, alone, rtol=1e-5, atol=1e-5)


def test_maps_of_one_vector_are_one_product():
    x, maps = jnp.ones((1, 1, D)), [Dense((5,), ("embed", "mlp")) for _ in range(2)]
    bound = [each.bind(each.init(jax.random.key(0), x)) for each in maps]
    products = lambda x: str(jax.make_jaxpr(lambda x: jointly(x, *bound))(x)).count("dot_general")
    assert products(x) == 1 and products(jnp.ones((2, 1, D))) == 2


@pytest.mark.parametrize("inputs", [512, 511], ids=["halves", "whole"])
def test_the_product_of_one_vector_and_a_large_matrix(inputs):
    """In halves where there are two, and the same to rounding; the gradient too, of a map that is applied to a vector."""
    x, kernel = draw(inputs), draw(inputs, 300)
    assert ("[2,300]" in str(jax.make_jaxpr(of_vector)(x, kernel))) == (inputs == 512)
    exact = np.asarray(x, np.float64) @ np.asarray(kernel, np.float64)
    np.testing.assert_allclose(of_vector(x, kernel), exact, atol=1e-5 * np.sqrt(inputs))
    module = Dense((3, 100), ("embed", "heads", "head"))
    one, two = (
        jax.grad(lambda p, x: jnp.sum(module.apply(p, x)[0] ** 2))({"params": {"kernel": kernel.reshape(inputs, 3, 100)}}, rows)
        for rows in (x[None], jnp.stack([x, x]))
    )
    np.testing.assert_allclose(one["params"]["kernel"], two["params"]["kernel"], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("rows", [7, 8, 32, 33])
def test_a_few_vectors_are_a_convolution_and_have_the_derivatives_of_the_product(rows):
    """The value against float64; the derivatives of a scalar of it, of first and second order and forwards, against those of the product."""
    random = np.random.default_rng(0)
    x, kernel, weights = (jnp.asarray(random.normal(size=shape), jnp.float32) for shape in ((rows, 512), (512, 256), (rows, 256)))
    dense = Dense((256,), ("embed", "mlp"))
    apply = lambda x, kernel: dense.apply({"params": {"kernel": kernel}}, x)
    assert ("conv_general_dilated" in str(jax.make_jaxpr(apply)(x, kernel))) == (rows in (8, 32))
    exact = np.asarray(x, np.float64) @ np.asarray(kernel, np.float64)
    np.testing.assert_allclose(apply(x, kernel), exact, atol=1e-5 * np.sqrt(512))

    def derivatives(product):
        scalar = lambda x, kernel: jnp.sum(weights * jnp.tanh(product(x, kernel) / 32))
        slope = lambda x, kernel: jax.jvp(lambda x: scalar(x, kernel), (x,), (jnp.ones_like(x),))[1]
        return jax.grad(scalar, (0, 1))(x, kernel), jax.grad(slope, (0, 1))(x, kernel)

    for mine, right in zip(*(jax.tree.leaves(jax.jit(derivatives, static_argnums=0)(f)) for f in (apply, jnp.matmul)), strict=True):
        np.testing.assert_allclose(mine, right, atol=1e-5 * float(jnp.max(jnp.abs(right))))


@pytest.mark.parametrize(("kv_heads", "window"), [(None, None), (1, None), (2, 2)])
def test_attention_is_softmax_of_normalised_rotated_scores_over_what_is_visible(kv_heads, window):
    x, module = draw(B, T, D), Attention(heads=H, dtype=jnp.float32, kv_heads=kv_heads, window=window)
    coordinates = np.random.default_rng(4).integers(0, 9, (B, T, 2))
    ids = masks.AttentionIds(
        np.array([[0, 1, 2, 3, 4], [0, 0, 1, 1, 2]]), np.array([[1, 1, 2, 2, 2], [1, 1, 1, 1, 1]]), np.array([[0, 1, 2, 3, 4]] * 2)
    )
    params = random_params(lambda key: module.init(key, x, coordinates, ids, ids, None)["params"])
    out, kept = jax.jit(lambda x, coordinates: module.apply({"params": params}, x, coordinates, ids, ids, None))(x, coordinates)
    assert kept is None

    p = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    q, k, v = (np.einsum("btd,dhk->bthk", x, p[name]["kernel"]) for name in ("query", "key", "value"))
    q, k = (rotary_twin(rms_twin(a, p[f"{name}_norm"]["scale"]), coordinates) for a, name in ((q, "query"), (k, "key")))
    k, v = (np.repeat(a, H // a.shape[2], axis=2) for a in (k, v))  # a head of keys serves neighbouring heads of queries
    mixed = np.zeros_like(v)
    for b, t, h in np.ndindex(B, T, H):
        near = [s for s in range(T) if window is None or abs(s - t) < window]
        seen = [s for s in near if ids[0][b, s] <= ids[0][b, t] and ids[1][b, s] == ids[1][b, t]]
        weights = np.exp([q[b, t, h] @ k[b, s, h] / np.sqrt(D // H) for s in seen])
        mixed[b, t, h] = sum(w * v[b, s, h] for w, s in zip(weights / weights.sum(), seen, strict=True))
    np.testing.assert_allclose(out, np.einsum("bthk,hkd->btd", mixed, p["out"]["kernel"]), rtol=1e-4, atol=1e-4)


def test_in_order_pairs_behind_are_not_computed_and_nothing_else_changes():
    """Segments, a window, grouped heads, padding and a length that four does not divide; values and gradients."""
    length = 259
    x, coordinates = draw(B, length, D), np.broadcast_to(np.arange(length)[:, None], (B, length, 1))
    at = np.broadcast_to(np.arange(length), (B, length))
    ids = masks.AttentionIds(at, np.stack([1 + (at[0] > 70) - 2 * (at[0] > 250), np.ones(length, int)]), at)
    modules = [Attention(heads=H, dtype=jnp.float32, kv_heads=1, window=90, ordered=ordered) for ordered in (False, True)]
    params = random_params(lambda key: modules[0].init(key, x, coordinates, ids, ids)["params"], scale=0.2)

    def result(module):
        def loss(params, x):
            out, _ = module.apply({"params": params}, x, coordinates, ids, ids)
            return jnp.sum(jnp.where((ids.segment_ids > 0)[..., None], out, 0) * draw(B, length, D, seed=1)), out[:, :251]

        shapes = re.findall(r"stablehlo.exponential .*tensor<([\dx]+)xf32>", jax.jit(loss).lower(params, x).as_text())
        pairs = sum(math.prod(map(int, shape.split("x"))) for shape in shapes) // (B * H)
        return jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))(params, x), pairs

    (expected, all_pairs), (got, some_pairs) = map(result, modules)
    assert_trees_close(got, expected, rtol=1e-4, atol=1e-4)
    assert all_pairs == length**2 and some_pairs == 64 * 64 + 65 * (129 + 194 + 259)


@pytest.mark.parametrize("heads", [(2, 2), (4, 2)], ids=["a key head each", "two to a key head"])
def test_attention_written_out_is_that_of_jax_with_all_its_derivatives(heads):
    """Values, gradients, derivatives forwards and of second order, of rows that see some and of one that sees nothing."""
    queries, keys = heads
    random = np.random.default_rng(0)
    q, k, v, weights = (
        jnp.asarray(random.normal(size=(2, length, count, 8)), jnp.float32) for length, count in ((5, queries), (7, keys), (7, keys), (5, queries))
    )
    mask = jnp.asarray(random.random((2, 1, 5, 7)) < 0.6).at[0, 0, 3].set(False)

    def written(q, k, v):
        grouped = q.reshape(2, 5, keys, -1, 8).transpose(0, 2, 3, 1, 4)
        y = attend(grouped, k.swapaxes(1, 2), v.swapaxes(1, 2), mask[:, :, None])
        return y.transpose(0, 3, 1, 2, 4).reshape(q.shape)

    def of_jax(q, k, v):
        return jax.nn.dot_product_attention(q, k, v, mask=mask, implementation="xla")

    def derivatives(attention):
        scalar = lambda q, k, v: jnp.sum(weights * jnp.tanh(attention(q, k, v)))
        slope = lambda q, k, v: jax.jvp(scalar, (q, k, v), (q, 2 * k, -v))[1]
        return attention(q, k, v), jax.grad(scalar, (0, 1, 2))(q, k, v), slope(q, k, v), jax.grad(slope, (0, 1, 2))(q, k, v)

    found, expected = (jax.tree.leaves(jax.jit(derivatives, static_argnums=0)(attention)) for attention in (written, of_jax))
    for mine, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, right, atol=1e-5 * float(jnp.max(jnp.abs(right))))
