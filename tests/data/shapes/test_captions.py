"""Captions: a second, plain reading of their meaning; true always; as probable as the closed form says; and the words stay in the grammar."""

import math
from collections import Counter
from functools import partial

import jax
import numpy as np
import pytest

from genjax.data.shapes import captions, counter, language, scenes, splits
from genjax.data.shapes.captions import Speaker
from genjax.data.shapes.language import ANYTHING, EX, LENGTH, NG, PAD, TYPES, parse, to_text
from genjax.data.shapes.scenes import TIERS, Scenes
from genjax.errors import UsageError

S8, S16, S24 = TIERS["s8"], TIERS["s16"], TIERS["s24"]


def states(rows, seed=0):
    return counter.fold(counter.start(seed), np.arange(rows))


def words_hold(words, picture, side):
    """The meaning of a clause, word by word, on a list of (row, column, shape, colour)."""
    names = [(y, x, scenes.SHAPE_NAMES[s], scenes.COLOUR_NAMES[c]) for y, x, s, c in picture]
    singular = dict(zip(language.PLURALS, scenes.SHAPE_NAMES, strict=True)) | {"shapes": "shape"}

    def fits(phrase):
        *colour, shape = phrase
        shape = singular.get(shape, shape)
        return [o for o in names if shape in ("shape", o[2]) and (not colour or colour == [o[3]])]

    words = ["a" if word == "an" else word for word in words]
    first = words[0]
    if first in ("exactly", *language.NUMBERS):
        words = words[first == "exactly" :]
        return len(fits(words[1:])) == language.NUMBERS.index(words[0])
    if first in ("no", "without"):
        return not fits(words[1:])
    if first == "nothing":
        return not fits([words[1], "shape"])
    if first == "all":
        found = fits([words[1]])
        return bool(found) and all(o[3] == words[3] for o in found)
    if first == "only":
        return bool(names) and len(fits(words[1:])) == len(names)
    if first == "more":
        split = words.index("than")
        return len(fits(words[1:split])) > len(fits(words[split + 1 :]))
    if "that" in words:
        return any(o[3] != words[-1] for o in fits([words[1]]))
    if "in" in words:
        found, place = fits(words[1 : words.index("in")]), words[-1]
        row = {"top": lambda v: v == 0, "bottom": lambda v: v == side - 1, "middle": lambda v: 0 < v < side - 1}
        column = {"left": lambda v: v == 0, "right": lambda v: v == side - 1, "center": lambda v: 0 < v < side - 1}
        return side > 1 and any((place in row and row[place](o[0])) or (place in column and column[place](o[1])) for o in found)
    for relation, true in (
        ("left of", lambda p, q: p[1] < q[1]),
        ("right of", lambda p, q: p[1] > q[1]),
        ("above", lambda p, q: p[0] < q[0]),
        ("below", lambda p, q: p[0] > q[0]),
    ):
        text = " ".join(words)
        if f" {relation} a " in text:
            one, other = text.split(f" {relation} a ")
            return any(true(p, q) for p in fits(one.split()[1:]) for q in fits(other.split()))
    return bool(fits(words[1:]))


def picture_of(tier, contents):
    return [(*divmod(i, tier.side), int(scenes.SHAPE_OF[n]), int(scenes.COLOUR_OF[n])) for i, n in enumerate(contents) if n]


@pytest.mark.parametrize("kind", range(len(TYPES)), ids=TYPES)
def test_clauses_mean_what_their_words_say(kind):
    """Every table of true statements, and `holds`, against the reading above: half of the statements true ones."""
    random = np.random.default_rng(kind)
    every = language.clauses(kind)
    for tier in (S8, S16, S24):
        drawn = scenes.sample(tier, 12, seed=kind)
        seen = captions.objects(drawn)
        table = captions.true_clauses(tier, kind, seen)
        for row, contents in enumerate(drawn.contents):
            true = np.flatnonzero(table[row])
            few = np.concatenate([random.choice(len(every), 12), random.choice(true, 12) if len(true) else []]).astype(int)
            expected = [words_hold(language.clause_words(*every[i]), picture_of(tier, contents), tier.side) for i in few]
            np.testing.assert_array_equal(table[row, few], expected)
            same = captions.Objects(*(np.repeat(part[row : row + 1], len(few), axis=0) for part in seen))
            np.testing.assert_array_equal(captions.holds(tier, every[few], same), expected)


def test_meaning_is_the_same_on_the_device():
    drawn = scenes.sample(S16, 40)
    seen = captions.objects(drawn)
    texts = [to_text(row) for row in Speaker(S16).draw(drawn, states(40))]
    said = [parse(texts[(i + i % 2) % 40]) for i in range(40)]  # every other caption is another scene's
    expected = captions.follows(S16, captions.ask(said), seen)
    np.testing.assert_array_equal(jax.jit(partial(captions.follows, S16))(captions.ask(said), seen), expected)
    assert expected[::2].all() and not expected.all()


@pytest.mark.parametrize("tier", [S8, S16, TIERS["s32"]], ids=lambda tier: tier.name)
def test_captions_are_true_and_can_be_read_back(tier):
    drawn = scenes.sample(tier, 300, seed=2)
    tokens = Speaker(tier, p_neg=0.4).draw(drawn, states(300))
    assert tokens.shape == (300, LENGTH) and tokens.dtype == np.int32
    said = [parse(to_text(row)) for row in tokens]
    for row, caption in zip(tokens, said, strict=True):
        np.testing.assert_array_equal(language.to_tokens(language.caption_words(caption)), row)
    assert captions.follows(tier, captions.ask(said), captions.objects(drawn)).all()


def test_every_clause_has_words_of_its_own():
    assert len(language._readings()) == 1 + sum(len(language.clauses(kind)) for kind in range(len(TYPES)))


def test_ids_of_words_and_codes_do_not_overlap():
    assert len(language._WORDS) == len(set(language._WORDS)) <= 96
    assert max(language.ID_OF.values()) < language.FIRST_CODE
    assert language.VOCABULARY == 320 and language.FIRST_CODE + scenes.CODES <= 320


def test_the_probabilities_of_all_captions_of_a_scene_add_up_to_one():
    """One red circle on S8: every caption of one clause is listed; longer ones are m-tuples of statements, so their sum is P(m)."""
    drawn = Scenes(np.array([0]), np.array([[int(scenes.content(1, 0, 2))]]))
    speaker = Speaker(S8, p_neg=0.3)
    total = 0.0
    for kind in range(len(TYPES)):
        for clause in language.clauses(kind)[captions.true_clauses(S8, kind, captions.objects(drawn))[0]]:
            for background in (None, 0, 1):
                total += 2.0 ** speaker.log2_prob(drawn, language.Caption((tuple(clause.tolist()),), (), background))[0]
    assert total == pytest.approx(0.5, abs=1e-12)
    np.testing.assert_allclose(speaker.type_probabilities(captions.objects(drawn))[:3].sum(axis=-1), 1, atol=1e-12)


def test_captions_are_drawn_as_often_as_the_closed_form_says():
    rows = 40_000
    one = scenes.sample(S16, 60, seed=3)
    row = np.flatnonzero(one.k == 2)[0]
    drawn = Scenes(np.repeat(one.background[row], rows), np.repeat(one.contents[row : row + 1], rows, axis=0))
    said = Counter(map(to_text, Speaker(S16, p_neg=0.5).draw(drawn, states(rows, 4))))
    scene = Scenes(one.background[row : row + 1], one.contents[row : row + 1])
    for text, times in said.most_common(40):
        p = 2.0 ** Speaker(S16, p_neg=0.5).log2_prob(scene, parse(text))[0]
        assert times / rows == pytest.approx(p, abs=5 * math.sqrt(p / rows)), text
    total = sum(2.0 ** Speaker(S16, p_neg=0.5).log2_prob(scene, parse(text))[0] for text in list(said)[:300])
    assert total < 1


def test_an_empty_scene_has_no_shapes():
    empty = Scenes(np.array([0, 1]), np.zeros((2, 4), int))
    assert {to_text(row) for row in Speaker(S16).draw(empty, states(2))} <= {"no shapes.", "no shapes on black.", "no shapes on gray."}
    assert Speaker(S16).log2_prob(empty, parse("no shapes on black")).tolist() == [-1, -math.inf]


def test_a_false_caption_has_probability_zero():
    drawn = Scenes(np.array([0]), np.array([[int(scenes.content(1, 0, 2)), 0, 0, 0]]))  # a red circle, top left
    speaker = Speaker(S16)
    for text in ("two red circles", "a red square", "no red circle", "a shape in the bottom", "a red circle on gray", "no shapes"):
        assert speaker.log2_prob(drawn, parse(text))[0] == -math.inf, text
    assert speaker.log2_prob(drawn, parse("exactly one red circle and a shape in the top."))[0] > -40


def test_the_shortcuts_for_what_is_always_sayable_are_right():
    for tier in (S8, S16, S24):
        seen = captions.objects(scenes.sample(tier, 100, seed=9))
        count = (seen.shape < 8).sum(axis=1)
        for kind in range(len(TYPES)):
            expected = (count > 0) & captions.true_clauses(tier, kind, seen).any(axis=1)
            np.testing.assert_array_equal(Speaker(tier)._has(kind, seen), expected)


@pytest.mark.parametrize("p_neg", [0.0, 1.0])
def test_p_neg_is_the_weight_of_negations(p_neg):
    drawn = scenes.sample(S16, 300, seed=5)
    kinds = {clause[0] for row in Speaker(S16, p_neg).draw(drawn, states(300)) for clause in parse(to_text(row)).clauses}
    kinds = {kind for kind in kinds if kind != NG or p_neg}  # "no shapes." of empty scenes stays
    assert kinds <= set(language.NEGATIVE) if p_neg else not kinds & set(language.NEGATIVE)


@pytest.mark.parametrize("name", captions.HELD_OUT)
def test_held_out_statements_are_never_made_though_their_words_are(name):
    speaker, drawn = Speaker(S24, p_neg=0.4, without=name), scenes.sample(S24, 1500, seed=6)
    made = np.array([clause for row in speaker.draw(drawn, states(1500)) for clause in parse(to_text(row)).clauses if clause != (NG, ANYTHING, 2, 0)])
    assert not captions.HELD_OUT[name](*made.T).any()
    free = np.array([clause for row in Speaker(S24, p_neg=0.4).draw(drawn, states(1500)) for clause in parse(to_text(row)).clauses])
    held_out = [clause for kind in range(len(TYPES)) for clause in language.clauses(kind)[captions.held_out(name, kind)]]
    assert len(held_out) > 0
    assert captions.HELD_OUT[name](*free.T).any()
    said = {word for clause in made for word in language.clause_words(*clause.tolist())}
    assert {word for clause in held_out for word in language.clause_words(*clause.tolist())} <= said


@pytest.mark.parametrize(
    "name, shape, colour, pair", [("s16", 0.2207, 0.2477, 0.0351), ("s24", 0.3059, 0.3399, 0.0520), ("s32", 0.3784, 0.4165, 0.0685)]
)
def test_neutral_rates_of_negation_are_the_golden_ones(name, shape, colour, pair):
    """How often a given shape, colour, or both is in a scene: closed form and 30,000 scenes."""
    tier = TIERS[name]
    seen = captions.objects(scenes.sample(tier, 30_000, seed=7))
    count = captions.matches(seen).any(axis=1)
    for golden, kinds, phrase in ((shape, 8, language.noun(shape=2)), (colour, 7, language.noun(5)), (pair, 56, language.noun(5, 2))):
        exact = 1 - np.mean([(1 - 1 / kinds) ** k for k in tier.counts])
        assert exact == pytest.approx(golden, abs=6e-5)
        assert count[:, int(phrase)].mean() == pytest.approx(exact, abs=4 * math.sqrt(exact / 30_000))


def test_metadata_is_genevals():
    found = captions.metadata(parse("two red circles and no blue shape, a heart above a plus on black"))
    assert found == {
        "prompt": "two red circles and no blue shape, a heart above a plus on black.",
        "include": [{"class": "circle", "count": 2, "color": "red"}, {"class": "heart", "count": 1}, {"class": "plus", "count": 1}],
        "exclude": [{"class": "circle", "count": 3, "color": "red"}, {"class": "shape", "count": 1, "color": "blue"}],
        "relations": ["a heart above a plus"],
        "background": "black",
    }


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("a red circel", "did you mean 'circle'"),
        ("a circle red", "'a circle red' is not a clause"),
        ("a red circle on red", "a background is black or gray"),
        ("", "is not a clause"),
        (" and ".join(["a red circle left of a blue square"] * 3), "at most 24"),
    ],
)
def test_what_is_no_caption_is_refused(text, complaint):
    with pytest.raises(UsageError, match=complaint):
        parse(text)


def test_an_is_a_and_the_full_stop_may_be_missing():
    assert language.caption_words(parse("a ell above a red ell")) == "an ell above a red ell .".split()
    assert parse("an ell") == parse("a ell.") == language.Caption(((EX, int(language.noun(shape=6)), 0, 0),), (), None)


def test_tokens_after_the_end_are_padding():
    tokens = Speaker(S16).draw(scenes.sample(S16, 100), states(100))
    end = (tokens == language.ID_OF["."]).argmax(axis=1)
    assert ((tokens == PAD) == (np.arange(LENGTH) > end[:, None])).all()


# ---- splits --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["comp1", "comp2"])
def test_a_million_training_scenes_show_nothing_that_is_held_out(name):
    wanted = lambda drawn: ~splits.HELD_OUT[name](drawn)
    for start in range(0, 1_000_000, 100_000):
        drawn = splits.draw(S16, "train", np.arange(start, start + 100_000), 0, S16.counts, wanted)
        seen = captions.objects(drawn)
        held_out = splits.HELD_OUT_PAIRS if name == "comp1" else splits.HELD_OUT_BINDINGS
        for numbers in held_out:  # shape, colour[, shape, colour]
            pairs = zip(numbers[::2], numbers[1::2], strict=True)
            shown = [((seen.shape == shape) & (seen.colour == colour)).any(axis=1) for shape, colour in pairs]
            assert not np.all(shown, axis=0).any()
