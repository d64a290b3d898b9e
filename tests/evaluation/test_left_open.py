"""Variety in what a caption leaves open. Oracles: scenes drawn from the posterior itself, one scene again and again, and log2 of 14."""

from types import SimpleNamespace

import numpy as np
import pytest

from genjax.data.shapes import scenes
from genjax.data.sources import open_source
from genjax.errors import UsageError
from genjax.evaluation import left_open

EACH = 400


@pytest.fixture(scope="module", params=["shapes:s8", "shapes_codes:s8"])
def source(request):
    return open_source(request.param)


def evaluator_of(source, choose):
    """A model that draws scene `choose(shape, n)` [n] of those with one object of the shape asked for."""
    every = scenes.enumerate_all(scenes.TIERS["s8"])
    shown = source.prompts.facts(left_open._data(source.prompts, every))

    def draw(params, count, given):
        drawn = np.zeros(count, int)
        for number, name in enumerate(scenes.SHAPE_NAMES):
            here = (given["caption"] == source.prompts.encode(f"a {name}")).all(axis=1)
            possible = np.flatnonzero(np.asarray(shown.shape)[:, 0] == number)
            drawn[here] = possible[choose(len(possible), here.sum())]
        return SimpleNamespace(data=left_open._data(source.prompts, scenes.Scenes(every.background[drawn], every.contents[drawn])))

    return SimpleNamespace(run=SimpleNamespace(source=source, captioned=True), draw=draw)


def test_a_caption_of_a_shape_leaves_seven_colours_and_two_backgrounds_open(source):
    for name in scenes.SHAPE_NAMES:
        assert left_open.true_entropy(source.prompts, name) == pytest.approx(np.log2(14), abs=1e-9)


def test_who_draws_from_the_posterior_is_as_varied_as_it(source):
    """Give or take the error of an entropy of 400 draws from 14 kinds, and what Miller's correction leaves."""
    random = np.random.default_rng(0)
    excess = left_open.excess_entropy(evaluator_of(source, lambda kinds, n: random.integers(kinds, size=n)), None, EACH)
    assert excess.shape == (8,) and np.abs(excess).max() < 0.05


def test_who_repeats_one_scene_has_no_variety(source):
    excess = left_open.excess_entropy(evaluator_of(source, lambda kinds, n: np.zeros(n, int)), None, 20)
    np.testing.assert_allclose(excess, -np.log2(14))


def test_a_pixel_that_is_wrong_changes_no_reading(source):
    """Half of the pictures have a spoilt corner: they are no shapes any more, and as varied as before."""
    random = np.random.default_rng(1)
    right = evaluator_of(source, lambda kinds, n: random.integers(kinds, size=n))

    def draw(params, count, given):
        data = right.draw(params, count, given).data
        data[::2, 0, 0] = data[1::2, 0, 0]
        return SimpleNamespace(data=data)

    excess = left_open.excess_entropy(SimpleNamespace(run=right.run, draw=draw), None, EACH)
    assert np.abs(excess).max() < 0.08


def test_larger_scenes_are_refused():
    run = SimpleNamespace(source=open_source("shapes:s16"), captioned=True)
    with pytest.raises(UsageError, match="scenes of one cell"):
        left_open.check(run)
