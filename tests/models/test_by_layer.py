"""Blocks taken apart: the same numbers as stacked, wherever trunks are, and once is enough."""

import jax.numpy as jnp
import numpy as np

from genjax.models.trunk import by_layer
from tests.helpers import assert_trees_equal

BLOCKS = {"mlp": {"kernel": jnp.arange(24.0).reshape(3, 2, 4)}, "scale": jnp.arange(6.0).reshape(3, 2)}
PARAMS = {"embed": jnp.ones(2), "trunk": {"blocks": BLOCKS, "norm": jnp.zeros(2)}, "encoder": {"blocks": {"scale": jnp.ones((2, 5))}}}


def test_every_block_has_its_own_part_of_the_stack():
    apart = by_layer(PARAMS)
    assert list(apart["trunk"]["blocks"]) == ["0", "1", "2"] and list(apart["encoder"]["blocks"]) == ["0", "1"]
    for layer in range(3):
        block = apart["trunk"]["blocks"][str(layer)]
        np.testing.assert_array_equal(block["mlp"]["kernel"], BLOCKS["mlp"]["kernel"][layer])
        np.testing.assert_array_equal(block["scale"], BLOCKS["scale"][layer])
    assert_trees_equal({"embed": apart["embed"], "norm": apart["trunk"]["norm"]}, {"embed": jnp.ones(2), "norm": jnp.zeros(2)})


def test_what_is_apart_stays_so():
    apart = by_layer(PARAMS)
    assert_trees_equal(by_layer(apart), apart)
