"""Words and pictures in one trunk. Oracles: the two specialists on the same parameters, and what changes when something else is seen."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import rng
from genjax.errors import UsageError
from genjax.objectives.base import Given
from genjax.objectives.hybrid import sentences
from tests.helpers import IMAGES, assert_trees_close, build, make_batch, random_params

ROWS, KEY = 4, jax.random.key(3)
CAPTIONS = np.array([[1, 2, 3, 4], [3, 2, 0, 0], [4, 5, 6, 0], [0, 0, 0, 0]], np.int32)
PICTURES = dataclasses.replace(IMAGES, num_classes=0, words=7, caption_length=4)
WORDS = dataclasses.replace(PICTURES, key="tokens", shape=(4,), levels=7, words=0, unit="word")
OBJECTIVE = build("hybrid", PICTURES, conditioning__text="tokens", conditioning__drop_rate=0.0)
PICTURE = dict(OBJECTIVE.pictures)["picture"]
PARAMS = random_params(OBJECTIVE.init)
BATCH = make_batch(PICTURES, ROWS) | {"caption": CAPTIONS}


def test_what_is_learned_of_the_words_is_what_next_token_prediction_learns():
    """On the same parameters and the same captions as sequences: likelihood and loss."""
    alone, mine = build("next_token", WORDS), OBJECTIVE.of_words(PARAMS)
    rows = {"tokens": CAPTIONS, "id": BATCH["id"], "weight": BATCH["weight"], "num_units": np.array([4, 3, 4, 0], np.float32)}
    rows["loss_mask"] = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]], np.float32)
    for name, values in sentences(BATCH).items():
        np.testing.assert_array_equal(values, rows[name])
    expected = jax.jit(alone.likelihood)(mine, rows, KEY).nats
    np.testing.assert_allclose(jax.jit(OBJECTIVE.likelihood)(PARAMS, BATCH, KEY).terms["words"], expected, rtol=1e-5)
    loss = lambda weight: (
        jax.jit(dataclasses.replace(OBJECTIVE, words_weight=weight).loss, static_argnames="train")(PARAMS, BATCH, KEY, train=False).loss
    )
    np.testing.assert_allclose(loss(101.0) - loss(1.0), 100 * jnp.sum(expected), rtol=1e-4)


def test_without_words_it_is_noise_prediction():
    """Captions that are all padding cost nothing, and the picture is what a noise-prediction model makes of it."""
    alone, silent = build("noise_prediction", PICTURES, conditioning__text="tokens", conditioning__drop_rate=0.0), BATCH | {"caption": 0 * CAPTIONS}
    of = lambda objective, params, key: jax.jit(objective.loss, static_argnames="train")(params, silent, key, train=True)
    own = rng.fold_name(KEY, "picture")
    mine, known = of(OBJECTIVE, PARAMS, KEY), of(alone, OBJECTIVE.of_picture(PARAMS), own)
    np.testing.assert_allclose(mine.loss, known.loss, rtol=1e-6)
    np.testing.assert_array_equal(mine.weight, known.weight)
    found = jax.jit(OBJECTIVE.likelihood)(PARAMS, silent, KEY)
    np.testing.assert_array_equal(found.terms["words"], 0.0)
    np.testing.assert_allclose(found.nats, jax.jit(alone.likelihood)(OBJECTIVE.of_picture(PARAMS), silent, own).nats, rtol=1e-5)


def test_a_likelihood_is_that_of_words_and_picture():
    found = jax.jit(OBJECTIVE.likelihood)(PARAMS, BATCH, KEY)
    np.testing.assert_allclose(found.nats, found.terms["words"] + found.terms["picture"], rtol=1e-6)
    assert (found.kind, found.unit) == ("upper_bound", "dim")
    np.testing.assert_array_equal(found.units, PICTURES.num_dims)


def test_words_see_those_before_them_and_no_picture_and_the_picture_sees_all_of_them_and_itself():
    network, params = PICTURE.network, {"params": OBJECTIVE.of_picture(PARAMS)}

    @jax.jit
    def drawn(x, caption):
        return network.apply(params, x, jnp.zeros(ROWS), None, caption=caption)

    x = np.random.default_rng(0).normal(size=(ROWS, 4, 4, 1)).astype(np.float32)
    first, corner = np.asarray(drawn(x, CAPTIONS)), x.copy()
    corner[:, 3, 3] += 1.0  # the last patch
    assert (np.abs(np.asarray(drawn(corner, CAPTIONS)) - first)[:, :2, :2].max(axis=(1, 2, 3)) > 1e-4).all(), "the first patch sees the last"
    corner = x.copy()
    corner[:, 0, 0] += 1.0
    assert (np.abs(np.asarray(drawn(corner, CAPTIONS)) - first)[:, 2:, 2:].max(axis=(1, 2, 3)) > 1e-4).all(), "and the last the first"
    for place in range(4):
        other = CAPTIONS.copy()
        other[0, place] = 6
        changed = np.abs(np.asarray(drawn(x, other)) - first).max(axis=(1, 2, 3))
        assert changed[0] > 1e-4 and (changed[1:] == 0).all(), "a picture sees every word of its own caption"

    said = lambda batch: np.asarray(jax.jit(OBJECTIVE.likelihood)(PARAMS, batch, KEY).terms["words"])
    np.testing.assert_array_equal(said(BATCH), said(BATCH | {"image": (BATCH["image"] + 1) % 5}))

    terms = jax.jit(lambda caption: OBJECTIVE.words._terms(OBJECTIVE.of_words(PARAMS), _rows(caption), _nobody(), (None, None)).nats)
    before, after = np.asarray(terms(CAPTIONS[:1])), np.asarray(terms(np.array([[1, 2, 6, 4]])))
    np.testing.assert_allclose(after[0, :2], before[0, :2], rtol=1e-6)
    assert (np.abs(after[0, 2:] - before[0, 2:]) > 1e-4).all()


def _rows(caption):
    from genjax.objectives.sequences import sequence

    return sequence({"tokens": jnp.asarray(caption)}, WORDS)


def _nobody():
    from genjax.objectives.base import Given

    return Given(None, None)


def test_the_words_that_are_drawn_from_the_cache_are_the_likeliest_of_all_positions_at_once():
    objective = build("hybrid", PICTURES, conditioning__text="tokens", next_token__temperature=0.0)
    caption = np.asarray(jax.jit(lambda: objective.words.sample(objective.of_words(PARAMS), {"id": BATCH["id"]}, KEY).data)())
    network = objective.words.network
    rows = _rows(caption)
    from genjax.models import masks

    logits, _ = jax.jit(
        lambda: network.apply({"params": objective.of_words(PARAMS)}, rows.shifted(7), rows.coordinates, masks.causal(ROWS, 4), None)
    )()
    np.testing.assert_array_equal(caption, np.argmax(logits, axis=-1))


@pytest.mark.slow
def test_a_picture_is_that_of_its_caption_or_of_one_that_is_drawn_first():
    request = {"id": BATCH["id"]}
    draw = jax.jit(OBJECTIVE.sample)
    given = draw(PARAMS, request | {"caption": CAPTIONS}, KEY)
    alone = jax.jit(PICTURE.sample)(OBJECTIVE.of_picture(PARAMS), request | {"caption": CAPTIONS}, rng.fold_name(KEY, "picture"))
    np.testing.assert_array_equal(given.data, alone.data)
    caption, cost = jax.jit(OBJECTIVE.say)(PARAMS, request, KEY)
    caption = np.asarray(caption)
    for row in caption:
        assert (np.flatnonzero(row == 0) >= np.sum(row != 0)).all(), "after the end there is nothing"
    drawn = draw(PARAMS, request, KEY)
    np.testing.assert_array_equal(drawn.data, draw(PARAMS, request | {"caption": caption}, KEY).data)
    assert int(drawn.cost.nfe) == int(given.cost.nfe) + int(cost.nfe)


@pytest.mark.slow
def test_both_halves_learn_the_kernels_of_the_trunk_and_each_its_own_norms():
    def share(part):
        return jax.jit(jax.grad(lambda params: part(params)))(PARAMS)["trunk"]["blocks"]

    words = share(lambda params: jnp.sum(OBJECTIVE.likelihood(params, BATCH, KEY).terms["words"]))
    picture = share(lambda params: OBJECTIVE.loss(params, BATCH | {"caption": 0 * CAPTIONS}, KEY, train=False).loss)
    learned = lambda tree: {jax.tree_util.keystr(path) for path, leaf in jax.tree_util.tree_leaves_with_path(tree) if bool(jnp.any(leaf != 0))}
    own = learned(words) ^ learned(picture)
    assert all(any(f"['{name}']['kernel']" in path for path in learned(words) & learned(picture)) for name in ("query", "out", "gate"))
    assert own and all(re.search("attention_norm|mlp_norm|modulation", name) for name in own)


def test_with_classes_both_halves_are_told_them():
    spec = dataclasses.replace(PICTURES, num_classes=3)
    objective = build("hybrid", spec, conditioning__text="tokens")
    params, batch = random_params(objective.init), make_batch(spec, ROWS) | {"caption": CAPTIONS}
    terms = jax.jit(lambda batch: objective.likelihood(params, batch, KEY).terms)
    before, after = terms(batch), terms(batch | {"label": (batch["label"] + 1) % 3})
    for name in ("words", "picture"):
        assert (np.abs(np.asarray(after[name]) - np.asarray(before[name]))[:3] > 1e-4).all()


def test_its_parameters_are_those_of_both_and_no_more():
    """Nothing is initialised that no half uses, and the words have one table."""
    names = lambda tree: {jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree)}
    used = names(jax.eval_shape(OBJECTIVE.words.init, KEY)) | names(jax.eval_shape(PICTURE.init, KEY))
    assert names({"trunk": PARAMS["trunk"]}) == {name.removesuffix(".value") for name in used if name.startswith("['trunk']")}
    assert "captions" not in PARAMS["picture"]
    assert_trees_close(OBJECTIVE.of_picture(PARAMS)["captions"]["embed"]["table"], PARAMS["words"]["embed"]["table"][:7], rtol=0, atol=0)


def test_work_is_that_of_two_passes():
    """The words alone see half of each other; in the second pass, of 4 words and 4 patches, words see half of each other and patches all."""
    work = OBJECTIVE.work()
    assert work.positions == 4 + 4 + 4
    pairs = 4 * 5 / 2 + 4 * 5 / 2 + 4 * 8
    assert work.visible == pytest.approx(pairs / 144)


@pytest.mark.parametrize(
    ("spec", "overrides", "told"),
    [
        (IMAGES, {"conditioning__text": "tokens"}, "has none"),
        (PICTURES, {}, "set conditioning.text=tokens"),
        (PICTURES, {"conditioning__text": "tokens", "noise_prediction__network": "unet"}, "one trunk"),
        (dataclasses.replace(PICTURES, key="tokens", shape=(4, 4)), {"conditioning__text": "tokens"}, "holds codes: use the source"),
    ],
)
def test_what_cannot_be_learned_is_refused(spec, overrides, told):
    with pytest.raises(UsageError, match=told):
        build("hybrid", spec, **overrides)


@pytest.fixture(scope="module")
def speaker():
    """A model of both orders, and its parameters."""
    overrides = {"hybrid__describes": 0.5, "next_token__temperature": 0.0, "noise_prediction__patch_size": (2,)}
    objective = build("hybrid", PICTURES, conditioning__text="tokens", **overrides)
    return objective, random_params(objective.init)


def test_words_are_learned_behind_their_picture_and_by_themselves(speaker):
    """With a weight of 100 the words are all of the loss that changes; how likely they are by themselves is told of no picture."""
    objective, params = speaker
    words = lambda batch: jax.jit(lambda: objective.words.loss(objective.of_words(params), batch, KEY, train=False).loss)()
    shown = sentences(BATCH) | {"caption": 1 + BATCH["image"].reshape(ROWS, -1).astype(np.int32)}
    whole = lambda weight: jax.jit(lambda: dataclasses.replace(objective, words_weight=weight).loss(params, BATCH, KEY, train=False).loss)()
    np.testing.assert_allclose(whole(101.0) - whole(1.0), 100 * words(shown), rtol=1e-4)
    alone = jax.jit(objective.likelihood)(params, BATCH, KEY).terms["words"]
    np.testing.assert_allclose(jnp.sum(alone), words(sentences(BATCH) | {"caption": 0 * shown["caption"]}), rtol=1e-5)
    other = jax.jit(objective.likelihood)(params, BATCH | {"image": (BATCH["image"] + 1) % 5}, KEY).terms["words"]
    np.testing.assert_array_equal(alone, other)


def test_a_description_is_the_likeliest_words_behind_the_picture(speaker):
    objective, params = speaker
    request = {"id": BATCH["id"], "image": BATCH["image"]}
    describe = jax.jit(objective.describe)
    said = np.asarray(describe(params, request, KEY).data)
    raw = objective.words.sample(
        objective.of_words(params), {"id": BATCH["id"], "caption": 1 + BATCH["image"].reshape(ROWS, -1).astype(np.int32)}, KEY
    ).data
    for mine, tokens in zip(said, np.asarray(raw), strict=True):
        end = int(np.argmax(tokens == 0)) if (tokens == 0).any() else len(tokens)
        np.testing.assert_array_equal(mine[:end], tokens[:end])
        assert (mine[end:] == 0).all()
    nats = jax.jit(
        lambda caption: (
            objective.words._terms(
                objective.of_words(params), _rows(caption), Given(None, 1 + BATCH["image"].reshape(ROWS, -1).astype(np.int32)), (None, None)
            ).hit
        )
    )
    assert np.asarray(nats(np.asarray(raw))).all(), "every word is the likeliest after those before it"


def test_a_model_that_does_not_describe_says_so():
    with pytest.raises(UsageError, match=r"hybrid\.describes"):
        OBJECTIVE.describe(PARAMS, {"id": BATCH["id"], "image": BATCH["image"]}, KEY)
