"""Reports of who went where with what, made up, and their summaries: `reports`, documents that one sentence a person is left of.

    Mia went to the park. Mia found a kite. It rained. Ben drove to the office. Then Mia went to the harbour. Ben whistled.

    Mia is in the harbour with a kite. Ben is in the office.

A summary says of everybody, in the order in which they come up, where they are in the end and what they have; what they did before, and what is
beside the point, is left out. A tenth of the reports is held out. They are always the same.
"""

from __future__ import annotations

import numpy as np

from genjax.data.base import Turn
from genjax.data.pairs import Dialogues, apart
from genjax.errors import UsageError

COUNT = 12_000
PEOPLE = ("Mia", "Ben", "Zoe", "Tom", "Ida", "Max", "Eva", "Leo")
PLACES = ("park", "office", "harbour", "kitchen", "garden", "station", "museum", "market")
THINGS = ("kite", "book", "map", "lamp", "drum", "rope", "ball", "coat")
MOVES = ("went to", "drove to", "walked to", "came to")
GAINS = ("found", "bought", "borrowed")
LOSSES = ("lost", "sold", "returned")
ASIDES = ("whistled", "was tired", "laughed", "sat down")
WEATHER = ("It rained.", "The sun came out.", "A dog barked.", "The wind blew.")

_SEED = 20261123
_LENGTHS = (3, 9)  # events after everybody's first


def read_reports(argument: str, held_out: str | None = None) -> Dialogues:
    """`reports`: reports, and their summaries."""
    if argument:
        raise UsageError(f"data source 'reports:{argument}': it takes no argument, write 'reports'")
    random = np.random.RandomState(_SEED)
    return apart((turn.prompt, (turn,)) for turn in (_report(random) for _ in range(COUNT)))


def _report(random: np.random.RandomState) -> Turn:
    def one(of):
        return of[random.randint(len(of))]

    people = [str(name) for name in random.permutation(PEOPLE)[: random.randint(1, 4)]]
    where, has, told = {}, {}, []
    for number in range(len(people) + random.randint(*_LENGTHS)):
        who = people[number] if number < len(people) else one(people)
        what = one(("move", "move", "thing", "aside", "weather")) if number >= len(people) else "move"
        if what == "weather":
            told.append(one(WEATHER))
        elif what == "aside":
            told.append(f"{who} {one(ASIDES)}.")
        elif what == "thing" and who in has:
            told.append(f"{who} {one(LOSSES)} the {has.pop(who)}.")
        elif what == "thing":
            has[who] = one(THINGS)
            told.append(f"{who} {one(GAINS)} a {has[who]}.")
        else:
            then = "Then " if who in where else ""
            where[who] = one([place for place in PLACES if place != where.get(who)])
            told.append(f"{then}{who} {one(MOVES)} the {where[who]}.")
    left = [f"{who} is in the {where[who]}{f' with a {has[who]}' if who in has else ''}." for who in people]
    return Turn(" ".join(told), " ".join(left))
