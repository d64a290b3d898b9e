"""Arrays that rows are about. Oracles: the same model told less, and a linear map by hand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.errors import UsageError
from genjax.models import masks
from genjax.types import Shown
from tests.helpers import TOKENS, build, make_batch, random_params

SOUND, PICTURE = Shown((6, 1), 9), Shown((2, 4, 3), 5)
ROWS, KEY = 4, jax.random.key(3)
TEXT = dataclasses.replace(TOKENS, num_classes=0, caption_length=6 + 24, shown=(SOUND, PICTURE))
HEARD = dataclasses.replace(TEXT, caption_length=6, shown=(SOUND,))


def make(name="next_token", spec=TEXT, patches="2; 1,2", **overrides):
    objective = build(name, spec, conditioning__text="tokens", conditioning__shown_patches=patches, **overrides)
    return objective, random_params(objective.init, 0), make_batch(spec, ROWS)


def shown(sounds=2):
    """Captions of rows, the first of which are sounds, the others pictures."""
    random = np.random.default_rng(1)
    caption = np.concatenate([random.integers(1, 10, (ROWS, 6)), random.integers(1, 6, (ROWS, 24))], axis=1).astype(np.int32)
    caption[:sounds, 6:], caption[sounds:, :6] = 0, 0
    return caption


@pytest.mark.parametrize("name", ["next_token", "masked_diffusion"])
def test_a_row_is_told_of_what_it_is_shown_and_of_nothing_else(name):
    objective, params, batch = make(name)
    nats = jax.jit(lambda caption: objective.likelihood(params, batch | {"caption": caption}, KEY).nats)
    caption = shown()
    before, other = np.asarray(nats(caption)), caption.copy()
    other[1, 3] = 1 + other[1, 3] % 9
    after = np.asarray(nats(other))
    assert abs(after[1] - before[1]) > 1e-4
    np.testing.assert_array_equal(np.delete(after, 1), np.delete(before, 1))


@pytest.mark.parametrize("name", ["next_token", "masked_diffusion"])
def test_kinds_that_are_not_shown_change_nothing(name):
    """A model of sounds and pictures that hears a sound is the model of sounds with the same parameters."""
    objective, params, batch = make(name)
    alone, _, _ = make(name, HEARD, "2")
    caption = shown(ROWS)
    heard = jax.tree.map(lambda leaf: leaf, params)
    heard["captions"] = {part: params["captions"][part] for part in ("patch_0", "place_0")}
    mine = jax.jit(objective.likelihood)(params, batch | {"caption": caption}, KEY).nats
    theirs = jax.jit(alone.likelihood)(heard, batch | {"caption": caption[:, :6]}, KEY).nats
    np.testing.assert_allclose(mine, theirs, rtol=2e-6)


def test_positions_are_linear_in_the_levels_between_minus_one_and_one():
    objective, params, _ = make()
    sights, own = objective.network.captions, params["captions"]
    caption = shown(1)
    vectors, coordinates, ids = sights.apply({"params": own}, caption, 1, method="positions")
    assert vectors.shape[:2] == (ROWS, sights.length(caption)) == (ROWS, 3 + 4)
    patch = (caption[0, 2:4] - 1) / 4 - 1.0  # nine levels
    expected = patch @ own["patch_0"]["patch"]["kernel"] + own["patch_0"]["patch"]["bias"] + own["place_0"]["table"][1]
    np.testing.assert_allclose(vectors[0, 1], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(ids.segment_ids, [[1, 1, 1, 0, 0, 0, 0], *[[0, 0, 0, 1, 1, 1, 1]] * 3])
    np.testing.assert_array_equal(coordinates[..., 0], np.broadcast_to([-3, -2, -1, -4, -3, -2, -1], (ROWS, 7)))


def test_words_are_decoded_as_they_are_scored():
    """The likeliest words, found one by one in the cache, are those of all positions at once."""
    objective, params, batch = make(next_token__temperature=0.0)
    caption = shown()
    drawn = jax.jit(objective.sample)(params, {"id": batch["id"], "caption": caption}, KEY).data
    length = TEXT.num_dims
    tokens = jnp.asarray(drawn).reshape(ROWS, length)
    hit = jax.jit(lambda tokens: objective.loss(params, batch | {"tokens": tokens, "caption": caption}, KEY, train=False).metrics["accuracy"])(tokens)
    assert hit[0] / hit[1] == pytest.approx(1.0 if hit[1] == ROWS * length else length)


def test_an_answer_is_asked_for_with_what_is_shown():
    """The logits after the prompt of rows with room for answers, read into a cache, are those of all positions at once."""
    spec = dataclasses.replace(TEXT, prompted=True)
    objective, params, batch = make(spec=spec)
    caption, ask = shown(), spec.levels - 1
    tokens = np.where(np.arange(spec.num_dims) == 0, ask, spec.levels - 2) * np.ones((ROWS, 1), np.int32)
    real = np.broadcast_to(np.arange(spec.num_dims) == 0, tokens.shape)
    request = {"id": batch["id"], "caption": caption}

    @jax.jit
    def read():
        progress = objective.read(params, jnp.asarray(tokens), jnp.asarray(real), request, spec.num_dims)
        apply, _ = objective.decoder(params, 2 * spec.num_dims)
        return apply(progress.token[:, None], progress.position[:, None], jnp.ones((ROWS, 1), bool), progress.state)[0][:, -1]

    sequence = jnp.concatenate([jnp.full((ROWS, 1), objective.network.vocab), jnp.full((ROWS, 1), ask)], axis=1)
    places = jnp.broadcast_to(jnp.arange(2), (ROWS, 2))
    ids = masks.AttentionIds(places, jnp.ones_like(places), places)
    whole = jax.jit(lambda: objective.network.apply({"params": params}, sequence, places[..., None], ids, None, caption=caption)[0][:, -1])()
    np.testing.assert_allclose(read(), whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("patches", "sentence"),
    [("2", "is of 1 kinds of arrays"), ("4; 1,2", "not divisible into patches"), ("2; a", "write one number"), ("2; 0", "write one number")],
)
def test_patches_that_do_not_fit(patches, sentence):
    with pytest.raises(UsageError, match=sentence):
        make(patches=patches)


def test_arrays_are_told_as_positions_only():
    with pytest.raises(UsageError, match="are no words: set it to tokens"):
        build("next_token", TEXT, conditioning__text="pooled", conditioning__shown_patches="2; 1,2")
