"""From data to positions and back. Oracles: explicit loops, inverses, numpy twins."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.models import adapters
from tests.helpers import IMAGES, TOKENS, build, fresh_params, random_params

SHAPES = [((4, 6, 3), 2), ((6, 3, 1), 3), ((2, 2, 2), 1), ((4, 4, 1), 4)]
ARRAYS = [((6, 2), (3,)), ((5, 1), 1), ((4, 6, 1), (2, 3)), ((4, 4, 6, 2), (1, 4, 2)), ((2, 4, 2, 1), 2)]


def patches_by_loop(image: np.ndarray, size: int) -> np.ndarray:
    batch, height, width, channels = image.shape
    out = np.zeros((batch, height * width // size**2, size * size * channels), image.dtype)
    for b, y, x, c in np.ndindex(image.shape):
        position = (y // size) * (width // size) + x // size
        inside = ((y % size) * size + x % size) * channels + c
        out[b, position, inside] = image[b, y, x, c]
    return out


def array_patches_by_loop(x: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    """Every value asked for its patch and its place in it, as numbers in a mixed base."""
    axes, channels = x.shape[1:-1], x.shape[-1]
    grid = [n // size for n, size in zip(axes, sizes, strict=True)]
    out = np.zeros((len(x), np.prod(grid), np.prod(sizes) * channels), x.dtype)
    for b, *at, c in np.ndindex(x.shape):
        position = inside = 0
        for place, size, count in zip(at, sizes, grid, strict=True):
            position, inside = position * count + place // size, inside * size + place % size
        out[b, position, inside * channels + c] = x[(b, *at, c)]
    return out


@pytest.mark.parametrize(("shape", "size"), SHAPES)
def test_patchify_is_the_loop_and_unpatchify_its_inverse(shape, size):
    image = np.arange(2 * np.prod(shape), dtype=np.float32).reshape(2, *shape)
    patches = adapters.patchify(jnp.asarray(image), size)
    np.testing.assert_array_equal(patches, patches_by_loop(image, size))
    np.testing.assert_array_equal(adapters.unpatchify(patches, size, shape), image)


@pytest.mark.parametrize(("shape", "sizes"), ARRAYS)
def test_arrays_of_any_number_of_axes_have_patches(shape, sizes):
    array = np.arange(2 * np.prod(shape), dtype=np.float32).reshape(2, *shape)
    each = np.broadcast_to(sizes, len(shape) - 1)
    patches = adapters.patchify(jnp.asarray(array), sizes)
    np.testing.assert_array_equal(patches, array_patches_by_loop(array, tuple(each)))
    np.testing.assert_array_equal(adapters.unpatchify(patches, sizes, shape), array)
    grid = adapters.patch_grid(shape, sizes)
    assert grid == tuple(np.array(shape[:-1]) // each) and patches.shape[1] == np.prod(grid)


@pytest.mark.parametrize(("shape", "sizes"), [((4, 6, 1), 4), ((4, 6, 1), (2, 4)), ((8, 1), (2, 2)), ((4, 4, 4, 1), (2, 2)), ((4, 1), ())])
def test_what_is_not_divisible_has_no_patches(shape, sizes):
    assert adapters.patch_grid(shape, sizes) is None


@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4), (1, 2)])
def test_grid_coordinates_are_in_raster_order(shape):
    np.testing.assert_array_equal(adapters.grid_coordinates(shape), list(np.ndindex(shape)))


def test_patches_lie_at_their_coordinates():
    """Patch i of an image whose pixels say where they are comes from coordinate i."""
    image = np.stack(np.meshgrid(np.arange(6), np.arange(4), indexing="ij"), axis=-1)[None]
    first_pixel = adapters.patchify(jnp.asarray(image), 2)[0, :, :2]
    np.testing.assert_array_equal(first_pixel, 2 * adapters.grid_coordinates((3, 2)))


def test_embed_looks_up_and_an_id_outside_the_table_is_not_taken_for_another():
    embed = adapters.Embed(entries=5, width=3)
    ids = np.array([[0, 4], [2, 2]])
    params = random_params(lambda key: embed.init(key, ids)["params"])
    np.testing.assert_array_equal(embed.apply({"params": params}, ids), params["table"][ids])
    assert np.isnan(embed.apply({"params": params}, np.array([5]))).all()


def test_noise_level_embedding_is_its_formula():
    module = adapters.NoiseLevelEmbed(width=8, frequencies=6)
    logsnr = np.array([-9.0, 0.0, 0.3, 8.5], np.float32)
    params = random_params(lambda key: module.init(key, logsnr)["params"])
    p = jax.tree.map(lambda x: np.asarray(x, np.float64), params)
    angles = logsnr.astype(np.float64)[:, None] * np.exp(np.linspace(np.log(0.05), np.log(20), 6))
    hidden = np.concatenate([np.sin(angles), np.cos(angles)], axis=1) @ p["hidden"]["kernel"] + p["hidden"]["bias"]
    expected = (hidden / (1 + np.exp(-hidden))) @ p["out"]["kernel"] + p["out"]["bias"]
    np.testing.assert_allclose(jax.jit(module.apply)({"params": params}, logsnr), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("objective", "spec"), [("next_token", TOKENS), ("noise_prediction", IMAGES)])
def test_heads_start_at_zero(objective, spec):
    head = fresh_params(build(objective, spec))["head"]
    assert jax.tree.leaves(head)
    assert all(not np.any(leaf) for leaf in jax.tree.leaves(head))


@pytest.mark.parametrize("head", [adapters.TokenHead(7), adapters.PatchOut(7)])
def test_heads_compute_in_float32_whatever_comes_in(head):
    """bfloat16 features are exact in float32, so the answer is that of float32 features of the same values: no digit is lost on the way."""
    x = np.random.default_rng(0).normal(size=(2, 3, 8)).astype(jnp.bfloat16)
    params = random_params(lambda key: head.init(key, x)["params"])
    (kernel,) = [leaf for leaf in jax.tree.leaves(params) if leaf.ndim == 2]
    bias = sum(np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(params) if leaf.ndim == 1)
    out = jax.jit(head.apply)({"params": params}, x)
    assert out.dtype == jnp.float32
    np.testing.assert_allclose(out, x.astype(np.float64) @ np.asarray(kernel, np.float64) + bias, rtol=1e-5, atol=1e-5)


def test_a_tied_head_reads_the_table_through_a_scale_that_starts_at_zero():
    """So a table of deviation 1, right for an input, gives no logits of deviation sqrt(width): the loss starts at the log of the vocabulary."""
    random = np.random.default_rng(0)
    x, table, head = random.normal(size=(2, 3, 8)).astype(np.float32), random.normal(size=(8, 8)).astype(np.float32), adapters.TokenHead(7)
    fresh = head.init(jax.random.key(0), x, table)["params"]
    assert {name: leaf.unbox().shape for name, leaf in fresh.items()} == {"scale": (8,)}
    assert not np.any(head.apply({"params": fresh}, x, table))
    params = random_params(lambda key: head.init(key, x, table)["params"])
    scaled = x.astype(np.float64) * np.asarray(params["scale"], np.float64)
    np.testing.assert_allclose(head.apply({"params": params}, x, table), scaled @ table[:7].T, rtol=1e-5, atol=1e-5)


def test_a_soft_cap_bounds_logits_and_leaves_small_ones():
    logits = jnp.array([[-1e6, -3.0, -1e-3, 0.0, 1e-3, 3.0, 1e6]])
    params = {"logits": {"kernel": jnp.eye(7)}}
    capped = adapters.TokenHead(7, softcap=5.0).apply({"params": params}, logits)
    np.testing.assert_allclose(capped, 5 * np.tanh(np.asarray(logits, np.float64) / 5), rtol=1e-6)
    assert np.abs(capped).max() == 5.0
