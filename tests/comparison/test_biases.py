"""The measure of bias: nothing where the samples are exact, the known divergence where they are not."""

import json

import numpy as np
import pytest

from genjax.comparison import biases
from genjax.config import REPOSITORY

N = 40_000
LOG_NORMAL = -0.5 * biases.AXIS**2


def measured(samples):
    return {row["metric"]: row for row in biases.compare("a", samples, LOG_NORMAL, 0)}


def test_exact_samples_show_no_bias_and_exact_moments():
    found = measured(np.random.default_rng(0).standard_normal(N))
    assert (found["exact_mean"]["value"], found["exact_std"]["value"]) == (pytest.approx(0, abs=1e-9), pytest.approx(1, abs=1e-6))
    for what in ("mean", "std", "kl"):
        assert abs(found[what]["value"] - found[f"exact_{what}"]["value"]) < 4 * found[what]["stderr"], what
    assert found["mean"]["stderr"] == pytest.approx(N**-0.5, rel=0.02)
    assert found["std"]["stderr"] == pytest.approx((2 * N) ** -0.5, rel=0.03)
    assert found["kl"]["stderr"] < 1e-3


def test_the_divergence_of_a_shifted_normal_is_half_the_squared_shift():
    """A little less, as bins know less than values."""
    found = measured(np.random.default_rng(0).standard_normal(N) + 0.3)
    assert 0.9 * 0.045 < found["kl"]["value"] < 0.045 + 4 * found["kl"]["stderr"]


def test_the_standard_error_of_the_divergence_is_what_repetitions_show():
    values = [measured(np.random.default_rng(seed).standard_normal(2000) + 0.2)["kl"] for seed in range(100)]
    assert np.std([v["value"] for v in values]) == pytest.approx(np.mean([v["stderr"] for v in values]), rel=0.25)


def test_the_control_of_guidance_is_exact_and_the_record_is_of_these_cases():
    cases = list(biases.cases())
    found = {row["metric"]: row["value"] for row in biases.measure(cases[0], 512, 32)}
    assert abs(found["mean"] - 1.0) < 4 * 0.5 / 512**0.5 and found["exact_mean"] == pytest.approx(1.0, abs=1e-6)
    record = json.loads((REPOSITORY / "results" / "diffusion_biases.json").read_text())
    assert list(dict.fromkeys(row["arm"] for row in record["metrics"])) == [case.name for case in cases]
