"""The noise level stays float32 in a bfloat16 model: as bfloat16, a thousand close levels would be a few dozen."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.models.adapters import NoiseLevelEmbed
from tests.helpers import IMAGES, build, random_params

LEVELS = 1000


@pytest.mark.parametrize("network", ["trunk", "unet"])
def test_a_thousand_close_noise_levels_are_a_thousand_embeddings_in_a_bfloat16_model(network):
    small = {"unet__channels": 8, "unet__multipliers": "(1,)", "unet__blocks": 1} if network == "unet" else {}
    objective = build("noise_prediction", IMAGES, noise_prediction__network=network, model__dtype="bfloat16", **small)
    logsnr = np.linspace(4.0, 4.5, LEVELS, dtype=np.float32)
    assert len(np.unique(jnp.asarray(logsnr, jnp.bfloat16))) < 40, "the levels are as close as they should be"

    def embeddings(params):
        x, label = jnp.zeros((LEVELS, *IMAGES.shape)), jnp.zeros(LEVELS, jnp.int32)
        here = lambda module, method: isinstance(module, NoiseLevelEmbed)
        output, seen = objective.network.apply({"params": params}, x, logsnr, label, capture_intermediates=here, mutable=["intermediates"])
        return output, seen["intermediates"]["noise_level"]["__call__"][0]

    output, embedding = jax.jit(embeddings)(random_params(objective.init))
    assert embedding.dtype == jnp.float32
    assert len(np.unique(embedding, axis=0)) == LEVELS
    assert len(np.unique(np.asarray(output).reshape(LEVELS, -1), axis=0)) > 1, "the level reaches the output"
