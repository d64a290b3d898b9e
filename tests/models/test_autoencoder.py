"""The autoencoder's network: shapes, what starts at zero, and that nothing of an image reaches the decoder but its latents."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.errors import UsageError
from genjax.models.autoencoder import Autoencoder
from genjax.models.unet import ResidualBlock
from tests.helpers import random_params

TOY = dict(shape=(8, 4, 1), latent_channels=3, channels=4, multipliers=(1, 2), blocks=1, dropout=0.0, dtype="float32")
X = np.random.default_rng(0).normal(size=(2, 8, 4, 1)).astype(np.float32)


def initialise(network):
    return lambda key: network.init(key, jnp.zeros((1, *network.shape)))["params"]


def test_a_side_is_halved_between_resolutions_and_comes_back():
    network = Autoencoder(**TOY)
    params = random_params(initialise(network), scale=0.2)

    @jax.jit
    def both(params, x):
        mean, log_std = network.apply({"params": params}, x, method="encode")
        return mean, log_std, *network.apply({"params": params}, mean, method="decode")

    shapes = [found.shape for found in both(params, X)]
    assert shapes == [(2, 4, 2, 3)] * 2 + [(2, 8, 4, 1)] * 2
    assert network.latent_shape == (4, 2, 3)
    assert {leaf.dtype for leaf in both(params, X)} == {jnp.dtype("float32")}


def test_images_that_cannot_be_halved_are_refused():
    with pytest.raises(UsageError, match="cannot be halved"):
        Autoencoder(**TOY | {"shape": (6, 4, 1), "multipliers": (1, 1, 1)})


def test_a_residual_block_without_a_condition_has_a_learned_norm_in_the_place_of_its_maps():
    block, x = ResidualBlock(4, 0.0, jnp.dtype("float32")), jnp.ones((1, 2, 2, 4))
    with_cond, without = (jax.eval_shape(block.init, jax.random.key(0), x, cond, None)["params"] for cond in (jnp.ones((1, 3)), None))
    assert set(with_cond) - set(without) == {"modulation"}
    assert set(without) - set(with_cond) == {"hidden_norm"}
