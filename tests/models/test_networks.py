"""The two networks. Oracle: which input can change which output."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.models import adapters, masks
from genjax.models.networks import PatchNetwork, TokenNetwork
from genjax.models.trunk import Trunk
from tests.helpers import random_params

SHAPE, SIZE, CLASSES = (4, 6, 2), 2, 3
TRUNK = Trunk(16, depth=1, heads=2, mlp_ratio=2.0, dropout=0.0, dtype="float32", scan_layers=False, remat=False)


@pytest.fixture(scope="module")
def denoise():
    """(x, logsnr, label) -> output of a denoiser with random parameters."""
    network = PatchNetwork(TRUNK, SHAPE, SIZE, CLASSES)
    params = random_params(lambda key: network.init(key, X, LOGSNR, LABEL)["params"])
    return lambda x, logsnr, label: network.apply({"params": params}, x, logsnr, label)


X = np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float32)
LOGSNR, LABEL = np.array([-3.0, 0.5, 4.0], np.float32), np.array([0, 1, CLASSES])


def test_every_output_of_a_denoiser_depends_on_every_input(denoise):
    jacobian = jax.jit(jax.jacrev(lambda x: denoise(x[None], LOGSNR[:1], LABEL[:1])[0]))(X[0])
    assert jacobian.shape == (*SHAPE, *SHAPE)
    assert np.abs(jacobian).min() > 0


@pytest.mark.parametrize(("shape", "sizes"), [((6, 2), 2), ((4, 2, 4, 1), (2, 1, 4))], ids=str)
def test_arrays_of_other_axes_have_places_and_are_seen_whole(shape, sizes):
    """A sound [T, C] and a film [F, H, W, C]: every output depends on every input, and patches that are alike differ by where they lie."""
    network = PatchNetwork(TRUNK, shape, sizes, 0)
    x = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
    params = random_params(lambda key: network.init(key, x, LOGSNR[:1], None)["params"])
    run = lambda x: network.apply({"params": params}, x[None], LOGSNR[:1], None)[0]
    assert np.abs(jax.jit(jax.jacrev(run))(x[0])).min() > 0
    patches = np.asarray(adapters.patchify(jax.jit(run)(np.zeros(shape, np.float32))[None], sizes))[0]
    assert len(patches) == network.positions > 2
    assert np.abs(patches[:, None] - patches[None]).max(-1)[~np.eye(len(patches), dtype=bool)].min() > 1e-3


def test_without_positions_a_denoiser_sees_a_set():
    """Points in another order come back in that order, each the same; with them they do not."""
    x, order = np.random.default_rng(0).normal(size=(1, 7, 3)).astype(np.float32), np.random.default_rng(1).permutation(7)
    for positions, same in (("none", True), ("rotary", False)):
        network = PatchNetwork(TRUNK.clone(positions=positions), (7, 3), 1, 0)
        params = random_params(lambda key, network=network: network.init(key, x, LOGSNR[:1], None)["params"])
        run = jax.jit(lambda x, network=network, params=params: network.apply({"params": params}, x, LOGSNR[:1], None))
        assert np.allclose(run(x[:, order]), np.asarray(run(x))[:, order], rtol=1e-4, atol=1e-5) == same


def test_a_denoiser_hears_the_noise_level_and_the_class_of_its_own_row(denoise):
    run = jax.jit(denoise)
    out = np.asarray(run(X, LOGSNR, LABEL))
    for changed in map(np.asarray, (run(X, LOGSNR + np.array([0, 0.1, 0], np.float32), LABEL), run(X, LOGSNR, np.array([0, 2, CLASSES])))):
        np.testing.assert_array_equal(changed[[0, 2]], out[[0, 2]])
        assert np.abs(changed[1] - out[1]).max() > 1e-3


def test_a_network_hears_every_one_of_several_levels():
    network = PatchNetwork(TRUNK, SHAPE, SIZE, CLASSES)
    levels = np.stack([LOGSNR, LOGSNR + 1], axis=-1)
    params = random_params(lambda key: network.init(key, X, levels, LABEL)["params"])
    run = jax.jit(lambda levels: network.apply({"params": params}, X, levels, LABEL))
    out = np.asarray(run(levels))
    for which in (0, 1):
        changed = np.array(levels)
        changed[1, which] += 0.1
        got = np.asarray(run(changed))
        np.testing.assert_array_equal(got[[0, 2]], out[[0, 2]])
        assert np.abs(got[1] - out[1]).max() > 1e-3


def test_a_denoiser_knows_where_a_patch_lies(denoise):
    """With all patches alike, what differs between positions is their place."""
    out = np.asarray(jax.jit(denoise)(np.zeros_like(X), LOGSNR, LABEL))
    patches = np.asarray(adapters.patchify(jnp.asarray(out), SIZE))[0]
    distances = np.abs(patches[:, None] - patches[None]).max(-1)
    assert distances[~np.eye(len(patches), dtype=bool)].min() > 1e-3


@pytest.mark.parametrize("grid", [(6,), (2, 3), (1, 2, 3)], ids=str)
def test_a_sequence_has_an_order_and_a_grid_has_places(grid):
    """Tokens that are all alike: along one axis nothing tells positions apart where all are seen, on a grid their places do."""
    network = TokenNetwork(TRUNK, vocab=4, grid=grid, num_classes=0)
    tokens, at = np.ones((1, 6), np.int32), np.asarray(adapters.grid_coordinates(grid))[None]
    params = random_params(lambda key: network.init(key, tokens, at, masks.bidirectional(1, 6), None)["params"])
    logits, cache = jax.jit(lambda tokens: network.apply({"params": params}, tokens, at, masks.bidirectional(1, 6), None))(tokens)
    assert cache is None
    assert logits.shape == (1, 6, 4)
    scatter = np.ptp(np.asarray(logits)[0], axis=0).max()
    assert scatter < 1e-5 if len(grid) == 1 else scatter > 1e-2
