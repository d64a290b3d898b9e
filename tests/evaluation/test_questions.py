"""How often answers are right. Oracles: one who knows, one who always says what is commonest, and one who says nothing."""

from typing import Any, NamedTuple, cast

import numpy as np
import pytest

from genjax.data.base import Source
from genjax.data.sources import open_source
from genjax.evaluation import questions
from genjax.evaluation.evaluator import Drawn, Evaluator


class Run(NamedTuple):
    source: Source


class Speaker(Evaluator):
    """Instead of a model: `say` makes rows of those that are asked."""

    def __init__(self, source: Source, say):
        self.run, self.say = cast(Any, Run(source)), say

    def draw(self, params, count, *, given=None, **options):
        assert given is not None
        known = self.run.source.splits["eval"].rows(np.arange(count))
        np.testing.assert_array_equal(given["mask"], known["loss_mask"] == 0)
        end = self.run.source.spec.levels - 2
        return Drawn(np.where(given["mask"], given["tokens"], self.say(known, end)), None, 1, 1)


@pytest.mark.parametrize("name", [pytest.param("shapes_answers:s16", marks=pytest.mark.slow), "shapes_answers:s8/task=caption"])
def test_who_knows_is_right_and_who_says_the_commonest_is_as_right_as_the_baseline(name):
    source = open_source(name)
    usual = questions.commonest(source)

    def says_the_commonest(rows, end):
        tokens = np.full_like(rows["tokens"], end)
        for row, (kind, *_) in enumerate(source.questions.groups(rows)):
            words = usual[kind]
            begins = int(np.argmax(rows["loss_mask"][row] > 0))
            tokens[row, begins : begins + len(words)] = words
        return tokens

    knows, guesses, silent = (
        questions.measure(Speaker(source, say), {}, 500)
        for say in (lambda rows, end: rows["tokens"], says_the_commonest, lambda rows, end: np.full_like(rows["tokens"], end))
    )
    assert set(knows) == set(guesses) and "1 object" in knows
    for group, row in knows.items():
        assert all(share.value == 1.0 for share in row.model.values())
        assert guesses[group].model == guesses[group].commonest == row.commonest
        assert all(share.value == 0.0 for share in silent[group].model.values())
    for kind in ("count", "existence", "negated existence", "relation"):
        if kind in knows:
            assert knows[kind].commonest["right"].low < 0.5, "no answer is right more than half of the time"
    assert len(questions.lines(knows)) == len(knows["all"].model) * (1 + len(knows))
    assert set(questions.record(knows)["all"]) == {"model", "commonest"}


def test_an_answer_ends_where_the_first_end_is():
    tokens = np.array([[5, 6, 1, 2, 9, 9], [5, 1, 2, 3, 4, 0]])
    supervised = np.array([[0, 0, 1, 1, 1, 1], [0, 1, 1, 1, 1, 0]], bool)
    found = questions.said(tokens, supervised, 9)
    assert [row.tolist() for row in found] == [[1, 2], [1, 2, 3, 4]]
