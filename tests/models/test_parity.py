"""A cached decode gives the logits of the whole forward pass: for every mask, however prompts are padded and cut, for grouped heads and windows.

A layout says which tokens of each row are fed together: indices into the row, -1 for padding. Whatever the layout, each token must get the
logits that it has in the row as a whole.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.models import cache as caches
from genjax.models import masks
from genjax.models.masks import AttentionIds
from genjax.models.networks import TokenNetwork
from genjax.models.trunk import Trunk
from tests.helpers import prefix_lm, random_params

B, T, V = 5, 8, 7
RANDOM = np.random.default_rng(0)
TOKENS, AT = RANDOM.integers(0, V, (B, T)), RANDOM.integers(0, 9, (B, T, 2))
LABEL = np.arange(B) % 3


class Model:
    def __init__(self, *, classes=0, tied_head=False, logit_softcap=None, **trunk):
        sizes = {"heads": 4, "kv_heads": 2, "mlp_ratio": 2.0}  # heads that could be taken for each other
        options = sizes | {"dropout": 0.0, "dtype": "float32", "scan_layers": True, "remat": False} | trunk
        self.trunk = Trunk(16, depth=2, **options)
        network = TokenNetwork(self.trunk, V, (9, 9), classes, tied_head, logit_softcap)
        params = random_params(lambda key: network.init(key, TOKENS, AT, masks.causal(B, T), LABEL)["params"])
        self.whole = jax.jit(lambda tokens, at, ids: network.apply({"params": params}, tokens, at, ids, LABEL)[0])
        self.chunk = jax.jit(lambda tokens, at, ids, cache: network.apply({"params": params}, tokens, at, ids, LABEL, cache=cache))


MODELS = {
    "everywhere, told of classes, block by block": {"classes": 3, "scan_layers": False},
    "window": {"window": 3, "tied_head": True, "logit_softcap": 2.0},
    "of other layers": {"norm": "layer", "positions": "learned", "mlp": "plain", "qk_norm": False, "bias": True},
}


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    return Model(**MODELS[request.param])


def rows_of(kinds: list[AttentionIds]) -> AttentionIds:
    return AttentionIds(*(jnp.concatenate(parts) for parts in zip(*(kinds * B)[:B], strict=True)))


CAUSAL, PACKED = masks.causal(1, T), masks.causal(1, T)._replace(segment_ids=jnp.array([[1, 1, 1, 2, 2, 2, 2, 3]]))
BLOCKS, PACKED_BLOCKS = masks.block_causal(1, T, 2), masks.block_causal(1, T, 2)._replace(segment_ids=jnp.array([[1, 1, 1, 1, 2, 2, 2, 2]]))
ONE_BY_ONE = [rows_of([CAUSAL, PACKED])]
BY_TWO = [rows_of([CAUSAL, PACKED, BLOCKS, PACKED_BLOCKS, prefix_lm(jnp.array([2]), T)])]
BY_FOUR = [*BY_TWO, rows_of([masks.block_causal(1, T, 4), prefix_lm(jnp.array([4]), T), prefix_lm(jnp.array([3]), T)])]
AT_ONCE = [*BY_FOUR, rows_of([masks.bidirectional(1, T), prefix_lm(jnp.array([6]), T), masks.block_causal(1, T, 3)])]


def padded(lengths, side, then):
    """Prompts of the given lengths in a chunk of four, then `then` tokens at a time; a row that is at its end is padding."""
    chunks = [[{"left": [-1] * (4 - n) + list(range(n)), "right": list(range(n)) + [-1] * (4 - n)}[side] for n in lengths]]
    for start in range(0, T - min(lengths), then):
        chunks.append([[i if i < T else -1 for i in range(n + start, n + start + then)] for n in lengths])
    return chunks


PROMPTS = [1, 2, 3, 4, 2]
READ_BOTH_WAYS = prefix_lm(jnp.array(PROMPTS), T)  # each row's own prompt
PREFIXES = rows_of([prefix_lm(jnp.array([n]), T) for n in (0, 2, 4)])
IN_BETWEEN = [
    [[0, -1, 1, -1], [-1, 0, -1, -1], [0, 1, 2, 3], [-1, -1, -1, 0], [-1] * 4],
    [[-1, 2, 3, 4], [1, 2, -1, 3], [4, -1, -1, 5], [1, -1, -1, 2], [-1, 0, 1, -1]],
]
LAYOUTS = {
    "one by one": (ONE_BY_ONE, [[[t]] * B for t in range(T)]),
    "prefill, then one by one": ([*ONE_BY_ONE, PREFIXES], [[[0, 1, 2, 3]] * B, *[[[t]] * B for t in range(4, T)]]),
    "chunked prefill": (BY_TWO, [[[t, t + 1]] * B for t in range(0, T, 2)]),
    "two halves": (BY_FOUR, [[[0, 1, 2, 3]] * B, [[4, 5, 6, 7]] * B]),
    "at once": (AT_ONCE, [[list(range(T))] * B]),
    "at once, padded on either side": (AT_ONCE, [[[-1] * (row % 3) + list(range(T)) + [-1] * (2 - row % 3) for row in range(B)]]),
    "ragged, right-padded": ([*ONE_BY_ONE, READ_BOTH_WAYS], padded(PROMPTS, "right", 1)),
    "ragged, left-padded": ([*ONE_BY_ONE, READ_BOTH_WAYS], padded(PROMPTS, "left", 1)),
    "ragged in blocks, right-padded": (BY_TWO, padded([2, 4, 2, 4, 2], "right", 2)),
    "ragged in blocks, left-padded": (BY_TWO, padded([2, 4, 2, 4, 2], "left", 2)),
    "padded in between, chunk by chunk": (ONE_BY_ONE, IN_BETWEEN),
}


def empty_caches(model, at_once):
    """A cache for T positions; where a window allows it, one that goes round besides."""
    caches = [model.trunk.empty_cache(B, T), model.trunk.empty_cache(B, T, at_once)]
    return caches if caches[0].room != caches[1].room else caches[:1]


@pytest.mark.parametrize("name", LAYOUTS)
def test_cached_decode_is_the_whole_forward_pass(name, model):
    kinds, chunks = LAYOUTS[name]
    for ids, cache in itertools.product(kinds, empty_caches(model, max(len(row) for chunk in chunks for row in chunk))):
        expected = np.asarray(model.whole(TOKENS, AT, ids))
        fed = np.zeros(B, int)
        for index in map(np.array, chunks):
            rows, real = np.arange(B)[:, None], index >= 0
            here = AttentionIds(*(jnp.asarray(part)[rows, index] for part in ids))
            here = here._replace(segment_ids=jnp.where(real, here.segment_ids, 0))
            logits, cache = model.chunk(TOKENS[rows, index], AT[rows, index], here, cache)
            np.testing.assert_allclose(np.asarray(logits)[real], expected[rows, index][real], rtol=1e-5, atol=1e-5)
            fed += real.sum(1)
            np.testing.assert_array_equal(cache.index, fed)


@pytest.mark.parametrize("kinds, then", [(ONE_BY_ONE, 1), (BY_FOUR, 4)], ids=["one by one", "every mask, two halves"])
def test_reordered_rows_go_on_from_what_they_took_over(kinds, then, model):
    """As beams do: after four tokens row b is what row taken[b] was, of the same class, and goes on with its own."""
    taken = np.array([3, 1, 2, 3, 1])
    for kind in kinds:
        first = AttentionIds(*(part[:, :4] for part in kind))
        _, cache = model.chunk(TOKENS[:, :4], AT[:, :4], first, model.trunk.empty_cache(B, T))
        cache = caches.take(cache, jnp.asarray(taken))
        ids = AttentionIds(*(part[taken] for part in kind))
        tokens, at = np.concatenate([TOKENS[taken, :4], TOKENS[:, 4:]], axis=1), np.concatenate([AT[taken, :4], AT[:, 4:]], axis=1)
        expected = model.whole(tokens, at, ids)
        for t in range(4, T, then):
            here = slice(t, t + then)
            logits, cache = model.chunk(tokens[:, here], at[:, here], AttentionIds(*(part[:, here] for part in ids)), cache)
            np.testing.assert_allclose(logits, expected[:, here], rtol=1e-5, atol=1e-5)


def test_what_is_forgotten_is_as_if_it_had_never_been(model):
    """Four tokens, of which rows keep 0 to 4; then the rest, with nothing of the forgotten to be seen."""
    kept, ids = np.array([0, 1, 2, 3, 4]), rows_of([CAUSAL])
    wrong = AttentionIds(*(part[:, :4] for part in ids))
    prompt = np.where(np.arange(4) < kept[:, None], TOKENS[:, :4], (TOKENS[:, :4] + 1) % V)
    expected, rows = np.asarray(model.whole(TOKENS, AT, ids)), np.arange(B)[:, None]
    for cache in empty_caches(model, 4):
        _, cache = model.chunk(prompt, AT[:, :4], wrong, cache)
        cache = caches.forget(cache, jnp.asarray(4 - kept))
        for step in range(4):
            index = (kept + step)[:, None]
            logits, cache = model.chunk(TOKENS[rows, index], AT[rows, index], AttentionIds(*(jnp.asarray(part)[rows, index] for part in ids)), cache)
            np.testing.assert_allclose(logits, expected[rows, index], rtol=1e-5, atol=1e-5)


def test_what_is_forgotten_behind_a_turn_is_as_if_it_had_never_been():
    """A cache of five slots for a window of three: three tokens are written at once, behind the turn as well, and up to two are taken back."""
    model, ids = Model(window=3), rows_of([CAUSAL])
    cache, fed, expected, rows = model.trunk.empty_cache(B, T, 3), np.zeros(B, int), np.asarray(model.whole(TOKENS, AT, ids)), np.arange(B)[:, None]
    assert cache.room == 5
    for taken_back in ([2, 1, 0, 2, 0], [0, 1, 2, 1, 2], [1, 2, 1, 2, 1], [1, 1, 1, 0, 1]):
        index = fed[:, None] + np.arange(3)
        real = index < T
        index = np.minimum(index, T - 1)
        here = AttentionIds(*(jnp.asarray(part)[rows, index] for part in ids))
        logits, cache = model.chunk(TOKENS[rows, index], AT[rows, index], here._replace(segment_ids=jnp.where(real, here.segment_ids, 0)), cache)
        np.testing.assert_allclose(np.asarray(logits)[real], expected[rows, index][real], rtol=1e-5, atol=1e-5)
        count = np.minimum(taken_back, real.sum(1))
        cache, fed = caches.forget(cache, jnp.asarray(count)), fed + real.sum(1) - count
    assert fed.max() > 5


def test_a_cache_that_grows_is_one_that_was_large(model):
    ids, cache = rows_of([CAUSAL]), model.trunk.empty_cache(B, 1)
    expected = np.asarray(model.whole(TOKENS, AT, ids))
    for first, last, more in ((0, 1, 2), (1, 3, 5), (3, 8, 0)):
        here = slice(first, last)
        logits, cache = model.chunk(TOKENS[:, here], AT[:, here], AttentionIds(*(part[:, here] for part in ids)), cache)
        np.testing.assert_allclose(logits, expected[:, here], rtol=1e-5, atol=1e-5)
        cache = caches.grow(cache, more)
    assert cache.room == T


def test_a_window_is_not_a_whole_and_the_cap_holds():
    """The fixtures differ in what they claim to: the comparisons above compare what they say."""
    whole, local = (Model(window=window, tied_head=True, logit_softcap=2.0) for window in (None, 3))
    out = [np.asarray(m.whole(TOKENS, AT, rows_of([CAUSAL]))) for m in (whole, local)]
    np.testing.assert_allclose(out[0][:, :3], out[1][:, :3], atol=1e-5)
    assert np.abs(out[0][:, 3:] - out[1][:, 3:]).max() > 0.05
    assert np.abs(out[0]).max() < 2.0
    assert np.abs(out[0]).max() > 1.0


def test_packed_documents_have_the_logits_that_they_have_alone(model):
    together = np.asarray(model.whole(TOKENS, AT, rows_of([PACKED])))
    for start, stop in ((0, 3), (3, 7), (7, 8)):
        alone = jnp.roll(jnp.asarray(TOKENS), -start, axis=1), jnp.roll(jnp.asarray(AT), -start, axis=1)
        real = jnp.broadcast_to((jnp.arange(T) < stop - start).astype(jnp.int32), (B, T))
        logits = model.whole(*alone, masks.causal(B, T)._replace(segment_ids=real))
        np.testing.assert_allclose(together[:, start:stop], logits[:, : stop - start], rtol=1e-5, atol=1e-5)
