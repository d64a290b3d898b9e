"""Captions as a condition, for every objective that takes them. Oracles: the same objective asked another way, and the mean of a table's rows."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import rng
from genjax.errors import UsageError
from genjax.models import masks
from genjax.objectives.base import Given
from tests.helpers import IMAGES, TOKENS, build, make_batch, random_params

WORDS, LONGEST, ROWS = 7, 3, 6
KEY = jax.random.key(5)
CAPTIONS = np.array([[1, 2, 3], [3, 2, 1], [4, 5, 0], [5, 4, 0], [6, 0, 0], [0, 0, 0]], np.int32)
PLANE = dataclasses.replace(TOKENS, shape=(2, 3), num_classes=0, words=WORDS, caption_length=LONGEST)
PICTURES = dataclasses.replace(IMAGES, num_classes=0, words=WORDS, caption_length=LONGEST)
KINDS = [("next_token", PLANE), ("masked_diffusion", PLANE), ("noise_prediction", PICTURES)]


def make(name, spec, text, seed=0, **overrides):
    objective = build(name, spec, conditioning__text=text, **overrides)
    return objective, random_params(objective.init, seed), make_batch(spec, ROWS) | {"caption": CAPTIONS}


UNET = {"noise_prediction__network": "unet", "unet__channels": 8, "unet__multipliers": (1, 2), "model__width": 24}  # 24 is not 4 x 8
ATTENDING = UNET | {"unet__attention": (IMAGES.shape[0] // 2,), "unet__heads": 2}
WAYS = ["tokens", "cross", pytest.param("pooled", marks=pytest.mark.slow)]
HEARD = [pytest.param(name, spec, {}, way) for name, spec in KINDS for way in ("tokens", "cross")]
HEARD += [pytest.param(name, spec, {}, "pooled", marks=pytest.mark.slow) for name, spec in KINDS]
HEARD += [pytest.param("noise_prediction", PICTURES, ATTENDING, way, id=f"unet-{way}", marks=pytest.mark.slow) for way in ("cross", "pooled")]


@pytest.mark.parametrize(("name", "spec", "overrides", "text"), HEARD)
def test_a_likelihood_hears_the_words_of_its_own_row_and_no_padding(name, spec, overrides, text):
    """Other words of row 0, and more padding behind all: only row 0 changes. Pooled words have no order."""
    objective, params, batch = make(name, spec, text, **overrides)
    nats = jax.jit(lambda caption: objective.likelihood(params, batch | {"caption": caption}, KEY).nats)
    before, other = np.asarray(nats(CAPTIONS)), CAPTIONS.copy()
    other[0, 1] = 6
    after = np.asarray(nats(other))
    assert abs(after[0] - before[0]) > 1e-3
    np.testing.assert_array_equal(after[1:], before[1:])
    turned = np.asarray(nats(CAPTIONS[:, ::-1].copy()))
    assert np.allclose(turned[0], before[0], rtol=1e-5) == (text == "pooled")
    if text != "tokens":
        np.testing.assert_allclose(nats(np.pad(CAPTIONS, ((0, 0), (0, 2)))), before, rtol=1e-5)


@pytest.mark.parametrize("text", WAYS)
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_next_token_decodes_what_it_scores(text, scale):
    """The likeliest continuation, found token by token in the cache, is that of all positions at once, guided or not."""
    objective, params, batch = make("next_token", PLANE, text, next_token__temperature=0.0, sample__guidance_scale=scale)
    request = {name: batch[name] for name in ("id", "caption")}
    drawn = np.asarray(jax.jit(objective.sample)(params, request, KEY).data)

    def choose(given):
        tokens = jnp.asarray(drawn.reshape(ROWS, -1))
        seen = jnp.pad(tokens[:, :-1], ((0, 0), (1, 0)), constant_values=PLANE.levels)
        cells = jnp.broadcast_to(jnp.stack(jnp.unravel_index(jnp.arange(6), (2, 3)), axis=-1), (ROWS, 6, 2))
        return objective.network.apply({"params": params}, seen, cells, masks.causal(ROWS, 6), None, caption=given)[0]

    told, untold = jax.jit(choose)(CAPTIONS), jax.jit(choose)(np.zeros_like(CAPTIONS))
    logits = jax.nn.log_softmax(untold) + scale * (jax.nn.log_softmax(told) - jax.nn.log_softmax(untold))
    np.testing.assert_array_equal(drawn.reshape(ROWS, -1), np.argmax(logits, axis=-1))
    assert len(np.unique(drawn.reshape(ROWS, -1), axis=0)) > 1


@pytest.mark.parametrize("text", ["tokens", "cross", pytest.param("pooled", marks=pytest.mark.slow)])
@pytest.mark.parametrize("block", [0, 3])
def test_masked_diffusion_reveals_by_what_it_learns(text, block):
    """All positions of a block at once, the likeliest of each: what `_logits` says where all of the block is masked."""
    objective, params, batch = make(
        "masked_diffusion", PLANE, text, seed=1, masked_diffusion__block_size=block, masked_diffusion__steps=1, masked_diffusion__temperature=0.0
    )
    drawn = np.asarray(jax.jit(objective.sample)(params, {name: batch[name] for name in ("id", "caption")}, KEY).data).reshape(ROWS, -1)
    from genjax.objectives.sequences import sequence

    rows = sequence({"tokens": jnp.asarray(drawn.reshape(ROWS, 2, 3))}, PLANE)
    logits = jax.jit(lambda rows: objective._logits(params, rows, jnp.ones((ROWS, 6), bool), Given(None, CAPTIONS), None))(rows)
    np.testing.assert_array_equal(drawn, np.argmax(logits, axis=-1))
    assert len(np.unique(drawn, axis=0)) > 1


@pytest.mark.parametrize(("name", "spec"), KINDS)
def test_dropped_captions_are_those_of_nobody(name, spec):
    """With a drop rate of 1 the loss in training is that of rows that are all padding; in evaluation it is not."""
    objective, params, batch = make(name, spec, "tokens", conditioning__drop_rate=1.0)
    loss = jax.jit(lambda batch, train: objective.loss(params, batch, KEY, train=train).loss, static_argnums=1)
    silent = batch | {"caption": np.zeros_like(CAPTIONS)}
    np.testing.assert_allclose(loss(batch, True), loss(silent, False), rtol=1e-6)
    assert abs(loss(batch, False) - loss(silent, False)) > 1e-4 * abs(loss(batch, False))


def test_words_are_read_in_one_direction_by_next_token_and_in_both_by_diffusion():
    real = np.array([[True, True, False]])
    causal, both = (np.asarray(masks.visible(ids, ids)[0, 0])[:2] for ids in (masks.prefix(real, True), masks.prefix(real, False)))
    np.testing.assert_array_equal(causal, [[1, 0, 0], [1, 1, 0]])
    np.testing.assert_array_equal(both, [[1, 1, 0], [1, 1, 0]])


@pytest.mark.parametrize("data", [masks.causal(1, 2), masks.bidirectional(1, 2), masks.clean_and_draft(masks.block_causal(1, 2, 1))])
def test_what_comes_behind_a_prefix_sees_all_of_it_and_is_not_seen(data):
    """And what the data's positions see of each other is as without a prefix."""
    words, behind = masks.prefix(np.ones((1, 3), bool), True), masks.behind(3, data)
    assert np.asarray(masks.visible(behind, words)).all()
    assert not np.asarray(masks.visible(words, behind)).any()
    np.testing.assert_array_equal(masks.visible(behind, behind), masks.visible(data, data))


def test_a_pooled_caption_is_the_mean_of_its_words():
    objective, params, _ = make("next_token", PLANE, "pooled")
    table = np.asarray(params["captions"]["embed"]["table"])
    vectors = objective.network.captions.apply({"params": params["captions"]}, CAPTIONS, method="vector")
    np.testing.assert_allclose(vectors[2], (table[4] + table[5]) / 2, rtol=1e-6)
    np.testing.assert_array_equal(vectors[5], 0.0)


def test_what_is_attended_to_is_the_words_in_their_places_behind_one_that_says_nothing():
    objective, params, _ = make("next_token", PLANE, "cross")
    table = np.asarray(params["captions"]["embed"]["table"])
    features, ids = objective.network.captions.apply({"params": params["captions"]}, CAPTIONS, method="context")
    angles = 2 * 1000.0 ** -np.linspace(0, 1, table.shape[1] // 2)  # of the second word of a caption
    np.testing.assert_allclose(features[2, 2], table[5] + np.concatenate([np.sin(angles), np.cos(angles)]), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(ids.segment_ids, np.concatenate([np.ones((ROWS, 1)), CAPTIONS != 0], axis=1))


def test_rows_keep_their_condition_or_lose_all_of_it():
    from genjax.objectives.base import hide

    ids, label = np.arange(2000), np.arange(2000) % 4
    caption = 1 + ids[:, None] % 5 + np.zeros((1, 3), int)
    hidden = hide(Given(jnp.asarray(label), jnp.asarray(caption)), 4, 0.3, rng.rows(KEY, ids))
    gone = np.asarray(hidden.label) == 4
    np.testing.assert_array_equal(hidden.caption, np.where(gone[:, None], 0, caption))
    assert abs(gone.mean() - 0.3) < 5 * np.sqrt(0.21 / 2000)


@pytest.mark.parametrize(
    ("spec", "overrides", "told"),
    [(TOKENS, {}, "has no captions"), (PLANE, {"model__window": 2}, "model.window hides a prefix")],
)
def test_captions_that_cannot_be_read_are_refused(spec, overrides, told):
    with pytest.raises(UsageError, match=told):
        build("next_token", spec, conditioning__text="tokens", **overrides)


@pytest.mark.parametrize(("text", "told"), [("tokens", "a U-Net has no positions before its pixels"), ("cross", "set unet.attention")])
def test_a_unet_has_captions_beside_the_class_or_to_attend_to(text, told):
    with pytest.raises(UsageError, match=told):
        build("noise_prediction", PICTURES, conditioning__text=text, **UNET)
