"""What is drawn in a hidden cell. Oracles: the scenes themselves, which are exact draws of the posterior, and fill-ins that are known to be wrong."""

from typing import Any, NamedTuple, cast

import numpy as np
import pytest

from genjax.data.base import Source
from genjax.data.shapes import posterior, scenes
from genjax.data.sources import open_source
from genjax.errors import UsageError
from genjax.evaluation import hidden_cell
from genjax.evaluation.evaluator import Drawn, Evaluator

COUNT, CELL = 1500, 2


class Run(NamedTuple):
    source: Source
    captioned: bool = False


class Painter(Evaluator):
    """Instead of a model: `paint` changes the held-out data."""

    def __init__(self, source: Source, paint):
        self.run, self.paint = cast(Any, Run(source)), paint

    def draw(self, params, count, *, given=None, **options):
        assert given is not None
        key = self.run.source.spec.key
        return Drawn(self.paint(given[key].copy(), ~given["mask"]), None, 1, 1)


def found(name, paint):
    return hidden_cell.measure(Painter(open_source(name), paint), {}, COUNT, CELL)


def test_a_model_that_is_told_of_its_scenes_is_refused():
    painter = Painter(open_source("shapes:s16"), lambda data, hidden: data)
    painter.run = cast(Any, Run(painter.run.source, captioned=True))
    with pytest.raises(UsageError, match="of which nothing is told"):
        hidden_cell.measure(painter, {}, COUNT, CELL)


@pytest.mark.parametrize("name", [pytest.param("shapes:s16", marks=pytest.mark.slow), "shapes_codes:s16"])
def test_the_scenes_themselves_are_draws_of_the_posterior(name):
    right = found(name, lambda data, hidden: data)
    assert right.kept.value == right.valid.value == 1.0
    values = {"occupied": 4 * 2, "shape": 8, "colour": 7, "offset": 4}
    for part, size in values.items():  # chi-squared of size degrees of freedom over 2 N ln 2, at most so much
        assert right.bits[part] < (size + 6 * np.sqrt(2 * size)) / (2 * (COUNT / 2 if part != "occupied" else COUNT) * np.log(2))
        assert right.exact[part] < (size + 6 * np.sqrt(2 * size)) / (2 * (COUNT / 2 if part != "occupied" else COUNT) * np.log(2))


def test_an_empty_cell_costs_the_bits_of_its_being_empty():
    """KL of one certain value is -log2 of its probability: the mean over scenes of -log2 P(empty | the others)."""

    def clear(data, hidden):
        background = data[:, 0, 0]
        return np.where(hidden, background[:, None, None], data)

    found_empty = found("shapes:s16", clear)
    rows = open_source("shapes:s16").splits["eval"].scenes(np.arange(COUNT))
    expected = -np.log2(posterior.hidden_cell(scenes.TIERS["s16"], rows, CELL)[:, 0]).mean()
    assert found_empty.bits["occupied"] == pytest.approx(expected, rel=1e-9)
    assert found_empty.valid.value == found_empty.kept.value == 1.0


def test_one_shape_always_costs_three_bits_and_noise_is_no_object():
    square = scenes.palette_numbers(scenes.TIERS["s8"], scenes.Scenes(np.zeros(1, int), np.array([[int(scenes.content(0, 2, 0))]])))[0]

    def stamp(data, hidden):
        background = data[:, 0, 0]
        cell = np.where((square == 0)[None, ..., None], background[:, None, None], scenes.PALETTE[square][None])
        data[:, 8:, :8] = cell
        return data

    stamped = found("shapes:s16", stamp)  # occupied every time
    assert stamped.bits["shape"] == pytest.approx(3.0) and stamped.bits["colour"] == pytest.approx(np.log2(7))
    assert stamped.bits["offset"] == pytest.approx(2.0)
    random = np.random.default_rng(0)
    noisy = found("shapes:s16", lambda data, hidden: np.where(hidden, random.integers(0, 256, data.shape), data))
    assert noisy.valid.value == 0.0 and noisy.kept.value == 1.0


def test_the_parts_of_a_cell_that_is_seldom_occupied_count_as_seldom():
    """Oracle: all contents as one distribution. In every fourth scene of one number of objects a red square in one place, in the others nothing."""
    tier, count = scenes.TIERS["s16"], 400
    rows = scenes.Scenes(np.zeros(count, int), np.tile([1, 1, 0, 0], (count, 1)))  # one object beside the hidden cell 2
    contents = np.where(np.arange(count) % 4 == 0, int(scenes.content(0, 0, 0)), 0)
    chance = posterior.hidden_cell(tier, rows, 2)[0]
    p = np.concatenate([chance[:1], np.full(224, (1 - chance[0]) / 224)])
    np.testing.assert_allclose(chance, p, rtol=1e-12)
    whole = hidden_cell.divergence(np.bincount(contents, minlength=225), p)
    assert sum(hidden_cell.divergences(tier, rows, 2, contents).values()) == pytest.approx(whole, rel=1e-12)


def test_what_changes_around_the_cell_is_seen():
    assert found("shapes_codes:s16", lambda data, hidden: np.where(hidden, data, 0)).kept.value < 0.5


@pytest.mark.parametrize("name, cell, told", [("shapes:s16", 4, "0 to 3"), ("digits", 0, "known of scenes of shapes")])
def test_a_cell_that_is_none_is_refused(name, cell, told):
    with pytest.raises(UsageError, match=told):
        hidden_cell.measure(Painter(open_source(name), lambda data, hidden: data), {}, 10, cell)
