"""Word problems of a few steps, made up and written as GSM8K's are (arXiv:2110.14168): the answer calculates step by step and ends in its number.

    Mia has 3 bags of 4 nuts. She finds 12 more. Then she loses 5. How many nuts does Mia have now?

    Mia has 3*4=<<3*4=12>>12 nuts.
    Then it is 12+12=<<12+12=24>>24 nuts.
    Then it is 24-5=<<24-5=19>>19 nuts.
    #### 19

A problem is a name, a thing and a calculation, "3*4+12-5"; all numbers on the way are in [1, 99]. A tenth of the
calculations is held out, so that none of them is in both splits, whatever it is told of. The problems are always the same.
"""

from __future__ import annotations

import numpy as np

from genjax.data.base import Turn
from genjax.data.pairs import Dialogues, apart
from genjax.errors import UsageError

COUNT = 12_000
LARGEST = 99

_SEED = 20261122
_STEPS = (1, 2, 3)  # after the first
_NAMES = {"Mia": "She", "Ben": "He", "Zoe": "She", "Tom": "He", "Ida": "She", "Max": "He", "Eva": "She", "Leo": "He"}
_THINGS = ("nuts", "pens", "cards", "coins", "apples", "shells", "stamps", "books")
_HOLDERS = ("bags", "boxes", "rows", "piles")
_CHANGES = {"+": ("finds", "buys", "gets"), "-": ("loses", "sells", "gives away")}


def read_sums(argument: str, held_out: str | None = None) -> Dialogues:
    """`sums`: questions, and answers that calculate."""
    if argument:
        raise UsageError(f"data source 'sums:{argument}': it takes no argument, write 'sums'")
    random = np.random.RandomState(_SEED)
    problems = (_problem(random) for _ in range(COUNT))
    return apart((calculation, (turn,)) for calculation, turn in problems)


def _problem(random: np.random.RandomState) -> tuple[str, Turn]:
    """A calculation, and what is asked and answered."""

    def one(of):
        return of[random.randint(len(of))]

    name, thing = one(list(_NAMES)), one(_THINGS)
    a, b = random.randint(2, 10, size=2)
    total = a * b
    asked = [f"{name} has {a} {one(_HOLDERS)} of {b} {thing}."]
    told = [f"{name} has {_step(a, '*', b, total)} {thing}."]
    calculation = f"{a}*{b}"
    for number in range(one(_STEPS)):
        sign = one("+-")
        room = LARGEST - total if sign == "+" else total - 1
        if not room:
            sign, room = "+-".replace(sign, ""), LARGEST - 1
        change = random.randint(1, min(room, 20) + 1)
        before, total = total, total + change if sign == "+" else total - change
        asked.append(f"{f'Then {_NAMES[name].lower()}' if number else _NAMES[name]} {one(_CHANGES[sign])} {change}{' more' * (sign == '+')}.")
        told.append(f"Then it is {_step(before, sign, change, total)} {thing}.")
        calculation += f"{sign}{change}"
    asked.append(f"How many {thing} does {name} have now?")
    return calculation, Turn(" ".join(asked), "\n".join([*told, f"#### {total}"]))


def _step(a: int, sign: str, b: int, result: int) -> str:
    return f"{a}{sign}{b}=<<{a}{sign}{b}={result}>>{result}"
