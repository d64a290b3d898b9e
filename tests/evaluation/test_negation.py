"""Whether what is forbidden is shown. Oracles: one who draws scenes without listening, and one who draws nothing."""

from typing import Any, NamedTuple, cast

import numpy as np
import pytest

from genjax.data.base import Source
from genjax.data.shapes import scenes
from genjax.data.sources import open_source
from genjax.errors import UsageError
from genjax.evaluation import negation
from genjax.evaluation.evaluator import Drawn, Evaluator

COUNT = 2000


class Run(NamedTuple):
    source: Source
    captioned: bool


class Painter(Evaluator):
    """Instead of a model: scenes that nobody asked for."""

    def __init__(self, drawn, captioned=True):
        self.run, self.drawn = cast(Any, Run(open_source("shapes_codes:s16"), captioned)), drawn

    def draw(self, params, count, *, given=None, **options):
        assert given is not None and given["caption"].shape == (count, 24)
        return Drawn(scenes.codes(scenes.TIERS["s16"], self.drawn(count)).astype(np.int32), None, 1, 1)


def test_who_does_not_listen_shows_it_as_often_as_the_data():
    table = negation.measure(Painter(lambda count: scenes.sample(scenes.TIERS["s16"], count, seed=5)), {}, COUNT)
    for row in table.values():
        assert abs(row.shown.value - row.neutral) < 5 * np.sqrt(row.neutral * (1 - row.neutral) / COUNT)
        assert row.efficacy == pytest.approx(1 - row.shown.value / row.neutral)
    assert len(negation.lines(table)) == 1 + len(table) == 1 + len(negation.record(table))


class Scribbler(Painter):
    """One who draws nothing, and every other time nothing that there is."""

    def draw(self, params, count, *, given=None, **options):
        codes = super().draw(params, count, given=given).data
        codes[::2] = np.random.default_rng(0).integers(0, len(scenes.CODE_BOOK), codes[::2].shape)
        return Drawn(codes, None, 1, 1)


@pytest.mark.slow
def test_what_cannot_be_read_shows_nothing_and_is_counted():
    nothing = lambda count: scenes.Scenes(np.zeros(count, int), np.zeros((count, 4), int))
    for row in negation.measure(Scribbler(nothing), {}, 200).values():
        assert row.valid.value == 0.5 and row.shown.count == 100
        assert row.shown.value == 0 and row.efficacy == 1


@pytest.mark.slow
def test_who_draws_nothing_obeys():
    table = negation.measure(Painter(lambda count: scenes.Scenes(np.zeros(count, int), np.zeros((count, 4), int))), {}, 200)
    assert all(row.shown.value == 0 and row.efficacy == 1 for row in table.values())


def test_who_is_told_nothing_is_not_asked():
    with pytest.raises(UsageError, match="train on them"):
        negation.measure(Painter(None, captioned=False), {}, 10)
