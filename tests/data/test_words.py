"""Captions of words."""

import numpy as np
import pytest

from genjax.data.words import Words, split
from genjax.errors import UsageError

WORDS = Words.of(("red", "blue", "box"), 3)


def test_a_caption_is_the_places_of_its_words():
    np.testing.assert_array_equal(WORDS.encode("Blue, BOX!"), [2, 3, 0])
    assert WORDS.decode(np.array([2, 3, 0])) == "blue box"
    assert split("a_B-c 9") == ["a", "b", "c", "9"]


def test_words_that_are_not_known():
    with pytest.raises(UsageError, match="did you mean 'blue'"):
        WORDS.encode("blu box")
    with pytest.raises(UsageError, match="give 1 to 3 words, not 4"):
        WORDS.encode("red red red red")
    with pytest.raises(UsageError, match="not 0"):
        WORDS.encode("...")
    with pytest.raises(ValueError, match="no words of these captions"):
        WORDS.number(["green"])
    np.testing.assert_array_equal(Words(("", "(rare)", "red"), 3, rare=1).number(["green", "red"]), [1, 2, 0])
