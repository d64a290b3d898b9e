"""What is said of arrays, as data. Oracles: the sources that are joined, read by themselves."""

import dataclasses

import numpy as np
import pytest

from genjax.data.sources import open_source
from genjax.errors import UsageError

FILMS, DIGITS = "moving:shapes/frames=2", "moving:digits/frames=2"


@pytest.fixture(scope="module")
def both():
    return open_source(f"said:{FILMS}+{DIGITS}")


def test_a_row_is_an_array_of_one_source_and_what_is_said_of_it(both):
    films, digits = open_source(FILMS), open_source(DIGITS)
    spec, end = both.spec, both.spec.levels - 2
    assert [kind.shape for kind in spec.shown] == [films.spec.shape, digits.spec.shape] and spec.caption_length == 2 * 64 + 2 * 144
    for split, part in both.splits.items():
        rows = part.rows(np.arange(len(part)))
        assert len(part) == len(films.splits[split]) + len(digits.splits[split])
        found: dict[int, list] = {0: [], 1: []}
        for caption, tokens in zip(rows["caption"], rows["tokens"], strict=True):
            shown = caption[:128] if caption[0] else caption[128:]
            assert (caption != 0).sum() == len(shown), "one array is shown, and nothing else"
            words = both.questions.decode(tokens[1:][tokens[1:] != end])
            found[int(caption[0] == 0)].append(((shown - 1).astype(np.uint8).tobytes(), words))
        for number, source in enumerate((films, digits)):
            theirs = source.splits[split].rows(np.arange(len(source.splits[split])))
            expected = [(array.tobytes(), source.language.decode(said)) for array, said in zip(theirs["array"], theirs["caption"], strict=True)]
            assert sorted(found[number]) == sorted(expected)


def test_answers_begin_after_the_token_that_asks_and_are_filled_up(both):
    rows, levels = both.splits["eval"].rows(np.arange(50)), both.spec.levels
    assert (rows["tokens"][:, 0] == levels - 1).all() and not (rows["tokens"][:, 1:] == levels - 1).any()
    np.testing.assert_array_equal(rows["loss_mask"], np.broadcast_to([0, 1, 1, 1, 1], (50, 5)))
    assert (rows["tokens"][:, -1] == levels - 2).all() and (rows["num_units"] == 1).all()


def test_a_word_that_two_sources_have_is_one(both):
    assert both.spec.levels == 2 + len({"", *open_source(FILMS).words.known, *open_source(DIGITS).words.known})


def test_the_first_held_out_rows_are_of_all_sources(both):
    films = (both.splits["eval"].rows(np.arange(100))["caption"][:, 0] != 0).mean()
    sizes = [len(open_source(name).splits["eval"]) for name in (FILMS, DIGITS)]
    assert films == pytest.approx(sizes[0] / sum(sizes), abs=0.02)


def test_answers_are_judged_to_the_letter_and_by_the_word(both):
    rows = both.splits["eval"].rows(np.arange(8))
    end = both.spec.levels - 2
    right = [tokens[1:][tokens[1:] != end] for tokens in rows["tokens"]]
    turned = [right[0][::-1], *right[1:]]
    judged = both.questions.judge(rows, turned)
    np.testing.assert_array_equal(judged["right"][0], [False, *[True] * 7])
    np.testing.assert_array_equal(judged["words"][0], judged["words"][1])
    nothing = both.questions.judge(rows, [np.zeros(0, np.int32)] * 8)
    assert not nothing["right"][0].any() and not nothing["words"][0].any()
    assert {kind for (kind,) in both.questions.groups(rows)} == {FILMS, DIGITS}


def test_what_is_looked_at_are_the_arrays_of_each_source(both):
    rows = both.splits["eval"].rows(np.arange(12))
    looked, kinds = both.questions.looked(rows), [kind for (kind,) in both.questions.groups(rows)]
    assert [source.spec.name for source, _ in looked] == [FILMS, DIGITS] and both.questions.asked(rows) == [""] * 12
    for source, arrays in looked:
        here = [row for row, kind in enumerate(kinds) if kind == source.spec.name]
        start = 0 if source.spec.name == FILMS else 128
        np.testing.assert_array_equal(arrays.reshape(len(here), -1), rows["caption"][here, start : start + source.spec.num_dims] - 1)


def test_nobody_is_right_about_rare_words(both):
    """As if the first word of the first row stood for all that are rare."""
    rows, end = both.splits["eval"].rows(np.arange(8)), both.spec.levels - 2
    right = [tokens[1:][tokens[1:] != end] for tokens in rows["tokens"]]
    rare = int(right[0][0])
    asks = dataclasses.replace(both.questions, vocabulary=dataclasses.replace(both.questions.vocabulary, rare=rare))
    judged, plain = asks.judge(rows, right), both.questions.judge(rows, right)
    has = np.array([rare in words for words in right])
    np.testing.assert_array_equal(judged["right"][0], plain["right"][0] & ~has)
    for part in (0, 1):
        np.testing.assert_array_equal(judged["words"][part], plain["words"][part] - has)


def test_an_array_is_shown_where_its_kind_is(both):
    rows = both.splits["eval"].rows(np.arange(8))
    for source, arrays in both.questions.looked(rows):
        asked = both.questions.ask(arrays[0], "")
        ((found, again),) = both.questions.looked(asked)
        assert found is source
        np.testing.assert_array_equal(again, arrays[:1])
    with pytest.raises(UsageError, match="give --image=held_out"):
        both.questions.ask(np.zeros((5, 5, 3), np.uint8), "")
    with pytest.raises(UsageError, match="leave it out"):
        both.questions.ask(None, "what is it?")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("said:digits", "digits has no words that are said of it"),
        (f"said:{FILMS}+{FILMS}", "is there twice"),
        ("said:movin:shapes", "did you mean 'moving'"),
    ],
)
def test_wrong_names(name, sentence):
    with pytest.raises(UsageError, match=sentence):
        open_source(name)
