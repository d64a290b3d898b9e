"""Pictures with something to say of them, as rows. Oracles: the scenes that rows are made of, and answers known to be right or wrong."""

import math

import numpy as np
import pytest

from genjax.data.shapes import answers, captions, language, oracle, questions, scenes
from genjax.data.shapes.scenes import TIERS
from genjax.data.sources import open_source
from genjax.errors import DataError, UsageError

NAMES = ["shapes_answers:s8", "shapes_answers:s16/task=caption", "shapes_answers:s16/task=caption/clauses=1", "shapes_answers:s16/task=question"]


def opened(name, count=60, split="eval"):
    source = open_source(name)
    return source, source.splits[split], source.splits[split].rows(np.arange(count))


@pytest.mark.parametrize("name", NAMES)
def test_a_row_is_the_picture_the_question_and_the_answer_and_then_padding(name):
    source, split, rows = opened(name)
    drawn, layout = split.pictures.scenes(np.arange(60)), split.layout
    assert rows["tokens"].shape == (60, *source.spec.shape)
    np.testing.assert_array_equal(layout.pictures(rows), scenes.codes(split.pictures.tier, drawn))
    for row in range(60):
        real = rows["segment_ids"][row] == 1
        tokens, supervised = rows["tokens"][row], rows["loss_mask"][row] > 0
        assert real.tolist() == sorted(real, reverse=True) and (tokens[~real] == 0).all() and not supervised[~real].any()
        assert rows["positions"][row][real].tolist() == list(range(real.sum()))
        ask = layout.codes + len(layout.question_of(tokens))
        assert tokens[ask] == source.spec.levels - 1 == answers.ASK and (tokens == answers.ASK).sum() == 1
        assert np.flatnonzero(supervised).tolist() == list(range(ask + 1, real.sum()))
        words, ends = tokens[layout.codes : ask], tokens[supervised] == source.spec.levels - 2
        assert ((words >= language.FIRST_WORD) & (words < language.FIRST_CODE)).all()
        assert ends[-1] and ends.tolist() == sorted(ends), "at least one end, and nothing after the first"


@pytest.mark.parametrize("name", NAMES)
def test_the_room_of_an_answer_tells_nothing_of_its_length(name):
    _, _, rows = opened(name, 200)
    assert len(set(rows["loss_mask"].sum(axis=1))) == 1


def test_captions_are_those_of_the_same_scenes_and_worth_what_the_closed_form_says():
    _, split, rows = opened("shapes_answers:s16/task=caption", 15)
    told = open_source("shapes_codes:s16").splits["eval"].rows(np.arange(15))
    np.testing.assert_array_equal(split.layout.pictures(rows), told["tokens"])
    drawn, nats = split.pictures.scenes(np.arange(15)), split.exact_nats(rows)
    for row, words in enumerate(answers.said_in(rows)):
        assert language.to_text(words) == language.to_text(told["caption"][row])
        scene = scenes.Scenes(*(part[row : row + 1] for part in drawn))
        log2_p = split.pictures.speaker.log2_prob(scene, language.parse(language.to_text(words)))[0]
        assert nats[row] == pytest.approx(-log2_p * math.log(2), rel=1e-12)


def test_a_question_leaves_no_doubt_about_its_answer():
    _, split, rows = opened("shapes_answers:s16")
    np.testing.assert_array_equal(split.exact_nats(rows), 0.0)
    assert (split.pictures.scenes(np.arange(60)).k > 0).all()


@pytest.mark.parametrize("tier", ["s8", "s24"])
def test_scenes_are_had_back_from_their_codes(tier):
    drawn = scenes.sample(TIERS[tier], 200)
    for mine, known in zip(oracle.shown(TIERS[tier], scenes.codes(TIERS[tier], drawn)), drawn, strict=True):
        np.testing.assert_array_equal(mine, known)


def test_of_one_statement_a_caption_has_one():
    source, split, rows = opened("shapes_answers:s16/task=caption/clauses=1", 100)
    made = [language.parse(source.questions.decode(words)) for words in answers.said_in(rows)]
    assert {len(caption.clauses) for caption in made} == {1}
    assert split.layout.answer == 11, "a red circle left of a blue square on gray."


def test_questions_are_judged_to_the_letter_and_grouped_by_type_and_number_of_objects():
    source, split, rows = opened("shapes_answers:s16", 300)
    said = answers.said_in(rows)
    assert all((right == of).all() for right, of in source.questions.judge(rows, said).values())
    wrong = [np.append(words, words) for words in said]
    assert not source.questions.judge(rows, wrong)["right"][0].any()
    groups, k = source.questions.groups(rows), split.pictures.scenes(np.arange(300)).k
    assert {kind for kind, _ in groups} == {kind.name for kind in questions.TYPES}
    assert [objects for _, objects in groups] == ["1 object" if count == 1 else f"{count} objects" for count in k]


def test_a_caption_is_judged_by_its_facts():
    """Of a red circle in a cell on gray: each caption with the facts of it that are right, of how many, in plain words."""
    source = open_source("shapes_answers:s8/task=caption")
    circle = scenes.Scenes(np.array([1]), np.array([[int(scenes.content(1, 0, 0))]]))
    row = source.questions.ask(scenes.image(TIERS["s8"], circle)[0], "")
    known = {
        "a red circle.": (1, 1, 1),
        "one shape and no heart on gray.": (1, 3, 3),
        "a red circle but two hearts on black.": (0, 1, 3),
        "a circle circle": (0, 0, 1),
        "": (0, 0, 1),
    }
    for text, (strict, right, stated) in known.items():
        words = np.array([language.ID_OF[word] for word in text.replace(".", " .").split()], int)
        found = {name: (int(hits[0]), int(of[0])) for name, (hits, of) in source.questions.judge(row, [words]).items()}
        assert found == {"strict": (strict, 1), "exact facts": (right, stated)}, text
    assert source.questions.judge(row, [np.array([language.FIRST_CODE])])["strict"][0][0] == 0, "a code is no word"


def test_a_question_about_a_picture_is_the_row_that_has_them_without_its_answer():
    source, split, rows = opened("shapes_answers:s16", 40)
    pictures = scenes.image(TIERS["s16"], split.pictures.scenes(np.arange(40)))
    for row in range(40):
        text = language.to_text(split.layout.question_of(rows["tokens"][row]))
        mine = source.questions.ask(pictures[row], text + "?")
        for name in ("segment_ids", "positions", "loss_mask"):
            np.testing.assert_array_equal(mine[name][0], rows[name][row])
        context = rows["loss_mask"][row] == 0
        np.testing.assert_array_equal(mine["tokens"][0][context], rows["tokens"][row][context])
        assert (mine["tokens"][0][~context] == answers.END).all()


def test_what_is_looked_at_is_the_picture_and_what_is_asked_is_the_question():
    source, split, rows = opened("shapes_answers:s8")
    ((codes, looked),) = source.questions.looked(rows)
    np.testing.assert_array_equal(codes.decoded(looked), scenes.image(TIERS["s8"], split.pictures.scenes(np.arange(60))))
    for text, tokens in zip(source.questions.asked(rows), rows["tokens"], strict=True):
        np.testing.assert_array_equal(
            source.questions.ask(codes.decoded(looked)[0], text)["tokens"][0][16 : 16 + len(text.split())], tokens[16 : 16 + len(text.split())]
        )
    plans = open_source("shapes_answers:s8/task=plan")
    assert plans.questions.shapes == () and open_source("shapes_answers:s8").questions.shapes == ((8, 8, 3),)
    assert plans.questions.looked(plans.splits["eval"].rows(np.arange(3))) == [], "which is yet to be drawn"


def test_what_cannot_be_asked_is_refused():
    asks, tells = (open_source(f"shapes_answers:s8/task={task}").questions for task in ("question", "caption"))
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    with pytest.raises(DataError, match="none of the 205"):
        asks.ask(noise, "how many hearts?")
    plain = np.full((8, 8, 3), 25, np.uint8)
    with pytest.raises(UsageError, match="no word 'dogs'"):
        asks.ask(plain, "how many dogs?")
    with pytest.raises(UsageError, match="answers no questions"):
        tells.ask(plain, "how many hearts?")


@pytest.mark.parametrize(
    "argument, complaint",
    [("s8/task=asking", "the tasks are caption, question"), ("s16/clauses=9", "clauses is a number from 1 to 3"), ("s16/tusk=caption", "task=")],
)
def test_what_cannot_be_opened_is_refused(argument, complaint):
    with pytest.raises(UsageError, match=complaint):
        open_source(f"shapes_answers:{argument}")


def test_captions_that_make_a_held_out_statement():
    _, _, rows = opened("shapes_answers:s16/neg/task=caption", 20)
    made = [language.parse(language.to_text(words)) for words in answers.said_in(rows)]
    assert all(captions.HELD_OUT["neg"](*np.array(caption.clauses).T).any() for caption in made)
