"""One trunk for words and several kinds of arrays. Oracles: hybrids of one kind with the same parameters, and next-token prediction."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import rng
from genjax.errors import UsageError
from genjax.objectives.hybrid import sentences
from genjax.types import DataSpec
from tests.helpers import build, make_batch, random_params

ROWS, KEY = 4, jax.random.key(3)
SOUND = DataSpec("a:sound", "array", (8, 1), 7, 0, 100, 10)
FILM = DataSpec("film", "array", (2, 4, 4, 1), 3, 0, 100, 10)
SPEC = DataSpec("both", "array", (40, 1), 7, 0, 100, 10, words=7, caption_length=3, parts=(SOUND, FILM))
CAPTIONS = np.array([[1, 2, 3], [3, 2, 0], [4, 5, 6], [0, 0, 0]], np.int32)
OPTIONS = {
    "conditioning__text": "tokens",
    "conditioning__label": False,
    "conditioning__drop_rate": 0.0,
    "next_token__temperature": 0.0,
    "hybrid__describes": 0.5,
}
OBJECTIVE = build("hybrid", SPEC, conditioning__shown_patches="4; 1,2,2", **OPTIONS)
PARAMS = random_params(OBJECTIVE.init)
DATA = [make_batch(part, ROWS, seed)["array"] for seed, part in enumerate((SOUND, FILM))]
BATCH = make_batch(SPEC, ROWS) | {"array": SPEC.join(DATA), "caption": CAPTIONS}
NAMES = ("a_sound", "film")


@pytest.fixture(scope="module")
def found():
    return jax.jit(OBJECTIVE.likelihood)(PARAMS, BATCH, KEY)


@pytest.mark.parametrize("number", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_each_array_costs_what_it_costs_a_hybrid_of_its_kind(number, found):
    """Of the same parameters, captions and random numbers; and without words, a model of noise prediction alone."""
    name, part, size = NAMES[number], dataclasses.replace(SPEC.parts[number], words=7, caption_length=3), (4, "1,2,2")[number]
    one = build("hybrid", part, noise_prediction__patch_size=size, **OPTIONS)
    picture, key = dict(one.pictures)["picture"], rng.fold_name(KEY, name)
    params = {"trunk": PARAMS["trunk"], "words": PARAMS["words"], "picture": PARAMS[name]}
    told = jax.jit(picture.likelihood)(one.of_picture(params), BATCH | {"array": DATA[number]}, key).nats
    np.testing.assert_allclose(found.terms[name], told, rtol=1e-5)
    alone = build("noise_prediction", part, noise_prediction__patch_size=size, **OPTIONS)
    silent = jax.jit(OBJECTIVE.likelihood)(PARAMS, BATCH | {"caption": 0 * CAPTIONS}, KEY).terms[name]
    unsaid = jax.jit(alone.likelihood)(OBJECTIVE.of_picture(PARAMS, name), BATCH | {"array": DATA[number], "caption": 0 * CAPTIONS}, key).nats
    np.testing.assert_allclose(silent, unsaid, rtol=1e-5)
    assert (np.abs(silent - found.terms[name])[:3] > 1e-3).all(), "and its words matter"


def test_a_likelihood_is_the_sum_of_words_and_arrays_which_see_no_other_array(found):
    assert {*found.terms} == {"words", *NAMES}
    np.testing.assert_allclose(found.nats, sum(np.asarray(term) for term in found.terms.values()), rtol=1e-6)
    np.testing.assert_array_equal(found.units, 40)
    changed = [[(DATA[0] + 1) % 7, DATA[1]], [DATA[0], (DATA[1] + 1) % 3]]
    for arrays, same, other in zip(changed, NAMES[::-1], NAMES, strict=True):
        terms = jax.jit(OBJECTIVE.likelihood)(PARAMS, BATCH | {"array": SPEC.join(arrays)}, KEY).terms
        for name in ("words", same):
            np.testing.assert_array_equal(terms[name], found.terms[name])
        assert (np.abs(terms[other] - found.terms[other]) > 1e-3).all()


def test_words_are_learned_behind_any_array_or_all():
    """With a weight of 100 the words are all of the loss that changes; what each row was shown is drawn by its id."""
    many = {name: np.repeat(values, 50, axis=0) for name, values in BATCH.items()} | {"id": np.arange(200, dtype=np.uint32)}
    seen = np.stack(OBJECTIVE._any_or_all(many, KEY), axis=1)
    kinds, counts = np.unique(seen, axis=0, return_counts=True)
    np.testing.assert_array_equal(kinds, [[False, True], [True, False], [True, True]])
    assert (np.abs(counts / 200 - 1 / 3) < 0.12).all()
    spans = slice(8), slice(8, 40)
    shown = np.concatenate([np.where(seen[:, number, None], 1 + many["array"][:, span, 0], 0) for number, span in enumerate(spans)], axis=1)
    words = jax.jit(lambda: OBJECTIVE.words.loss(OBJECTIVE.of_words(PARAMS), sentences(many) | {"caption": shown}, KEY, train=False).loss)()
    whole = lambda weight: jax.jit(lambda: dataclasses.replace(OBJECTIVE, words_weight=weight).loss(PARAMS, many, KEY, train=False).loss)()
    np.testing.assert_allclose(whole(101.0) - whole(1.0), 100 * words, rtol=1e-3)


def test_what_is_known_stays_and_says_what_is_drawn():
    """The sound is known: its words are those that it is described by alone, and the film is that of these words."""
    mask = SPEC.join([np.ones((ROWS, 8, 1), bool), np.zeros((ROWS, 2, 4, 4, 1), bool)])
    request = {"id": BATCH["id"], "array": BATCH["array"], "mask": mask}
    caption = jax.jit(OBJECTIVE.describe)(PARAMS, request, KEY).data
    behind = jnp.concatenate([1 + DATA[0].reshape(ROWS, -1), np.zeros((ROWS, 32), np.int32)], axis=1)
    said = jax.jit(OBJECTIVE.words.sample)(OBJECTIVE.of_words(PARAMS), {"id": BATCH["id"], "caption": behind}, rng.fold_name(KEY, "words")).data
    ended = np.cumsum(np.asarray(said) == 0, axis=1) > 0
    np.testing.assert_array_equal(caption, np.where(ended, 0, said))
    drawn = jax.jit(OBJECTIVE.sample)(PARAMS, request, KEY)
    sound, film = SPEC.split(np.asarray(drawn.data))
    np.testing.assert_array_equal(sound, DATA[0])
    other = request | {"caption": caption, "array": SPEC.join([(DATA[0] + 1) % 7, DATA[1]])}  # another sound, and the same words
    told = jax.jit(OBJECTIVE.sample)(PARAMS, other, KEY)
    np.testing.assert_array_equal(SPEC.split(np.asarray(told.data))[1], film)
    assert int(drawn.cost.nfe) > int(told.cost.nfe) == 2 * int(told.cost.sequential_depth), "arrays do not wait for each other"
    everything = jax.jit(OBJECTIVE.describe)(PARAMS, {name: request[name] for name in ("id", "array")}, KEY).data
    assert (np.asarray(everything) != np.asarray(caption)).any(), "who sees the film as well may say something else"


def test_films_and_work_are_of_all():
    films = jax.jit(OBJECTIVE.film)(PARAMS, BATCH, KEY)
    assert films["noising"].shape == (9, ROWS, 40, 1)
    np.testing.assert_array_equal(films["noising"][0], BATCH["array"])
    sound, film, words = 2, 8, 3
    work = OBJECTIVE.work()
    assert work.positions == (sound + film) + words + (words + sound) + (words + film) and work.targets == words + 40
    half = words * (words + 1) / 2
    pairs = 3 * half + (sound + film) * (sound + film + words) + sound * (words + sound) + film * (words + film)
    assert work.visible == pytest.approx(pairs / work.positions**2)


def test_every_kind_has_its_patches():
    with pytest.raises(UsageError, match="is of 1 kinds of arrays, and both shows 2"):
        build("hybrid", SPEC, conditioning__shown_patches="4", **OPTIONS)


def test_who_learns_one_array_a_row_says_so():
    with pytest.raises(UsageError, match="objective=noise_prediction learns one array a row, and both has several: set objective=hybrid"):
        build("noise_prediction", SPEC)


def test_the_class_is_told_by_the_words_alone():
    with pytest.raises(UsageError, match=r"set conditioning\.label=false"):
        build("hybrid", SPEC, conditioning__shown_patches="4; 1,2,2", **OPTIONS | {"conditioning__label": True})
