"""Questions about scenes. Oracles: what is right, decided object by object in plain Python, and the probability of every question by enumeration."""

import numpy as np
import pytest

from genjax.data.shapes import captions, counter, language, questions, scenes
from genjax.data.shapes.scenes import TIERS
from genjax.errors import UsageError

S8, S16 = TIERS["s8"], TIERS["s16"]
KINDS = range(len(questions.TYPES))


def some(tier, rows):
    drawn = scenes.sample(tier, rows)
    return scenes.Scenes(*(part[drawn.k > 0] for part in drawn))


def right_answer(tier, contents, words):
    """The answer to a question's words, from the list of a scene's objects; None where it cannot be asked."""
    things = [
        (cell // tier.side, cell % tier.side, scenes.COLOUR_NAMES[scenes.COLOUR_OF[c]], scenes.SHAPE_NAMES[scenes.SHAPE_OF[c]])
        for cell, c in enumerate(contents)
        if c
    ]
    singular = dict(zip(language.PLURALS, scenes.SHAPE_NAMES, strict=True)) | {"shapes": "shape"}

    def fitting(phrase):
        *colour, shape = phrase
        shape = singular.get(shape, shape)
        return [thing for thing in things if (not colour or thing[2] == colour[0]) and shape in ("shape", thing[3])]

    yes_no = lambda true: "yes" if true else "no"
    match words:
        case ["how", "many", *phrase]:
            return language.NUMBERS[len(fitting(phrase))]
        case ["is", "there", "no", *phrase]:
            return yes_no(not fitting(phrase))
        case ["is", "there", _, *phrase]:
            return yes_no(fitting(phrase))
        case ["what", "color", "is", "the", *phrase]:
            return fitting(phrase)[0][2] if len(fitting(phrase)) == 1 else None
        case ["what", "is", "the", *phrase]:
            return fitting(phrase)[0][3] if len(fitting(phrase)) == 1 else None
    relation = next(word for word in words if word in ("left", "right", "above", "below"))
    at = words.index(relation)
    first, second = fitting(words[2:at]), fitting(words[at + (2 if relation in ("left", "right") else 1) + 1 :])
    if not first or not second:
        return None
    is_so = {
        "left": lambda a, b: a[1] < b[1],
        "right": lambda a, b: a[1] > b[1],
        "above": lambda a, b: a[0] < b[0],
        "below": lambda a, b: a[0] > b[0],
    }[relation]
    return yes_no(any(is_so(a, b) for a in first for b in second))


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_those_of_plain_python(kind):
    drawn, random = some(S16, 40), np.random.default_rng(kind)
    table = questions.answers(S16, kind, captions.objects(drawn))
    every = questions.questions(kind)
    for number in random.permutation(len(every))[:150]:
        words = questions.question_words(kind, *map(int, every[number]))
        for row, contents in enumerate(drawn.contents):
            mine = table[row, number]
            assert right_answer(S16, contents, words) == (None if mine < 0 else questions.TYPES[kind].answers[mine]), (words, contents)


def test_no_two_questions_have_the_same_words_and_all_can_be_read():
    every = {(kind, number) for kind in KINDS for number in range(len(questions.questions(kind)))}
    assert len(questions._readings()) == len(every)
    for kind in KINDS:
        tokens = questions.question_tokens(kind)
        assert tokens.shape[1] == questions.LENGTH
        for number in range(0, len(tokens), 997):
            assert questions.parse(language.to_text(tokens[number]) + "?") == (kind, number)
    assert max(len(words) for words in questions._readings()) == questions.LENGTH


def of_equation_1(tier, drawn):
    """P(type, answer | x) [N, types, 9] by counting what is possible, row by row."""
    chance = np.zeros((len(drawn.background), len(questions.TYPES), 9))
    tables = [questions.answers(tier, kind, captions.objects(drawn)) for kind in KINDS]
    for row in range(len(chance)):
        possible = [sorted(set(table[row][table[row] >= 0].tolist())) for table in tables]
        asked = [kind for kind in KINDS if len(possible[kind]) >= (1 if questions.TYPES[kind].name in ("colour", "shape") else 2)]
        for kind in asked:
            chance[row, kind, possible[kind]] = 1 / len(asked) / len(possible[kind])
    return chance


def test_by_enumeration_no_answer_is_right_more_than_half_of_the_time():
    """Of all 448 scenes of S8 with an object: count, existence and negation are 50 : 50, a colour is one of 7, a shape one of 8."""
    every = scenes.enumerate_all(S8)
    chance = of_equation_1(S8, scenes.Scenes(*(part[every.k > 0] for part in every))).mean(axis=0)
    shares = chance / np.maximum(chance.sum(axis=1, keepdims=True), 1e-300)
    expected = {"count": 1 / 2, "existence": 1 / 2, "negated existence": 1 / 2, "colour": 1 / 7, "shape": 1 / 8, "relation": 0}
    for kind in KINDS:
        assert shares[kind].max() == pytest.approx(expected[questions.TYPES[kind].name], abs=1e-12)


@pytest.mark.parametrize("tier", [S8, S16], ids=["s8", "s16"])
def test_questions_are_drawn_as_the_closed_form_says(tier):
    drawn = some(tier, 800)
    asked = questions.draw(tier, drawn, counter.fold(counter.start(5), np.arange(len(drawn.background))))
    chance = of_equation_1(tier, drawn)
    counts, expected, spread = np.zeros(chance.shape[1:]), chance.sum(axis=0), np.sqrt((chance * (1 - chance)).sum(axis=0))
    for kind, word in zip(asked.kind, asked.answer, strict=True):
        counts[kind, questions.TYPES[kind].answers.index(language.NAME_OF[int(word)])] += 1
    assert (np.abs(counts - expected) <= 5 * spread).all()
    shares = expected / np.maximum(expected.sum(axis=1, keepdims=True), 1e-300)
    assert shares.max() <= 0.5 + 1e-12
    for row in range(0, len(asked.kind), 29):  # and what is drawn is right
        words = language.to_text(asked.question[row]).split()
        assert right_answer(tier, drawn.contents[row], words) == language.NAME_OF[int(asked.answer[row])]


def test_each_question_with_the_same_answer_is_as_likely():
    """One scene, thousands of questions: those of existence with the answer yes are even over the phrases that fit."""
    contents = scenes.content(2, 3, 1)
    drawn = scenes.Scenes(np.zeros(2_000, int), np.full((2_000, 1), contents))
    asked = questions.draw(S8, drawn, counter.fold(counter.start(6), np.arange(2_000)))
    yes = (asked.kind == questions.EXISTENCE) & (asked.answer == language.ID_OF["yes"])
    texts, counts = np.unique([language.to_text(row) for row in asked.question[yes]], return_counts=True)
    assert set(texts) == {f"is there a {phrase}" for phrase in ("yellow triangle", "triangle", "yellow shape", "shape")}
    assert (np.abs(counts - yes.sum() / 4) < 5 * np.sqrt(yes.sum() * 3 / 16)).all()


@pytest.mark.parametrize(
    "text, complaint", [("how many harts?", "did you mean 'heart"), ("how many", "none of those that can be asked"), ("", "none of")]
)
def test_what_is_no_question_is_refused(text, complaint):
    with pytest.raises(UsageError, match=complaint):
        questions.parse(text)
