"""What lies in a cache, slot by slot, against a numpy loop; that decoding with it is the whole forward pass is in test_parity.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.errors import UsageError
from genjax.models import cache as caches
from genjax.models import masks
from genjax.models.masks import AttentionIds
from genjax.models.trunk import Trunk
from tests.helpers import assert_trees_equal, random_params

T, WIDTH = 8, 16


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_a_full_cache_is_left_as_it_is():
    """Rows 0-2 are full, one slot short and two slots short; a chunk of two is written. What does not fit is dropped, never moved."""
    trunk = Trunk(WIDTH, depth=2, heads=2, mlp_ratio=2.0, dropout=0.0, dtype="float32", scan_layers=True, remat=False)
    x, at, ids = draw(5, T, WIDTH), jnp.broadcast_to(jnp.arange(T)[:, None], (5, T, 1)), masks.causal(5, T)
    params = random_params(lambda key: trunk.init(key, x, at, ids)["params"])

    @jax.jit
    def chunk(start, cache):
        cut = lambda rows, axis=1: jax.lax.dynamic_slice_in_dim(rows, start, 2, axis)
        return trunk.apply({"params": params}, cut(x), cut(at), jax.tree.map(cut, ids), cache=cache)[1]

    cache = chunk(2, chunk(0, trunk.empty_cache(5, 4)))
    cache = cache._replace(index=jnp.array([4, 3, 2, 4, 4], jnp.int32))
    after = chunk(4, cache)
    for row, kept in enumerate([4, 3, 2, 4, 4]):
        before_row, after_row = (jax.tree.map(lambda leaf: leaf[row, :, :kept], (c.keys, c.values)) for c in (cache, after))  # noqa: B023
        assert_trees_equal(after_row, before_row)
        np.testing.assert_array_equal(after.ids.block_ids[row], ([0, 1, 2, 3][:kept] + [4, 5])[:4])
    roomy = chunk(4, cache._replace(index=jnp.full((5,), 2, jnp.int32)))
    for layer in range(2):
        np.testing.assert_array_equal(after.keys[layer][2], roomy.keys[layer][2])
        assert np.any(np.asarray(after.keys[layer][1, :, 3]) != np.asarray(cache.keys[layer][1, :, 3]))


@pytest.mark.parametrize("size", [1, 2, 5])
def test_write_is_the_loop(size):
    stored, new = draw(6, 4, 3), draw(6, size, 3, seed=1)
    index = np.array([0, 1, 2, 3, 4, 9])
    expected = stored.copy()
    for row, step in np.ndindex(6, size):
        if index[row] + step < 4:
            expected[row, index[row] + step] = new[row, step]
    np.testing.assert_array_equal(caches.write(jnp.asarray(stored), jnp.asarray(new), index[:, None] + jnp.arange(size)), expected)


def test_padding_has_no_slot_wherever_it_stands():
    cache = caches.empty(layers=1, batch=3, length=4, heads=1, head_size=2, dtype=jnp.float32)._replace(index=jnp.array([0, 1, 3]))
    ids = AttentionIds(*jnp.array([[[5, 6, 7]] * 3, [[0, 1, 1], [2, 0, 2], [1, 1, 0]], [[8, 9, 10]] * 3]))
    slots, index = caches.slots(cache, ids)
    np.testing.assert_array_equal(index, [2, 3, 5])  # 5 is beyond the end: the overflow can be seen
    stored = caches.write_ids(cache.ids, ids, slots)
    np.testing.assert_array_equal(stored.block_ids, [[6, 7, 0, 0], [0, 5, 7, 0], [0, 0, 0, 5]])
    np.testing.assert_array_equal(stored.segment_ids, [[1, 1, 0, 0], [0, 2, 2, 0], [0, 0, 0, 1]])
    np.testing.assert_array_equal(stored.places, [[9, 10, 0, 0], [0, 8, 10, 0], [0, 0, 0, 8]])


def test_positions_that_do_not_fit_are_refused_where_that_can_be_known():
    """Six positions, five of them real, in a cache of four; compiled, the index tells."""
    trunk = Trunk(8, 1, 2, 2.0, 0.0, "float32", scan_layers=False, remat=False)
    x, at, ids = jnp.ones((2, 6, 8)), jnp.zeros((2, 6, 1), jnp.int32), masks.causal(2, 6)
    ids = ids._replace(segment_ids=ids.segment_ids.at[0, :3].set(0).at[1, 5].set(0))
    params = random_params(lambda key: trunk.init(key, x, at, ids)["params"])
    call = lambda cache: trunk.apply({"params": params}, x, at, ids, cache=cache)[1]
    with pytest.raises(UsageError, match="5 positions do not fit into a cache of 4"):
        call(trunk.empty_cache(2, 4))
    np.testing.assert_array_equal(call(trunk.empty_cache(2, 5)).index, [3, 5])
    np.testing.assert_array_equal(jax.jit(call)(trunk.empty_cache(2, 4)).index, [3, 5])
