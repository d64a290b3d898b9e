"""Errors have the name that a person would give them."""

import jax
import numpy as np
import pytest

from genjax.data.shapes import captions, language, oracle, scenes, verdict
from genjax.data.shapes.scenes import COLOUR_NAMES, SHAPE_NAMES, TIERS, Scenes

S16 = TIERS["s16"]
look = jax.jit(lambda asked, image: verdict.judge(S16, asked, oracle.read(S16, image)))


def cell(text):
    if not text:
        return 0
    colour, shape = text.split()
    return int(scenes.content(SHAPE_NAMES.index(shape), COLOUR_NAMES.index(colour), 0))


def judged(text, *cells, spoil=False):
    """On black; cells from the top left."""
    drawn = Scenes(np.zeros(1, int), np.array([[cell(each) for each in (*cells, "", "", "", "")[:4]]]))
    image = scenes.image(S16, drawn)
    if spoil:
        image[0, :4, :4] = scenes.PALETTE[4]
    return look(captions.ask([language.parse(text)]), image)


CASES = [
    ("a red circle", ("red circle",), "none"),
    ("a red circle", (), "missing"),
    ("a red circle", ("blue circle",), "wrong colour"),
    ("a red circle", ("red heart",), "wrong shape"),
    ("a circle on gray", ("red circle",), "background"),
    ("two circles", ("red circle",), "count"),
    ("two circles", ("red circle", "red circle", "blue circle"), "extra"),
    ("two circles", ("red heart",), "missing"),
    ("a red circle left of a blue square", ("red circle", "blue square"), "none"),
    ("a red circle left of a blue square", ("blue square", "red circle"), "relation"),
    ("a red circle left of a blue square", ("red circle", "red square"), "wrong colour"),
    ("a heart in the bottom", ("red heart",), "relation"),
    ("no triangle", ("red triangle",), "pink elephant"),
    ("nothing cyan", ("cyan triangle",), "pink elephant"),
    ("a circle that is not red", ("red circle",), "negation"),
    ("all circles are red", ("red circle", "blue circle"), "wrong colour"),
    ("only circles", ("red circle", "blue heart"), "extra"),
    ("more circles than hearts", ("red circle", "blue heart"), "count"),
]


@pytest.mark.parametrize("text, cells, error", CASES)
def test_an_error_is_called_by_its_name(text, cells, error):
    found = judged(text, *cells)
    assert verdict.ERRORS[int(found.error[0])] == error
    assert bool(found.valid[0]) and bool(found.follow[0]) == bool(found.strict[0]) == (error == "none")


def test_the_first_error_counts_and_a_picture_of_nothing_comes_before_all():
    assert verdict.ERRORS[int(judged("a red circle and no heart", "blue circle", "red heart").error[0])] == "wrong colour"
    assert verdict.ERRORS[int(judged("a circle and no heart", "blue circle", "red heart").error[0])] == "pink elephant"
    found = judged("a red circle", "red circle", spoil=True)
    assert verdict.ERRORS[int(found.error[0])] == "malformed" and not found.strict[0]


def test_minimal_edits_of_a_caption_are_told_apart():
    """Swapped colours, swapped places, one more, a "no" put in: true of the scene before, false after."""
    cells = ("red circle", "blue square", "green heart")
    for true, false in (
        ("a red circle and a blue square", "a blue circle and a red square"),
        ("a red circle left of a blue square", "a blue square left of a red circle"),
        ("one heart", "two hearts"),
        ("a heart", "no heart"),
        ("no cross", "a cross"),
    ):
        assert bool(judged(true, *cells).strict[0]) and not judged(false, *cells).strict[0]
