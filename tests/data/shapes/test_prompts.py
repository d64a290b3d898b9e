"""Asking for scenes: text and tokens, verdicts on scenes that are known, and what a scene is worth."""

import math
from typing import Any

import numpy as np
import pytest

from genjax.data.shapes import captions, language, scenes
from genjax.data.shapes.prompts import CATEGORIES, EMPTY, SEVERAL, ScenePrompts
from genjax.data.sources import open_source
from genjax.errors import UsageError

TIER = scenes.TIERS["s16"]
PICTURES, CODED = ScenePrompts(TIER, coded=False), ScenePrompts(TIER, coded=True)
HELD_OUT: Any = open_source("shapes:s16").splits["eval"]
ROWS = HELD_OUT.rows(np.arange(300))


@pytest.mark.parametrize("text", ["a red circle left of a blue square and no triangle.", "two hearts.", "an ell on gray."])
def test_a_text_is_the_caption_that_says_it(text):
    assert PICTURES.decode(PICTURES.encode(text)) == text


def test_true_scenes_follow_their_captions_as_pictures_and_as_codes():
    for prompts, data in ((PICTURES, ROWS["image"]), (CODED, ROWS["codes"])):
        verdicts = prompts.judge(ROWS["caption"], data)
        assert verdicts.strict.all()
        assert set(verdicts.error) == {"none"}
        np.testing.assert_array_equal(prompts.pictures(data), ROWS["image"])


def test_the_captions_of_others_are_judged_as_their_scenes_are():
    other = np.roll(ROWS["caption"], 1, axis=0)
    asked = captions.ask([language.parse(language.to_text(caption)) for caption in other])
    seen = captions.objects(HELD_OUT.scenes(np.arange(300)))
    verdicts = PICTURES.judge(other, ROWS["image"])
    np.testing.assert_array_equal(verdicts.follow, captions.follows(TIER, asked, seen))
    assert verdicts.valid.all()
    assert 0.1 < verdicts.follow.mean() < 0.9


def test_noise_is_not_valid():
    noise = np.random.default_rng(0).integers(0, scenes.CODES, ROWS["codes"].shape)
    verdicts = CODED.judge(ROWS["caption"], noise)
    assert not verdicts.strict.any()
    assert set(verdicts.error) == {"malformed"}


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("a heart", "existence"),
        ("no heart", "negation"),
        ("no shapes", EMPTY),
        ("nothing red", "negation"),
        ("a heart and no square", SEVERAL),
        ("two hearts", "number"),
    ],
)
def test_categories(text, category):
    assert PICTURES.category(PICTURES.encode(text)) == category
    assert set(CATEGORIES) == set(language.TYPES)


def test_what_is_no_caption_is_refused():
    with pytest.raises(UsageError, match="there is no word 'elephant'"):
        PICTURES.encode("a pink elephant")


@pytest.mark.parametrize("name", ["shapes", "shapes_codes"])
@pytest.mark.parametrize("tier", ["s8", "s16", "s24"])
def test_what_rows_are_worth_is_the_probability_of_their_scenes(name, tier):
    source, pictures, index = open_source(f"{name}:{tier}"), open_source(f"shapes:{tier}"), np.arange(200)
    held_out: Any = pictures.splits["eval"]
    count = held_out.scenes(index).k
    assert source.exact_nats is not None
    nats = source.exact_nats(source.splits["eval"].rows(index))
    np.testing.assert_allclose(nats / math.log(2), scenes.bits(scenes.TIERS[tier], count), rtol=1e-12)


@pytest.mark.parametrize("held_out", ["comp1", "comp2", "neg", "len"])
def test_what_rows_are_worth_is_not_claimed_where_the_split_is_another_distribution(held_out):
    assert open_source(f"shapes:s16/{held_out}").exact_nats is None
    assert open_source("shapes:s16/test").exact_nats is not None
