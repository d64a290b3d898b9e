"""Arrays of other axes through the objectives. Oracle: an image, which is an array of two axes."""

import dataclasses

import jax
import numpy as np
import pytest

from genjax import rng
from genjax.errors import UsageError
from genjax.types import DataSpec
from tests.helpers import IMAGES, build, fresh_params, make_batch, random_params

KEY = rng.stream(0, "loss")
FILMS = DataSpec("toy films", "array", (2, 4, 4, 1), 5, 3, 100, 10)


@pytest.mark.parametrize("name", ["next_token", "noise_prediction"])
def test_an_image_is_an_array_of_two_axes(name):
    """The same parameters and the same numbers, to the bit, under either key."""
    image, array = build(name, IMAGES), build(name, dataclasses.replace(IMAGES, key="array"))
    params, batch = random_params(image.init), make_batch(IMAGES, 4)
    other = {"array" if key == "image" else key: values for key, values in batch.items()}
    losses = [jax.jit(lambda p, b, o=o: o.loss(p, b, KEY, train=False).loss)(params, b) for o, b in ((image, batch), (array, other))]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    "objective", ["noise_prediction", *(pytest.param(name, marks=pytest.mark.slow) for name in ("consistency", "mean_flow", "classifier"))]
)
def test_films_have_a_finite_loss_and_patches_in_space_and_time(objective):
    built = build(objective, FILMS, noise_prediction__patch_size="1,2,4", classifier__patch_size="1,2,4")
    sums = jax.jit(lambda params, batch: built.loss(params, batch, KEY, train=True))(fresh_params(built), make_batch(FILMS, 4))
    assert np.isfinite(sums.loss) and sums.weight > 0
    assert built.work().positions in (4, 8)  # 2 x 2 x 1, and twice that where the network is asked twice


@pytest.mark.parametrize(
    ("objective", "overrides", "sentence"),
    [
        ("noise_prediction", {"noise_prediction__patch_size": "2,2"}, "noise_prediction.patch_size"),
        ("noise_prediction", {"noise_prediction__patch_size": 3}, "arrays of 2x4x4 are not divisible into patches of 3"),
        ("noise_prediction", {"noise_prediction__network": "unet"}, "the U-Net is for images"),
        ("classifier", {"classifier__patch_size": "1,1"}, "classifier.patch_size"),
        ("autoencoder", {}, "needs images"),
    ],
)
def test_what_films_cannot_be(objective, overrides, sentence):
    with pytest.raises(UsageError, match=sentence):
        build(objective, FILMS, **overrides)
