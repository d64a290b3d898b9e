"""Talks that are made up: every answer is worked out again from what was said before, by one who only reads."""

import re

import pytest

from genjax.data.talks import COUNT, TURNS, UNKNOWN, read_talks
from genjax.errors import UsageError


@pytest.fixture(scope="module")
def talks():
    return read_talks("")


class Listener:
    """Answers prompts by their words, and remembers what it is told."""

    def __init__(self):
        self.name = self.colour = self.count = self.thing = None

    def __call__(self, prompt):
        for pattern, answer in RULES.items():
            if found := re.fullmatch(pattern, prompt):
                return answer(self, *found.groups())
        raise AssertionError(prompt)

    def called(self, name):
        self.name = name
        return f"Hello, {name}!"

    def likes(self, colour):
        self.colour = colour
        return f"A fine colour, {colour}."

    def has(self, count, thing):
        self.count, self.thing = int(count), thing
        return f"So you have {count} {thing}."

    def changed(self, by):
        self.count += by
        assert 1 <= self.count <= 30
        return f"Then you have {self.count} {self.thing}."


RULES = {
    r"(?:I am|My name is) (\w+)\.": Listener.called,
    r"(?:I like|My favourite colour is) (\w+)\.": Listener.likes,
    r"I have (\d+) (\w+)\.": Listener.has,
    r"I (?:buy|find) (\d) more\.": lambda self, by: self.changed(int(by)),
    r"I (?:lose|sell) (\d) of them\.": lambda self, by: self.changed(-int(by)),
    r"What is my name\?|Who am I\?": lambda self: f"You are {self.name}." if self.name else UNKNOWN,
    r"Which colour do I like\?|What is my favourite colour\?": lambda self: f"You like {self.colour}." if self.colour else UNKNOWN,
    r"What do I have\?|How much do I have\?": lambda self: f"You have {self.count} {self.thing}." if self.thing else UNKNOWN,
    r"Spell (\w+)\.": lambda self, word: "-".join(word),
    r"Write (\w+) in capital letters\.": lambda self, word: word.upper(),
    r"Say (\w+) (twice|three times|four times)\.": lambda self, word, times: " ".join([word] * {"tw": 2, "th": 3, "fo": 4}[times[:2]]),
    r"Which word is longer, (\w+) or (\w+)\?": lambda self, a, b: {-1: f"{b.capitalize()}.", 0: "Neither.", 1: f"{a.capitalize()}."}[
        (len(a) > len(b)) - (len(a) < len(b))
    ],
}


def test_every_answer_follows_from_what_was_said(talks):
    for split in talks:
        for talk in split:
            listener = Listener()
            assert [answer for _, answer in talk] == [listener(prompt) for prompt, _ in talk]


def test_a_talk_is_of_several_turns_that_must_be_remembered(talks):
    lengths = {len(talk) for talk in talks.train}
    assert lengths == set(range(*TURNS))
    answers = [answer for talk in talks.train for _, answer in talk]
    unknown = sum(answer == UNKNOWN for answer in answers) / sum(answer.startswith(("You are", "You like", "You have ")) for answer in answers)
    assert 0.2 < unknown < 0.8, "what was told is asked for as well as what was not"


def test_no_talk_is_in_both_splits(talks):
    train, held_out = ({tuple(prompt for prompt, _ in talk) for talk in split} for split in talks)
    assert not train & held_out
    assert len(talks.train) + len(talks.eval) == COUNT and 0.08 < len(talks.eval) / COUNT < 0.12


def test_they_are_always_the_same_and_take_no_argument(talks):
    assert read_talks("") == talks
    with pytest.raises(UsageError, match="takes no argument"):
        read_talks("3")
