"""A denoiser beside the ideal one. Oracles: the ideal denoiser itself, which is off by nothing and costs the entropy, and errors of known size."""

import itertools
import math
from types import SimpleNamespace
from typing import Any, cast

import jax.numpy as jnp
import pytest

from genjax.data.shapes.scenes import TIERS, entropy
from genjax.data.sources import open_source
from genjax.diffusion.process import Process
from genjax.diffusion.quantizer import Quantizer
from genjax.errors import UsageError
from genjax.evaluation import ideal, levels
from genjax.objectives.spaces import Pixels

PROCESS = Process("linear", "vp", -10.0, 5.0)
BEST = ideal.denoiser(TIERS["s8"], "vp")
SOURCE = open_source("shapes:s8")


class Model:
    """An objective that is its denoiser."""

    def __init__(self, denoise):
        spec = SOURCE.spec
        self.process, self.space, self._denoise = PROCESS, Pixels(spec.shape, Quantizer(spec.levels), Quantizer(spec.levels), 0.6, spec.key), denoise

    def denoiser(self, params, given):
        return self._denoise


def evaluator(objective, source=SOURCE, captioned=False):
    run = SimpleNamespace(source=source, objective=objective, captioned=captioned, config=SimpleNamespace(seed=0))
    return cast(Any, SimpleNamespace(run=run, batch_size=128))


def measure(denoise, count=256):
    return levels.measure(evaluator(Model(denoise)), {}, count)


def test_the_ideal_denoiser_is_off_by_nothing_and_costs_the_entropy():
    rows = measure(BEST, 1024)
    assert all(abs(row.above.value) < 1e-9 for row in rows)
    total = rows[-1].ideal
    assert total.stderr < 0.2 and abs(total.value - entropy(TIERS["s8"])) < 4 * total.stderr
    assert total.value == pytest.approx(sum(row.ideal.value for row in rows[:-1]))
    assert (rows[0].low, rows[-2].high) == (-10.0, 5.0) and all(a.high == b.low for a, b in itertools.pairwise(rows[:-1]))


def test_a_constant_error_costs_its_square_over_the_noise():
    """1/2 e^logsnr d shift^2, integrated over every interval."""
    shift, dims = 0.01, math.prod(SOURCE.spec.shape)
    for row in measure(lambda x, logsnr: BEST(x, logsnr) + shift):
        exact = 0.5 * dims * shift**2 * (math.exp(row.high) - math.exp(row.low)) / math.log(2)
        assert row.above.value == pytest.approx(exact, abs=max(4 * row.above.stderr, 1e-3 * exact))


def test_the_two_costs_add_up_to_that_of_the_error():
    """Equation (1) for a model that always says 0, whose cost is 1/2 e^logsnr |x0|^2: the part in common has no mean."""
    image = SOURCE.splits["eval"].rows(range(512))["image"]
    square = float(jnp.mean(jnp.sum(jnp.square(Quantizer(256).encode(image)), axis=(1, 2, 3))))
    for row in measure(lambda x, logsnr: jnp.zeros_like(x), 512)[:-1]:
        exact = 0.5 * square * (math.exp(row.high) - math.exp(row.low)) / math.log(2)
        error = math.hypot(row.above.stderr, row.ideal.stderr)
        assert row.above.value + row.ideal.value == pytest.approx(exact, abs=4 * error)


def test_lines_and_record_name_every_interval_and_their_sum():
    rows = measure(BEST, 8)
    assert len(levels.lines(rows)) == 1 + len(rows) and levels.lines(rows)[-1].split()[0] == "all"
    assert levels.record(rows)[0] == {"low": -10.0, "high": -9.0, "ideal": rows[0].ideal._asdict(), "above": rows[0].above._asdict()}


@pytest.mark.parametrize(
    "objective, source, captioned",
    [(object(), "shapes:s8", False), (Model(BEST), "digits", False), (Model(BEST), "shapes:s8", True)],
    ids=["no denoiser", "no scenes", "captions"],
)
def test_what_has_no_ideal_denoiser_is_refused(objective, source, captioned):
    with pytest.raises(UsageError, match="is known for noise_prediction in the pixels of shapes, without captions"):
        levels.measure(evaluator(objective, open_source(source), captioned), {}, 8)
