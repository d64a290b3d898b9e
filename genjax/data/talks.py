"""Talks of several turns, made up: `talks`, a chat in which what was said before matters and small instructions are followed.

    I am Mia.                          Hello, Mia!
    I have 7 nuts.                     So you have 7 nuts.
    Spell lamp.                        l-a-m-p
    I buy 3 more.                      Then you have 10 nuts.
    What is my name?                   You are Mia.
    Which colour do I like?            You have not told me.

Every answer follows from its prompt and the turns before it, so that it is right or wrong. A tenth of the talks is held out. They are always the
same.
"""

from __future__ import annotations

import numpy as np

from genjax.data.base import Dialogue, Turn
from genjax.data.pairs import Dialogues, apart
from genjax.errors import UsageError

COUNT = 8_000
TURNS = (4, 9)
NAMES = ("Mia", "Ben", "Zoe", "Tom", "Ida", "Max", "Eva", "Leo")
COLOURS = ("red", "blue", "green", "pink", "white", "brown")
THINGS = ("nuts", "pens", "cards", "coins", "apples", "shells", "stamps", "books")
WORDS = (*COLOURS, *THINGS, "lamp", "dog", "house", "river")
TIMES = ("twice", "three times", "four times")
LARGEST = 30
UNKNOWN = "You have not told me."

_SEED = 20261124
_TOLD, _ASKED, _DONE = ("name", "colour", "count", "more", "fewer"), ("name?", "colour?", "count?"), ("spell", "capitals", "repeat", "longer")


def read_talks(argument: str, held_out: str | None = None) -> Dialogues:
    """`talks`: dialogues of several turns."""
    if argument:
        raise UsageError(f"data source 'talks:{argument}': it takes no argument, write 'talks'")
    random = np.random.RandomState(_SEED)
    talks = (_talk(random) for _ in range(COUNT))
    return apart(("\n".join(prompt for prompt, _ in talk), talk) for talk in talks)


def _talk(random: np.random.RandomState) -> Dialogue:
    known: dict[str, str] = {}
    return tuple(_turn(random, known) for _ in range(random.randint(*TURNS)))


def _turn(random: np.random.RandomState, known: dict[str, str]) -> Turn:
    """The next turn of a talk; `known` is what was said of the one who asks, and is kept up to date."""

    def one(of):
        return of[random.randint(len(of))]

    kind = one(one((_TOLD, _ASKED, _DONE)))
    have = int(known.get("count", 0))
    if kind in ("more", "fewer") and (not have or have == (LARGEST if kind == "more" else 1)):
        kind = "count"
    match kind:
        case "name":
            known["name"] = one(NAMES)
            return Turn(one(("I am {}.", "My name is {}.")).format(known["name"]), f"Hello, {known['name']}!")
        case "colour":
            known["colour"] = one(COLOURS)
            return Turn(one(("I like {}.", "My favourite colour is {}.")).format(known["colour"]), f"A fine colour, {known['colour']}.")
        case "count":
            known["count"], known["thing"] = str(random.randint(1, LARGEST + 1)), one(THINGS)
            return Turn("I have {count} {thing}.".format(**known), "So you have {count} {thing}.".format(**known))
        case "more" | "fewer":
            change = random.randint(1, min(9, LARGEST - have if kind == "more" else have - 1) + 1)
            known["count"] = str(have + change if kind == "more" else have - change)
            said = one(("I buy {} more.", "I find {} more.")) if kind == "more" else one(("I lose {} of them.", "I sell {} of them."))
            return Turn(said.format(change), "Then you have {count} {thing}.".format(**known))
        case "name?":
            return Turn(one(("What is my name?", "Who am I?")), _of("You are {name}.", known))
        case "colour?":
            return Turn(one(("Which colour do I like?", "What is my favourite colour?")), _of("You like {colour}.", known))
        case "count?":
            return Turn(one(("What do I have?", "How much do I have?")), _of("You have {count} {thing}.", known))
        case "spell":
            word = one(WORDS)
            return Turn(f"Spell {word}.", "-".join(word))
        case "capitals":
            word = one(WORDS)
            return Turn(f"Write {word} in capital letters.", word.upper())
        case "repeat":
            word, times = one(WORDS), one(TIMES)
            return Turn(f"Say {word} {times}.", " ".join([word] * (TIMES.index(times) + 2)))
        case _:
            two = [str(word) for word in random.permutation(WORDS)[:2]]
            longer = "Neither." if len(two[0]) == len(two[1]) else f"{max(two, key=len).capitalize()}."
            return Turn(f"Which word is longer, {two[0]} or {two[1]}?", longer)


def _of(answer: str, known: dict[str, str]) -> str:
    try:
        return answer.format(**known)
    except KeyError:
        return UNKNOWN
