"""Questions about scenes, what is right to answer, and how a question is drawn.

    count              "how many" NPs                      zero .. eight
    existence          "is there a" NP                     yes, no
    negated existence  "is there no" NP                    yes, no
    colour             "what color is the" SHAPE           of a phrase that one object fits; "shape" is one, too
    shape              "what is the" [COLOUR] "shape"      the same
    relation           "is a" NP REL "a" NP                yes, no, where both are there

The noun phrases NP and relations REL are those of captions (`language`), and so is what they mean. A question about a scene x and its answer are
drawn in this way: a type, each as likely, of those that can be asked; an answer, each as likely, of those that are right for some question of the
type; one of the N(answer, type, x) questions that it is right for:

    p(question | x) = 1/types(x) * 1/answers(type, x) * 1/N(answer, type, x)                        (1)

Types that are answered by a number or by yes and no are asked only where at least two answers are possible, so none of their answers is right
more than half of the time, whatever the scenes. Colours and shapes are as evenly spread as those of the scenes. Nothing can be asked of
an empty scene.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from genjax.data.shapes import captions, counter, language
from genjax.data.shapes.captions import Objects
from genjax.data.shapes.language import NOUNS, NUMBERS, PAD, RELATIONS, RL, noun
from genjax.data.shapes.scenes import COLOUR_NAMES, OBJECT_COLOURS, SHAPE_NAMES, SHAPES, Scenes, Tier
from genjax.errors import UsageError


class Type(NamedTuple):
    """Its name, the words that answer it, how many of them must be possible so that it is asked of a scene, and how many objects that takes."""

    name: str
    answers: tuple[str, ...]
    least: int
    objects: int = 1


YES_NO = ("yes", "no")
TYPES = (
    Type("count", NUMBERS, 2),
    Type("existence", YES_NO, 2),
    Type("negated existence", YES_NO, 2),
    Type("colour", COLOUR_NAMES, 1),
    Type("shape", SHAPE_NAMES, 1),
    Type("relation", YES_NO, 2, objects=2),
)
COUNT, EXISTENCE, NEGATED, COLOUR, SHAPE, RELATION = range(len(TYPES))
LENGTH = 9  # words of the longest question
_CHUNK = 256  # scenes whose answers to all questions are held at once


@functools.cache
def questions(kind: int) -> np.ndarray:
    """All questions of a type, int64 [I, 3]: noun phrases a and b, and a relation."""
    rows = {
        COLOUR: [(noun(shape=shape), 0, 0) for shape in range(SHAPES + 1)],
        SHAPE: [(noun(colour), 0, 0) for colour in range(OBJECT_COLOURS + 1)],
        RELATION: language.clauses(RL)[:, 1:],
    }
    return np.asarray(rows.get(kind, [(phrase, 0, 0) for phrase in range(NOUNS)]))


def question_words(kind: int, a: int, b: int, r: int) -> list[str]:
    """The words of a question; the mark at its end is none."""
    one = language.noun_words(a, False)
    match kind:
        case 0:
            return ["how", "many", *language.noun_words(a, True)]
        case 1:
            return ["is", "there", *language.with_article(one)]
        case 2:
            return ["is", "there", "no", *one]
        case 3:
            return ["what", "color", "is", "the", *one]
        case 4:
            return ["what", "is", "the", *one]
        case _:
            return ["is", *language.with_article(one), *RELATIONS[r].split(), *language.with_article(language.noun_words(b, False))]


@functools.cache
def question_tokens(kind: int) -> np.ndarray:
    """Tokens int32 [I, LENGTH] of `questions(kind)`, padded."""
    words = [question_words(kind, *map(int, row)) for row in questions(kind)]
    return np.array([[language.ID_OF[word] for word in row] + [PAD] * (LENGTH - len(row)) for row in words], np.int32)


def answers(tier: Tier, kind: int, seen: Objects) -> np.ndarray:
    """The number int64 [B, I] in the type's answers of the right one to each of `questions(kind)`; -1 where it cannot be asked of the scene."""
    fits = captions.matches(seen)
    count, (a, b, _) = fits.sum(axis=1), questions(kind).T
    yes_no = lambda true: np.where(true, 0, 1)
    of_the_one = lambda attribute: np.where(count[:, a] == 1, (fits[:, :, a] * attribute[:, :, None]).sum(axis=1), -1)
    return {
        COUNT: lambda: count[:, a],
        EXISTENCE: lambda: yes_no(count[:, a] > 0),
        NEGATED: lambda: yes_no(count[:, a] == 0),
        COLOUR: lambda: of_the_one(seen.colour),
        SHAPE: lambda: of_the_one(seen.shape),
        RELATION: lambda: np.where((count[:, a] > 0) & (count[:, b] > 0), yes_no(captions.true_clauses(tier, RL, seen)), -1),
    }[kind]()


class Ways(NamedTuple):
    """How many questions [B, A] of a type each of its answers is right for, and whether the type can be asked bool [B]."""

    number: np.ndarray
    asked: np.ndarray


def ways(kind: int, right: np.ndarray) -> Ways:
    """Of `answers` [B, I] to the questions of a type."""
    number = np.stack([(right == answer).sum(axis=1) for answer in range(len(TYPES[kind].answers))], axis=-1)
    return Ways(number, (number > 0).sum(axis=1) >= TYPES[kind].least)


class Asked(NamedTuple):
    """Of B scenes: the question int32 [B, LENGTH], padded; its answer int32 [B], a word; its type [B]."""

    question: np.ndarray
    answer: np.ndarray
    kind: np.ndarray


def draw(tier: Tier, drawn: Scenes, state: np.ndarray) -> Asked:
    """One question for each scene, which is not empty, from its state uint64 [B] of `counter`: equation (1)."""
    parts = [slice(start, start + _CHUNK) for start in range(0, len(state), _CHUNK)]
    asked = [_draw(tier, captions.objects(Scenes(*(each[part] for each in drawn))), counter.words(state[part], 3)) for part in parts]
    return Asked(*map(np.concatenate, zip(*asked, strict=True)))


def _draw(tier: Tier, seen: Objects, words: np.ndarray) -> Asked:
    objects, found = (seen.shape < SHAPES).sum(axis=1), []
    possible = np.zeros((len(words), len(TYPES)), bool)
    for kind, of in enumerate(TYPES):
        rows = np.flatnonzero(objects >= of.objects)  # of the others it cannot be asked, and need not be tried
        right = answers(tier, kind, Objects(*(part[rows] for part in seen)))
        number, possible[rows, kind] = ways(kind, right)
        found.append((rows, right, number))
    chosen = _one_of(possible, words[:, 0])
    question, answer = np.zeros((len(words), LENGTH), np.int32), np.zeros(len(words), np.int32)
    for kind, (rows, right, number) in enumerate(found):
        here = chosen[rows] == kind
        rows, right = rows[here], right[here]
        says = _one_of(number[here] > 0, words[rows, 1])
        question[rows] = question_tokens(kind)[_one_of(right == says[:, None], words[rows, 2])]
        answer[rows] = np.array([language.ID_OF[word] for word in TYPES[kind].answers])[says]
    return Asked(question, answer, chosen)


def _one_of(possible: np.ndarray, words: np.ndarray) -> np.ndarray:
    """The number [B] of one that is possible, bool [B, I], each as likely."""
    passed = np.cumsum(possible, axis=1)
    return (passed <= counter.below(words, passed[:, -1])[:, None]).sum(axis=1)


@functools.cache
def _readings() -> dict[tuple[str, ...], tuple[int, int]]:
    """Words, with "a" for "an", -> type and number of the question. No two questions have the same words (a test)."""
    every = [(kind, number, row) for kind in range(len(TYPES)) for number, row in enumerate(questions(kind).tolist())]
    return {tuple(language.plain(question_words(kind, *row))): (kind, number) for kind, number, row in every}


def parse(text: str) -> tuple[int, int]:
    """The type of a question, and its number there; a question mark may be missing, and "an" and "a" are the same.

    Raises:
      UsageError: a word or a question that the language does not have.
    """
    words = language.plain(text.lower().replace("?", " ").split())
    language.check_words(words, f"question '{text}'")
    if tuple(words) not in _readings():
        raise UsageError(f"question '{text}' is none of those that can be asked, such as 'how many hearts?' or 'is a circle above a red square?'")
    return _readings()[tuple(words)]
