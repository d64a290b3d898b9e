"""The trunk. Oracles: equalities between its ways to compile, and parameters chosen so that an output shows one dropout mask."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import rng
from genjax.errors import UsageError
from genjax.models import masks
from genjax.models.trunk import Trunk
from tests.helpers import assert_trees_close, assert_trees_equal, random_params

B, T, WIDTH, DEPTH = 3, 6, 16, 2
RATE = 77 / 256  # about 0.3, and a rate that dropout can keep exactly
AT = np.broadcast_to(np.arange(T, dtype=np.int32)[None, :, None], (B, T, 1))


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


X, COND = draw(B, T, WIDTH), draw(B, WIDTH, seed=1)


def make(*, scan_layers: bool = False, remat: bool = False, width: int = WIDTH, depth: int = DEPTH, dtype: str = "float32") -> Trunk:
    return Trunk(width, depth=depth, heads=2, mlp_ratio=2.0, dropout=RATE, dtype=dtype, scan_layers=scan_layers, remat=remat)


def initialise(trunk: Trunk):
    return lambda key: trunk.init(key, X, AT, masks.causal(B, T), COND)["params"]


PARAMS = random_params(initialise(make()))


@pytest.fixture(scope="module")
def results():
    """(scan_layers, remat) -> (output, gradients for parameters and input), in training with dropout."""

    def result(trunk):
        def loss(params, x, keys):
            out = trunk.apply({"params": params}, x, AT, masks.causal(B, T), COND, keys)[0]
            return jnp.sum(out * draw(B, T, WIDTH, seed=2)), out

        (_, out), gradients = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))(PARAMS, X, keys_of([0, 1, 2]))
        return out, gradients

    return {way: result(make(scan_layers=way[0], remat=way[1])) for way in [(False, False), (True, False), (False, True), (True, True)]}


def keys_of(ids):
    return rng.rows(jax.random.key(5), jnp.asarray(ids))


@pytest.mark.parametrize("way", [(True, False), (False, True), (True, True)], ids=["scan", "remat", "scan and remat"])
def test_scanned_unrolled_and_rematerialised_are_one_function(way, results):
    """Outputs and gradients, with dropout on: another mask in one of them would move every number."""
    (out, gradients), (expected, expected_gradients) = results[way], results[False, False]
    np.testing.assert_allclose(out, expected, atol=1e-5)
    assert_trees_close(gradients, expected_gradients, rtol=1e-4, atol=1e-5)
    assert np.abs(expected).mean() > 0.1


@pytest.mark.parametrize("way", [(True, False), (False, True), (True, True)], ids=["scan", "remat", "scan and remat"])
def test_parameters_do_not_know_how_the_layers_are_compiled(way):
    trees = [jax.eval_shape(initialise(make(scan_layers=scan, remat=remat)), jax.random.key(0)) for scan, remat in (way, (False, False))]
    assert jax.tree.structure(trees[0]) == jax.tree.structure(trees[1])  # names of axes included: the boxes are part of the structure
    assert jax.tree.leaves(trees[0]) == jax.tree.leaves(trees[1])


@pytest.fixture(scope="module")
def fresh():
    """Fresh parameters of the unrolled and of the scanned trunk, boxed."""
    return [jax.jit(initialise(make(scan_layers=scan)))(jax.random.key(3)) for scan in (False, True)]


def test_fresh_parameters_are_the_same_scanned_and_differ_from_layer_to_layer(fresh):
    assert_trees_equal(fresh[1], fresh[0])
    kernel = fresh[0]["blocks"]["attention"]["query"]["kernel"].unbox()
    assert kernel.shape[0] == DEPTH
    assert np.abs(kernel[0] - kernel[1]).min() > 0


def test_a_fresh_conditioned_trunk_is_its_final_norm(fresh):
    """adaLN-zero: all gates are zero at the start."""
    out = jax.jit(make().apply)({"params": nn.unbox(fresh[0])}, X, AT, masks.causal(B, T), COND)[0]
    np.testing.assert_allclose(out, X / np.sqrt(np.mean(X**2, -1, keepdims=True) + 1e-6), rtol=1e-5)


@pytest.fixture(scope="module")
def dropped():
    """(x, params, keys) -> output in training of a conditioned, wider trunk; and parameters with which one site of one layer shows its mask.

    With all attention and MLP inputs shifted to the same constant (scale -1 kills the input), every branch adds the same vector at every
    position; gates let through one branch only; and x = 0, so that the output is zero exactly where that branch was dropped.
    """
    trunk = make(width=64)
    x, cond, ids, at = np.zeros((8, 16, 64), np.float32), np.zeros((8, 4), np.float32), masks.bidirectional(8, 16), np.zeros((8, 16, 1), np.int32)
    params = random_params(lambda key: trunk.init(key, x, at, ids, cond)["params"])
    run = jax.jit(lambda params, x, keys: trunk.apply({"params": params}, x, at, ids, cond, keys)[0])

    def only(layer: int, site: int):
        maps = np.zeros((DEPTH, 2, 3, 64), np.float32)  # scale, shift and gate of attention and MLP
        maps[:, :, 0], maps[:, :, 1] = -1.0, 1.0
        maps[layer, site, 2] = 1.0
        return params | {"blocks": params["blocks"] | {"modulation": params["blocks"]["modulation"] | {"bias": maps.reshape(DEPTH, 6, 64)}}}

    return run, only, x


def test_layers_and_sites_drop_differently_at_the_right_rate(dropped):
    run, only, x = dropped
    keys = rng.rows(jax.random.key(7), jnp.arange(8))
    kept = {site: np.asarray(run(only(*site), x, keys)) != 0 for site in np.ndindex(DEPTH, 2)}
    for site, mask in kept.items():
        sigma = np.sqrt(RATE * (1 - RATE) / mask.size)
        assert abs(mask.mean() - (1 - RATE)) < 5 * sigma, site
        for other, other_mask in kept.items():
            if other != site:  # independent masks agree with probability r^2 + (1 - r)^2
                agree = RATE**2 + (1 - RATE) ** 2
                assert abs((mask == other_mask).mean() - agree) < 5 * np.sqrt(agree * (1 - agree) / mask.size), (site, other)


def test_a_row_drops_independently_of_its_neighbours(dropped):
    run, only, x = dropped
    params = only(0, 0)
    before = np.asarray(run(params, x, keys_of(range(8))))
    after = np.asarray(run(params, x, keys_of([0, 11, 12, 3, 14, 15, 2, 17])))
    np.testing.assert_array_equal(after[[0, 3, 6]], before[[0, 3, 2]])  # the row's key goes with its id, not with its place
    assert all((after[row] != before[row]).any() for row in (1, 2, 4, 5, 7))


def test_dropout_keeps_a_value_scaled_up_or_drops_it():
    x = draw(64, 7, 43)
    out = np.asarray(jax.jit(lambda x: rng.dropout(x, RATE, keys_of(range(64))))(x))
    kept = out != 0
    np.testing.assert_allclose(out[kept], x[kept] / (1 - RATE), rtol=1e-6)
    assert abs(kept.mean() - (1 - RATE)) < 5 * np.sqrt(RATE * (1 - RATE) / x.size)
    places = kept.mean(0)  # every place of a row is dropped as often as any other
    assert np.abs(places - (1 - RATE)).max() < 5 * np.sqrt(RATE * (1 - RATE) / 64)
    assert rng.dropout(x, RATE, None) is x
    assert rng.dropout(x, 0.0, keys_of(range(64))) is x


def test_moving_all_positions_changes_nothing():
    trunk = make()
    run = jax.jit(lambda at: trunk.apply({"params": PARAMS}, X, at, masks.causal(B, T), COND)[0])
    here = run(AT)
    np.testing.assert_allclose(run(AT + 29), here, atol=2e-4)
    assert np.abs(run(AT * 2) - here).max() > 1e-2


@pytest.mark.parametrize(("width", "ratio", "hidden"), [(64, 8 / 3, 168), (48, 4.0, 192), (16, 0.1, 8)])
def test_mlp_hidden_is_rounded_to_eights(width, ratio, hidden):
    trunk = Trunk(width, depth=1, heads=2, mlp_ratio=ratio, dropout=0.0, dtype="float32", scan_layers=False, remat=False)
    assert trunk.mlp_hidden == hidden


def test_a_kernel_that_is_not_there_is_refused_and_none_is_taken_for_another():
    with pytest.raises(UsageError, match=r"model\.attention=cudnn needs a GPU and .* this is bfloat16 on cpu"):
        Trunk(16, depth=1, heads=2, mlp_ratio=2.0, dropout=0.0, dtype="bfloat16", scan_layers=False, remat=False, attention="cudnn")


SMALL = {"depth": 1, "mlp_ratio": 2.0, "dropout": 0.0, "scan_layers": False, "remat": False}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"dtype": "float32"}, r"needs a GPU and model\.dtype=bfloat16, and this is float32 on gpu"),
        ({"width": 24}, r"heads of a multiple of 8 features, up to 128, and model\.width / model\.heads = 12: use model\.attention=xla"),
        ({"width": 512}, r"heads of a multiple of 8 features, up to 128, and model\.width / model\.heads = 256: use model\.attention=xla"),
    ],
)
def test_what_the_kernel_of_a_gpu_cannot_do_is_refused_before_anything_is_compiled(given, sentence, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert Trunk(heads=2, **SMALL, attention="cudnn", **({"width": 16, "dtype": "bfloat16"})).attention == "cudnn"
    with pytest.raises(UsageError, match=sentence):
        Trunk(heads=2, **SMALL, attention="cudnn", **({"width": 16, "dtype": "bfloat16"} | given))


@pytest.mark.slow
def test_the_kernel_of_a_gpu_is_told_all_of_the_mask_and_no_odd_length(monkeypatch):
    """In its place the kernel of XLA, which refuses what cuDNN refuses. Blocks, segments, padding, a window and grouped heads: all of it arrives."""
    kernel, seen, length = jax.nn.dot_product_attention, [], 7

    def cudnn(q, k, v, *, mask, implementation):
        if implementation == "cudnn":
            assert q.dtype == k.dtype == v.dtype == jnp.bfloat16
            assert mask.dtype == bool and mask.shape == (q.shape[0], q.shape[2], q.shape[1], k.shape[1]), "nothing of it is broadcast"
            assert q.shape[1] % 2 == k.shape[1] % 2 == 0
            jax.debug.callback(seen.append, mask)
        return kernel(q, k, v, mask=mask, implementation="xla")

    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(jax.nn, "dot_product_attention", cudnn)
    x, at = draw(2, length, 32), jnp.broadcast_to(jnp.arange(length)[:, None], (2, length, 1))
    ids = masks.block_causal(2, length, 2)._replace(segment_ids=jnp.array([[1, 1, 2, 2, 2, 0, 0], [1, 1, 1, 1, 1, 1, 1]]))
    trunks = [Trunk(32, heads=4, kv_heads=2, window=3, **SMALL, dtype="bfloat16", attention=backend) for backend in ("xla", "cudnn")]
    params = random_params(lambda key: trunks[0].init(key, x, at, ids)["params"])

    def gradient(trunk):
        def loss(params):
            out = trunk.apply({"params": params}, x, at, ids)[0]
            return jnp.sum(jnp.where(ids.segment_ids[..., None] > 0, out, 0).astype(jnp.float32) ** 2)

        return jax.jit(jax.grad(loss))(params)

    expected, got = map(gradient, trunks)
    largest = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(expected))
    assert_trees_close(got, expected, rtol=0.02, atol=0.01 * largest)  # bfloat16: eight bits
    jax.effects_barrier()
    heads = np.moveaxis(seen[0], 1, 0)
    assert len(heads) == 4 and not heads[:, :, length:].any() and not heads[..., length:].any()
    for head in heads:
        np.testing.assert_array_equal(head[:, :length, :length], masks.visible(ids, ids, 3)[:, 0])


def test_heads_that_do_not_divide_are_refused():
    with pytest.raises(UsageError, match=r"model\.heads=2 is not divisible by model\.kv_heads=3"):
        Trunk(16, depth=1, heads=2, mlp_ratio=2.0, dropout=0.0, dtype="float32", scan_layers=False, remat=False, kv_heads=3)
