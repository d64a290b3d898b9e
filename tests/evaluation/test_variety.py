"""How varied scenes are. Oracle: the held-out scenes themselves, which are independent draws, and samples that are known to be poor."""

from typing import Any, NamedTuple, cast

import numpy as np
import pytest

from genjax.data.base import Source
from genjax.data.shapes import scenes
from genjax.data.sources import open_source
from genjax.errors import UsageError
from genjax.evaluation import variety
from genjax.evaluation.evaluator import Drawn, Evaluator

COUNT = 1000


class Run(NamedTuple):
    source: Source


class Painter(Evaluator):
    """Instead of a model: held-out scenes, changed by `paint`."""

    def __init__(self, name, paint=lambda data: data):
        self.run, self.paint = cast(Any, Run(open_source(name))), paint

    def draw(self, params, count, **options):
        source = self.run.source
        return Drawn(self.paint(source.splits["eval"].rows(np.arange(count))[source.spec.key].copy()), None, 1, 1)


@pytest.mark.parametrize("name", ["shapes:s8", "shapes_codes:s8"])
def test_independent_draws_are_as_varied_as_independent_draws(name):
    found = variety.measure(Painter(name), {}, COUNT)
    assert found.valid.value == 1.0
    (kinds, expected_kinds), (pairs, expected_pairs) = found.kinds, found.pairs
    assert abs(kinds - expected_kinds) < 5 * np.sqrt(expected_kinds)
    # Half of all scenes are empty, on two backgrounds: sum of p^2 is 2 / 16 + 448 / 896^2.
    assert expected_pairs == pytest.approx(COUNT * (COUNT - 1) / 2 * (2 / 16 + 448 / 896**2), rel=1e-12)
    assert abs(pairs - expected_pairs) < 0.15 * expected_pairs
    assert found.bits[0] == pytest.approx(found.bits[1], abs=0.06)


def test_one_scene_again_and_again_is_no_variety():
    found = variety.measure(Painter("shapes_codes:s8", lambda data: np.repeat(data[:1], len(data), axis=0)), {}, COUNT)
    assert found.kinds[0] == 1 and found.pairs[0] == COUNT * (COUNT - 1) / 2 and found.bits[0] > 1


def test_what_is_no_scene_is_counted_and_left_out():
    def spoil(data):
        data[::4] = np.random.default_rng(0).integers(0, 256, data[::4].shape)
        return data

    found = variety.measure(Painter("shapes:s8", spoil), {}, COUNT)
    assert found.valid.value == 0.75
    assert found.pairs[1] == pytest.approx(750 * 749 / 2 * (2 / 16 + 448 / 896**2), rel=1e-12)
    with pytest.raises(UsageError, match="train longer"):
        variety.measure(Painter("shapes:s8", lambda data: np.random.default_rng(0).integers(0, 256, data.shape)), {}, 40)


def test_scenes_that_cannot_be_listed_are_refused():
    for name in ("shapes:s16", "digits"):
        with pytest.raises(UsageError, match="--variety: scenes are listed of shapes:s8"):
            variety.measure(Painter(name), {}, 10)


def test_probabilities_add_up_to_one():
    tier = scenes.TIERS["s8"]
    assert (2.0 ** -scenes.bits(tier, scenes.enumerate_all(tier).k)).sum() == pytest.approx(1.0, rel=1e-12)
