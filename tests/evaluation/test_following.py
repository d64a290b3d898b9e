"""Whether what was drawn follows its prompt. Oracles: drawers that are known, one that listens and one that draws the next prompt's scene."""

from typing import Any, NamedTuple, cast

import numpy as np
import pytest

from genjax.data.base import Source
from genjax.data.sources import open_source
from genjax.evaluation import following
from genjax.evaluation.evaluator import Drawn, Evaluator


class Run(NamedTuple):
    source: Source


class Drawer(Evaluator):
    """Instead of a model: the held-out scenes themselves, `turn` places later."""

    def __init__(self, source: Source, turn: int):
        self.run, self.turn = cast(Any, Run(source)), turn

    def draw(self, params, count, **options):
        rows = self.run.source.splits["eval"].rows(np.arange(count))
        return Drawn(np.roll(rows[self.run.source.spec.key], self.turn, axis=0), None, 1, 1)


@pytest.mark.parametrize("name", [pytest.param("shapes:s16/p_neg=0.6", marks=pytest.mark.slow), "shapes_codes:s16/p_neg=0.6"])
def test_who_listens_follows_and_who_does_not_follows_by_chance(name):
    source = open_source(name)
    listens, deaf = (following.measure(Drawer(source, turn), {}, 400) for turn in (0, -1))
    assert listens.errors == {"none": 400}
    assert sum(deaf.errors.values()) == 400
    assert sum(row.follow.count for category, row in listens.rows.items() if category != following.ALL) == 400
    for category, row in listens.rows.items():
        assert row.follow.value == row.strict.value == 1.0
        other = deaf.rows[category]
        assert other.follow == other.by_chance == row.by_chance
        assert other.strict == other.follow, "a scene of another prompt is still a scene"
    assert 0.1 < deaf.rows[following.ALL].follow.value < 0.6
    assert deaf.rows["negation"].follow.value > deaf.rows["relation"].follow.value + 0.3, "most scenes show no triangle anyway"
    assert len(following.lines(listens)) == len(listens.rows) + 2
