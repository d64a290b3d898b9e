"""Decoding with a cache. Oracles: the same trunk run over whole sequences, and a numpy loop that writes slot by slot."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.errors import UsageError
from genjax.models import cache as caches
from genjax.models import masks
from genjax.models.masks import AttentionIds
from genjax.models.trunk import Trunk
from tests.helpers import assert_trees_equal, jit, random_params

T, WIDTH = 8, 16
ONE_BY_ONE = (1,) * T

# Rows of one batch, each with a mask of its own. In a batch that is decoded in chunks, a chunk ends where no block is cut.
CAUSAL = [masks.causal(1, T), masks.causal(1, T)._replace(segment_ids=jnp.array([[1, 1, 1, 2, 2, 2, 2, 2]]))]
BLOCKS_OF_TWO = [*CAUSAL, masks.block_causal(1, T, 2)]
PREFIX = [*CAUSAL, masks.block_causal(1, T, 4), masks.prefix_lm(jnp.array([4]), T), masks.prefix_lm(jnp.array([2]), T)]


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


class Decoder:
    """A trunk with random parameters, run whole or in chunks."""

    def __init__(self, *, conditioned: bool, scan_layers: bool):
        self.trunk = Trunk(WIDTH, depth=2, heads=2, mlp_ratio=2.0, dropout=0.0, dtype="float32", scan_layers=scan_layers, remat=False)
        self.conditioned = conditioned
        args = (draw(1, T, WIDTH), jnp.zeros((1, T, 2), jnp.int32), masks.causal(1, T), self.cond(1))
        self.params = random_params(lambda key: self.trunk.init(key, *args)["params"])
        self._whole = jit(lambda x, at, ids, cond: self.trunk.apply({"params": self.params}, x, at, ids, cond)[0])
        self._chunk = jit(lambda x, at, ids, cond, cache: self.trunk.apply({"params": self.params}, x, at, ids, cond, cache=cache))

    def cond(self, rows: int):
        return draw(rows, WIDTH, seed=9) if self.conditioned else None

    def whole(self, x, at, ids):
        return self._whole(x, at, ids, self.cond(len(x)))

    def chunk(self, x, at, ids, cache):
        return self._chunk(x, at, ids, self.cond(len(x)), cache)


@pytest.fixture(scope="module")
def plain():
    return Decoder(conditioned=False, scan_layers=False)


@pytest.fixture(scope="module")
def conditioned():
    return Decoder(conditioned=True, scan_layers=True)


@pytest.fixture(params=["plain", "conditioned"], scope="module")
def decoder(request):
    return request.getfixturevalue(request.param)


def rows_of(decoder: Decoder, kinds: list[AttentionIds]):
    """Inputs, coordinates, ids and the outputs of the whole sequences. The batch is padded to one size, so that it compiles once."""
    kinds = (kinds * 5)[:5]
    ids = AttentionIds(*(jnp.concatenate(parts) for parts in zip(*kinds, strict=True)))
    x = draw(len(kinds), T, WIDTH)
    at = np.random.default_rng(1).integers(0, 9, (len(kinds), T, 2))
    return x, at, ids, decoder.whole(x, at, ids)


def part(ids: AttentionIds, start: int, stop: int) -> AttentionIds:
    return AttentionIds(*(rows[:, start:stop] for rows in ids))


@pytest.mark.parametrize(("kinds", "chunks"), [(CAUSAL, ONE_BY_ONE), (BLOCKS_OF_TWO, (2, 2, 2, 2)), (PREFIX, (4, 4)), (CAUSAL, (4, 1, 1, 2))])
def test_cached_is_whole(decoder, kinds, chunks):
    x, at, ids, expected = rows_of(decoder, kinds)
    cache, start = decoder.trunk.empty_cache(len(x), T), 0
    for size in chunks:
        here = slice(start, start + size)
        out, cache = decoder.chunk(x[:, here], at[:, here], part(ids, start, start + size), cache)
        np.testing.assert_allclose(out, expected[:, here], rtol=1e-5, atol=1e-5)
        start += size
    np.testing.assert_array_equal(cache.index, start)


def test_prefix_then_one_by_one_is_whole(decoder):
    x, at, ids, expected = rows_of(decoder, [masks.prefix_lm(jnp.array([length]), T) for length in (0, 1, 2, 3, 4)])
    out, cache = decoder.chunk(x[:, :4], at[:, :4], part(ids, 0, 4), decoder.trunk.empty_cache(len(x), T))
    np.testing.assert_allclose(out, expected[:, :4], rtol=1e-5, atol=1e-5)
    for t in range(4, T):
        out, cache = decoder.chunk(x[:, t : t + 1], at[:, t : t + 1], part(ids, t, t + 1), cache)
        np.testing.assert_allclose(out, expected[:, t : t + 1], rtol=1e-5, atol=1e-5)


def test_rows_of_different_lengths_decode_as_if_alone(decoder):
    """Prompts of 1 to 4 positions, padded on the right with segment 0; then every row goes on at its own index."""
    x, at, ids, expected = rows_of(decoder, CAUSAL[:1])
    lengths = np.array([1, 2, 3, 4, 2])
    prompt = part(ids, 0, 4)._replace(segment_ids=(np.arange(4)[None, :] < lengths[:, None]).astype(np.int32))
    out, cache = decoder.chunk(x[:, :4], at[:, :4], prompt, decoder.trunk.empty_cache(len(x), T))
    for row, length in enumerate(lengths):
        np.testing.assert_allclose(out[row, :length], expected[row, :length], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(cache.index, lengths)
    for step in range(4):
        here, rows = (lengths + step)[:, None], np.arange(len(x))[:, None]
        one = AttentionIds(jnp.asarray(here), jnp.ones_like(here), jnp.asarray(here))
        out, cache = decoder.chunk(x[rows, here], at[rows, here], one, cache)
        np.testing.assert_allclose(out, expected[rows, here], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(cache.index, lengths + 4)


def test_a_full_cache_is_left_as_it_is(plain):
    """Rows 0-2 are full, one slot short and two slots short; a chunk of two is written. What does not fit is dropped, never moved."""
    x, at, ids, _ = rows_of(plain, CAUSAL[:1])
    cache = plain.trunk.empty_cache(len(x), 4)
    _, cache = plain.chunk(x[:, :4], at[:, :4], part(ids, 0, 4), cache)
    cache = cache._replace(index=jnp.array([4, 3, 2, 4, 4], jnp.int32))
    _, after = plain.chunk(x[:, 4:6], at[:, 4:6], part(ids, 4, 6), cache)
    for row, kept in enumerate([4, 3, 2, 4, 4]):
        before_row, after_row = (jax.tree.map(lambda leaf: leaf[..., row, :kept, :, :], (c.keys, c.values)) for c in (cache, after))  # noqa: B023
        assert_trees_equal(after_row, before_row)
        np.testing.assert_array_equal(after.ids.block_ids[row], ([0, 1, 2, 3][:kept] + [4, 5])[:4])
    _, roomy = plain.chunk(x[:, 4:6], at[:, 4:6], part(ids, 4, 6), cache._replace(index=jnp.full((5,), 2, jnp.int32)))
    np.testing.assert_array_equal(after.keys[:, 2], roomy.keys[:, 2])
    assert np.any(np.asarray(after.keys[:, 1, 3]) != np.asarray(cache.keys[:, 1, 3]))


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


def test_a_request_that_does_not_fit_is_refused():
    cache = caches.empty(layers=1, batch=2, length=8, heads=1, head_size=2, dtype=jnp.float32)
    caches.require_room(cache, 8)
    with pytest.raises(UsageError, match="9 positions do not fit into a cache of 8"):
        caches.require_room(cache, 9)
