"""The words of captions, and clauses as numbers, words and tokens.

    caption := clause {("," | "and" | "but") clause} ["on" BACKGROUND] "."
    EX  "a" NP                        at least one           RL  "a" NP REL "a" NP         some pair
    CT  ["exactly"] NUMBER NPs        exactly so many        LC  "a" NP "in the" PLACE     somewhere there
    NG  "no" NP | "without" NPs       none                   NC  "nothing" COLOUR          none of the colour
    NA  "a" SHAPE "that is not" COLOUR                       UN  "all" SHAPEs "are" COLOUR, and there is one
    ON  "only" (SHAPEs | COLOUR "shapes")                    CM  "more" NPs "than" NPs
    NP := [COLOUR] SHAPE | COLOUR "shape" | "shape"

A clause is four integers (type, a, b, r): a and b are noun phrases, numbers in [0, 72); b is the form of words in CT and NG; r is the number of
CT, the relation of RL, the place of LC. One word is one token, and the ids of words, codes and special tokens do not overlap.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from genjax.data.shapes import scenes
from genjax.data.shapes.scenes import COLOUR_NAMES, OBJECT_COLOURS, SHAPE_NAMES, SHAPES
from genjax.errors import UsageError, did_you_mean

TYPES = ("EX", "CT", "RL", "LC", "NG", "NC", "NA", "UN", "ON", "CM")
EX, CT, RL, LC, NG, NC, NA, UN, ON, CM = range(len(TYPES))
NEGATIVE = (NG, NC, NA)

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight")
RELATIONS = ("left of", "right of", "above", "below")
PLACES = ("top", "bottom", "left", "right", "middle", "center")
SEPARATORS = (",", "and", "but")
PLURALS = tuple({"cross": "crosses", "plus": "pluses", "hourglass": "hourglasses"}.get(name, name + "s") for name in SHAPE_NAMES)

SPECIAL = ("<pad>", "<bos>", "<eos>", "<mask>", "<boi>", "<eoi>", "<q>", "<a>", "<null>", "<sep>")
_WORDS = (
    *("a", "an", "the", *NUMBERS, *SHAPE_NAMES, *PLURALS, "shape", "shapes", "nothing", *COLOUR_NAMES, *scenes.BACKGROUND_NAMES),
    *"left right above below of next to no not without but none all every only any and , . with is are that there in on background".split(),
    *"top middle bottom center exactly least most more fewer than as many how what color where yes".split(),
)
FIRST_WORD, FIRST_CODE = 16, 16 + 96  # 16 special tokens, 96 words, 208 codes: the spare ones are never used
VOCABULARY = FIRST_CODE + 208
ID_OF = {name: i for i, name in enumerate(SPECIAL)} | {word: FIRST_WORD + i for i, word in enumerate(_WORDS)}
NAME_OF = {i: name for name, i in ID_OF.items()}
PAD = ID_OF["<pad>"]
LENGTH = 24  # tokens of the longest caption


# ---- noun phrases: colour * 9 + shape, with one number past the last for "any" -------------------------------------

NOUNS = (OBJECT_COLOURS + 1) * (SHAPES + 1)  # 72
ANY_COLOUR, ANY_SHAPE = OBJECT_COLOURS, SHAPES


def noun(colour: Any = ANY_COLOUR, shape: Any = ANY_SHAPE) -> Any:
    """The noun phrase of a colour and a shape: integers, or arrays of numpy or jax."""
    return colour * (SHAPES + 1) + shape


ANYTHING = noun()


def noun_words(phrase: int, plural: bool) -> list[str]:
    """The words of a noun phrase."""
    colour, shape = divmod(phrase, SHAPES + 1)
    name = (*(PLURALS if plural else SHAPE_NAMES), "shapes" if plural else "shape")[shape]
    return [*COLOUR_NAMES[colour : colour + 1], name]


# ---- clauses -------------------------------------------------------------------------------------------------------

EXACTLY, WITHOUT, NO_SHAPES = 1, 1, 2  # forms of CT and of NG; 0 is the plain one


class Caption(NamedTuple):
    """Clauses (type, a, b, r), the separators between them, and the background that is named, if any."""

    clauses: tuple[tuple[int, int, int, int], ...]
    separators: tuple[str, ...]
    background: int | None


def with_article(words: list[str]) -> list[str]:
    """A noun phrase that begins with "a"."""
    return ["an" if words[0] == "ell" else "a", *words]


def clause_words(kind: int, a: int, b: int, r: int) -> list[str]:
    """The words of a clause."""
    one, many = noun_words(a, False), noun_words(a, True)
    colour, shape = one[0], many[-1]
    match kind:
        case 0:
            return with_article(one)
        case 1:
            return [*["exactly"] * b, NUMBERS[r], *(one if r == 1 else many)]
        case 2:
            return [*with_article(one), *RELATIONS[r].split(), *with_article(noun_words(b, False))]
        case 3:
            return [*with_article(one), "in", "the", PLACES[r]]
        case 4:
            return [["no", *one], ["without", *many], ["no", *many]][b]
        case 5:
            return ["nothing", colour]
        case 6:
            return [*with_article(one[-1:]), "that", "is", "not", colour]
        case 7:
            return ["all", shape, "are", colour]
        case 8:
            return ["only", *many]
        case _:
            return ["more", *many, "than", *noun_words(b, True)]


def caption_words(caption: Caption) -> list[str]:
    """The words of a caption, with its full stop."""
    words: list[str] = []
    for separator, clause in zip(("", *caption.separators), caption.clauses, strict=True):
        words += [*[separator] * bool(separator), *clause_words(*clause)]
    named = [] if caption.background is None else ["on", scenes.BACKGROUND_NAMES[caption.background]]
    return [*words, *named, "."]


def to_text(tokens: np.ndarray) -> str:
    """The text of a caption's tokens [LENGTH]."""
    text = " ".join(NAME_OF[int(token)] for token in tokens if token != PAD)
    return text.replace(" ,", ",").replace(" .", ".")


def check_words(words: list[str], what: str) -> None:
    """UsageError with `what` it is about, where a word is none of the language."""
    for word in words:
        if word not in ID_OF:
            raise UsageError(f"{what}: there is no word '{word}'{did_you_mean(word, _WORDS)}")


def to_tokens(words: list[str]) -> np.ndarray:
    """Tokens int32 [LENGTH] of words, padded; UsageError where they are too many."""
    if len(words) > LENGTH:
        raise UsageError(f"a caption has at most {LENGTH} words and marks; this one has {len(words)}")
    return np.array([ID_OF[word] for word in words] + [PAD] * (LENGTH - len(words)), np.int32)


# ---- every clause there is -----------------------------------------------------------------------------------------


@functools.cache
def clauses(kind: int) -> np.ndarray:
    """All clauses of a type that a sampler may say, int64 [I, 4]."""
    nouns, named = range(NOUNS), [noun(c, s) for s in range(SHAPES) for c in range(OBJECT_COLOURS)]
    rows: list[tuple[int, int, int]] = {
        EX: lambda: [(a, 0, 0) for a in nouns],
        CT: lambda: [(a, form, r) for a in nouns for form in (0, EXACTLY) for r in range(1, len(NUMBERS))],
        RL: lambda: [(a, b, r) for r in range(len(RELATIONS)) for a in nouns for b in nouns],
        LC: lambda: [(a, 0, r) for a in nouns for r in range(len(PLACES))],
        NG: lambda: [(a, form, 0) for a in nouns for form in (0, WITHOUT)],
        NC: lambda: [(noun(c), 0, 0) for c in range(OBJECT_COLOURS)],
        NA: lambda: [(a, 0, 0) for a in named],
        UN: lambda: [(a, 0, 0) for a in named],
        ON: lambda: [(noun(shape=s), 0, 0) for s in range(SHAPES)] + [(noun(c), 0, 0) for c in range(OBJECT_COLOURS)],
        CM: lambda: [(a, b, 0) for a in nouns for b in nouns],
    }[kind]()
    return np.array([(kind, *row) for row in rows])


@functools.cache
def clause_tokens(kind: int) -> np.ndarray:
    """Tokens int32 [I, 8] of `clauses(kind)`, padded."""
    words = [clause_words(*map(int, clause)) for clause in clauses(kind)]
    return np.array([[ID_OF[word] for word in row] + [PAD] * (8 - len(row)) for row in words], np.int32)


@functools.cache
def longest(kind: int) -> int:
    """Words of the longest clause of a type."""
    return int((clause_tokens(kind) != PAD).sum(axis=1).max())


# ---- reading -------------------------------------------------------------------------------------------------------


def plain(words: list[str]) -> list[str]:
    """Words with "a" for "an"."""
    return ["a" if word == "an" else word for word in words]


@functools.cache
def _readings() -> dict[tuple[str, ...], tuple[int, int, int, int]]:
    """Words, with "a" for "an", -> clause. No two clauses have the same words (a test)."""
    every = [clause for kind in range(len(TYPES)) for clause in clauses(kind).tolist()] + [[NG, ANYTHING, NO_SHAPES, 0]]
    return {tuple(plain(clause_words(*clause))): tuple(clause) for clause in every}


def parse(text: str) -> Caption:
    """A caption from its text; a full stop at the end may be missing, and "an" and "a" are the same.

    Raises:
      UsageError: a word or a clause that the language does not have, or too many words.
    """
    words = text.lower().replace(",", " , ").replace(".", " . ").split()
    words = plain([word for word in words if word != "."])
    check_words(words, f"caption '{text}'")
    background = None
    if len(words) > 2 and words[-2] == "on":
        if words[-1] not in scenes.BACKGROUND_NAMES:
            raise UsageError(f"caption '{text}': a background is {' or '.join(scenes.BACKGROUND_NAMES)}, not '{words[-1]}'")
        background, words = scenes.BACKGROUND_NAMES.index(words[-1]), words[:-2]
    parts: list[list[str]] = [[]]
    separators = []
    for word in words:
        if word in SEPARATORS:
            separators.append(word)
            parts.append([])
        else:
            parts[-1].append(word)
    for part in parts:
        if tuple(part) not in _readings():
            raise UsageError(f"caption '{text}': '{' '.join(part)}' is not a clause, such as 'a red circle', 'two hearts' or 'no triangle'")
    caption = Caption(tuple(_readings()[tuple(part)] for part in parts), tuple(separators), background)
    to_tokens(caption_words(caption))
    return caption
