"""Names and options that do not exist are refused with the nearest that does."""

import inspect

import pytest

from genjax import registry
from genjax.decoding import speculative
from genjax.diffusion import absorbing, flow_map, grid, solvers, time_sampling, weighting
from genjax.errors import UsageError
from genjax.objectives import scans
from genjax.training import ema


def ddim(eta: registry.Fraction = 0.0, final="denoise"):
    return eta


def repaint(resamples: registry.Count = 10):
    return resamples


TABLE = {"ddim": ddim, "heun": lambda: None, "repaint": repaint}


def test_pick_and_bind():
    assert registry.pick(TABLE, "ddim", "solver")(eta=0.5) == 0.5
    assert registry.bind(TABLE, ("ddim", {"eta": 0.25}), "solver")() == 0.25


@pytest.mark.parametrize(
    "choice, says",
    [
        (("ddimm", {}), "no solver 'ddimm'.*ddim.*Known: ddim, heun, repaint"),
        (("ddim", {"etta": 1.0}), "no option 'etta'.*eta"),
        (("heun", {"eta": 1.0}), "no option 'eta'.*none"),
        (("ddim", {"final": 1.0}), "no option 'final'.*It has eta"),
        (("ddim", {"eta": -3}), "option 'eta' of the solver 'ddim' must be a number at least 0 and at most 1, not -3"),
        (("ddim", {"eta": float("nan")}), "not nan"),
        (("repaint", {"resamples": 2.5}), "a whole number at least 1, not 2.5"),
        (("repaint", {"resamples": 0}), "not 0"),
    ],
)
def test_refusals(choice, says):
    with pytest.raises(UsageError, match=says):
        registry.bind(TABLE, choice, "solver")


@pytest.mark.parametrize(
    "table",
    [
        solvers.SOLVERS,
        grid.GRIDS,
        weighting.WEIGHTINGS,
        time_sampling.DENSITIES,
        flow_map.PAIRS,
        flow_map.DISTANCES,
        absorbing.SCHEDULES,
        absorbing.ORDERS,
        speculative.DRAFTS,
        scans.SCANS,
        ema.AVERAGES,
        ema.TRACKED,
    ],
)
def test_every_number_with_a_default_says_what_it_may_be_and_the_default_is_that(table):
    for name, function in table.items():
        ranges = registry.options(function)
        for parameter in inspect.signature(function).parameters.values():
            if isinstance(parameter.default, int | float):
                assert parameter.default in ranges[parameter.name], (name, parameter.name)
