"""Who sees whom. Oracles: the rule of the module as a loop over pairs, and the gradient of a whole trunk."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.models import masks
from genjax.models.masks import AttentionIds
from genjax.models.trunk import Trunk
from tests.helpers import prefix_lm, random_params

T, WIDTH = 8, 16


def seen_by_loop(ids: AttentionIds, row: int) -> np.ndarray:
    """Equation (1) of the module, pair by pair."""
    blocks, segments, _ = (np.asarray(part)[row] for part in ids)
    seen = np.zeros((len(blocks), len(blocks)), bool)
    for query in range(len(blocks)):
        for key in range(len(blocks)):
            at, here = (-1 - b if b < 0 else b for b in (blocks[key], blocks[query]))
            block = at == here or (at < here and blocks[key] >= 0)
            seen[query, key] = block and segments[key] == segments[query] and segments[key] != 0
    return seen


@pytest.mark.parametrize("window", [None, 1, 3])
def test_visible_is_the_rule_pair_by_pair(window):
    random = np.random.default_rng(0)
    queries = AttentionIds(random.integers(-5, 5, (20, 6)), *(random.integers(0, top, (20, 6)) for top in (3, 9)))
    keys = AttentionIds(random.integers(-5, 5, (20, 9)), *(random.integers(0, top, (20, 9)) for top in (3, 9)))
    expected = np.zeros((20, 1, 6, 9), bool)
    for b, _, q, k in np.ndindex(expected.shape):
        same_segment = queries.segment_ids[b, q] == keys.segment_ids[b, k] and keys.segment_ids[b, k] != 0
        near = window is None or abs(queries.places[b, q] - keys.places[b, k]) < window
        at, here = (-1 - i if i < 0 else i for i in (keys.block_ids[b, k], queries.block_ids[b, q]))
        expected[b, 0, q, k] = same_segment and near and (at == here or (at < here and keys.block_ids[b, k] >= 0))
    np.testing.assert_array_equal(masks.visible(*(AttentionIds(*map(jnp.asarray, ids)) for ids in (queries, keys)), window), expected)


LOOKS_LIKE = {  # row = query, column = key
    "causal": (masks.causal(1, 4), ["x...", "xx..", "xxx.", "xxxx"]),
    "bidirectional": (masks.bidirectional(1, 4), ["xxxx"] * 4),
    "block_causal": (masks.block_causal(1, 4, 2), ["xx..", "xx..", "xxxx", "xxxx"]),
    "block_causal, last block cut": (masks.block_causal(1, 4, 3), ["xxx.", "xxx.", "xxx.", "xxxx"]),
    "clean and draft, blocks of two": (
        masks.clean_and_draft(masks.block_causal(1, 4, 2)),
        ["xx......", "xx......", "xxxx....", "xxxx....", "....xx..", "....xx..", "xx....xx", "xx....xx"],
    ),
    "clean and draft, one by one": (masks.clean_and_draft(masks.causal(1, 3)), ["x.....", "xx....", "xxx...", "...x..", "x...x.", "xx...x"]),
    "prefix_lm": (prefix_lm(jnp.array([2]), 4), ["xx..", "xx..", "xxx.", "xxxx"]),
    "prefix_lm, prefix of 1 is causal": (prefix_lm(jnp.array([1]), 4), ["x...", "xx..", "xxx.", "xxxx"]),
    "prefix_lm, no prefix is causal": (prefix_lm(jnp.array([0]), 4), ["x...", "xx..", "xxx.", "xxxx"]),
    "prefix_lm, all is prefix": (prefix_lm(jnp.array([4]), 4), ["xxxx"] * 4),
}


@pytest.mark.parametrize("name", LOOKS_LIKE)
def test_constructor_makes_the_picture(name):
    ids, picture = LOOKS_LIKE[name]
    expected = np.array([[sign == "x" for sign in line] for line in picture])
    np.testing.assert_array_equal(masks.visible(ids, ids)[0, 0], expected)


def test_a_window_reaches_back_and_within_a_block_ahead():
    pictures = {masks.causal: ["x...", "xx..", ".xx.", "..xx"], masks.bidirectional: ["xx..", "xxx.", ".xxx", "..xx"]}
    for mask, picture in pictures.items():
        expected = np.array([[sign == "x" for sign in line] for line in picture])
        np.testing.assert_array_equal(masks.visible(mask(1, 4), mask(1, 4), window=2)[0, 0], expected)


def _packed(ids: AttentionIds, segments: list[int]) -> AttentionIds:
    return ids._replace(segment_ids=jnp.array([segments], jnp.int32))


# Every constructor, whole; and packed into two documents, with padding at the end, in the middle and at the start.
CASES = {
    "causal": masks.causal(1, T),
    "bidirectional": masks.bidirectional(1, T),
    "block_causal": masks.block_causal(1, T, 3),
    "prefix_lm": prefix_lm(jnp.array([3]), T),
    "clean and draft": masks.clean_and_draft(masks.block_causal(1, T // 2, 2)),
    "causal, packed": _packed(masks.causal(1, T), [1, 1, 1, 2, 2, 2, 2, 0]),
    "bidirectional, packed": _packed(masks.bidirectional(1, T), [0, 1, 1, 2, 2, 2, 0, 0]),
    "block_causal, packed": _packed(masks.block_causal(1, T, 3), [1, 1, 1, 1, 2, 2, 0, 2]),
    "prefix_lm, packed": _packed(prefix_lm(jnp.array([3]), T), [1, 1, 0, 1, 1, 2, 2, 2]),
}


@pytest.fixture(scope="module")
def influence():
    """name -> [T, T]: the size of d out[t] / d in[s] through a trunk of two blocks, all parameters random."""
    trunk = Trunk(width=WIDTH, depth=2, heads=2, mlp_ratio=2.0, dropout=0.0, dtype="float32", scan_layers=True, remat=False)
    random = np.random.default_rng(1)
    x, cond, probe = (random.normal(size=shape).astype(np.float32) for shape in ((1, T, WIDTH), (1, WIDTH), (WIDTH,)))
    coordinates = jnp.arange(T)[None, :, None]
    params = random_params(lambda key: trunk.init(key, x, coordinates, CASES["causal"], cond)["params"])

    def jacobian(block_ids, segment_ids):
        def out(x):
            ids = AttentionIds(block_ids[None], segment_ids[None], jnp.arange(T)[None])
            return (trunk.apply({"params": params}, x[None], coordinates, ids, cond)[0][0]) @ probe

        return jnp.sum(jnp.abs(jax.jacrev(out)(x[0])), axis=-1)

    stacked = (jnp.concatenate([ids[part] for ids in CASES.values()]) for part in (0, 1))
    return dict(zip(CASES, np.asarray(jax.jit(jax.vmap(jacobian))(*stacked)), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_gradient_flows_where_the_mask_lets_it_and_nowhere_else(name, influence):
    ids = CASES[name]
    seen = seen_by_loop(ids, 0) | np.eye(T, dtype=bool)  # the residual stream: every position depends on itself
    reached = np.linalg.matrix_power(seen.astype(int), T) > 0
    real = np.asarray(ids.segment_ids)[0] != 0  # what a padded query says is never read
    np.testing.assert_array_equal(influence[name][real] != 0.0, reached[real])
    assert influence[name][real][reached[real]].min() > 1e-5
    assert np.isfinite(influence[name]).all()
