"""Ideal models: their bound is the entropy, what it costs to cut the noise short is as predicted, and the samplers show their known bias."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import rng
from genjax.data.shapes import scenes
from genjax.data.shapes.scenes import TIERS
from genjax.evaluation import ideal

S8, S16 = TIERS["s8"], TIERS["s16"]
FULL, SHORT = ideal.bound_process(5.0), ideal.bound_process(2.0)  # gamma_min = -2


def numbers_and_keys(tier, rows, seed=0):
    drawn = scenes.sample(tier, rows, seed)
    return scenes.palette_numbers(tier, drawn).astype(np.int32), rng.rows(rng.stream(seed, "bound"), jnp.arange(rows)), scenes.bits(tier, drawn.k)


def mean_and_error(values):
    return float(np.mean(values)), float(np.std(values) / math.sqrt(len(values)))


def excess_bits(tier, process, rows, times):
    """The bound less the exact bits, scene by scene, and its standard error."""
    numbers, keys, exact = numbers_and_keys(tier, rows)
    found = jax.jit(partial(ideal.bound, tier, process, times=times))(numbers, keys)
    return mean_and_error(np.asarray(found.nats) / math.log(2) - exact)


@pytest.mark.parametrize(
    "tier, rows, times, error", [pytest.param(S8, 450, 32, 0.2, id="s8"), pytest.param(S16, 128, 32, 1.0, id="s16", marks=pytest.mark.slow)]
)
def test_the_bound_of_the_ideal_denoiser_is_the_entropy(tier, rows, times, error):
    excess, stderr = excess_bits(tier, FULL, rows, times)
    assert stderr < error
    assert abs(excess) < 4 * stderr


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("tier, rows", [(S8, 8000), (S16, 4000)], ids=["s8", "s16"])
def test_the_bound_of_the_ideal_denoiser_is_the_entropy_to_a_fifth_of_a_bit(tier, rows):
    excess, stderr = excess_bits(tier, FULL, rows, 64)
    assert stderr < 0.2
    assert abs(excess) < 3.5 * stderr


@pytest.mark.parametrize("tier, bits", [pytest.param(S8, 30, id="s8"), pytest.param(S16, 120, id="s16", marks=pytest.mark.slow)])
def test_cutting_the_noise_short_costs_what_the_decoder_does_not_know(tier, bits):
    """gamma_min = -2: the two parts of the predicted excess, from the exact density, against the bound itself. It is 30 bits on S8, as the
    specification says, and four times that on S16, which has four times the pixels.
    """
    numbers, keys, _ = numbers_and_keys(tier, 256)
    ends = [np.asarray(part) / math.log(2) for part in jax.jit(partial(ideal.bound_excess, tier, SHORT))(numbers, keys)]
    (noise_end, noise_error), (data_end, data_error) = map(mean_and_error, ends)
    excess, stderr = excess_bits(tier, SHORT, 128, 32)
    assert abs(noise_end) < max(0.1, 4 * noise_error)
    assert data_end == pytest.approx(bits, abs=4 * data_error + 0.05 * bits)
    assert excess == pytest.approx(noise_end + data_end, abs=4 * math.hypot(stderr, noise_error, data_error))


def test_with_enough_signal_at_the_data_end_nothing_is_lost():
    numbers, keys, _ = numbers_and_keys(S16, 64)
    with jax.enable_x64(True):  # at log-SNR 5 the densities are sums of thousands that cancel
        noise_end, data_end = (np.asarray(part) / math.log(2) for part in jax.jit(partial(ideal.bound_excess, S16, FULL))(numbers, keys))
    assert abs(data_end.mean()) < 0.01
    assert abs(noise_end.mean()) < 0.1 + 4 * noise_end.std() / 8


@pytest.mark.slow
def test_few_steps_of_a_perfect_model_are_valid_and_wrong():
    """The specification's rows for one and for 8 evaluations, n = 256: nothing drawn in one; too few objects by ancestral sampling."""
    one = ideal.run(S16, "ddim", 1, 256)
    assert one.count == pytest.approx(0, abs=0.02) and one.total_variation == pytest.approx(0.8, abs=0.02)
    ddpm = ideal.run(S16, "ddpm", 8, 256)
    assert ddpm.valid > 0.98
    assert ddpm.count == pytest.approx(0.92, abs=0.3)


@pytest.mark.slow
def test_ddim_comes_sooner_to_the_right_number_of_objects():
    found = [ideal.run(S16, "ddim", steps, 512) for steps in (8, 16, 32)]
    np.testing.assert_allclose([each.count for each in found], [1.64, 1.90, 1.95], atol=4 * math.sqrt(2 / 512))
    assert min(each.valid for each in found) > 0.99


@pytest.mark.slow
def test_one_code_at_a_time_is_exact_and_eight_are_not():
    one, eight = ideal.run(S16, "masked_parallel", 64, 256), ideal.run(S16, "masked_parallel", 8, 256)
    assert one.valid == 1.0 and one.count == pytest.approx(2, abs=4 * math.sqrt(2 / 256))
    assert eight.valid < 0.05


def test_true_scenes_are_judged_as_such():
    numbers = jnp.asarray(scenes.palette_numbers(S16, scenes.sample(S16, 2000)).astype(np.int32))
    found = ideal.judge(S16, numbers)
    assert found.valid == 1.0
    assert found.count == pytest.approx(2, abs=4 * math.sqrt(2 / 2000))
    assert found.total_variation < 0.04


def test_the_palette_decodes_what_it_encodes():
    numbers = jnp.arange(9).reshape(1, 3, 3)
    np.testing.assert_array_equal(ideal.PALETTE.decode(ideal.PALETTE.encode(numbers)), numbers)
    spread = ideal.PALETTE.log_prob(jnp.zeros((1, 1, 1), int), jnp.zeros((1, 1, 1, 3)), jnp.asarray(1e4))
    assert float(spread[0, 0, 0]) == pytest.approx(-math.log(9), abs=1e-6)
    with jax.enable_x64(True):
        log_prob = jax.jit(ideal.PALETTE.log_prob)
        mean = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 3, 3)))
        every = sum(np.exp(log_prob(jnp.full((2, 3, 3), k), mean, jnp.asarray(0.7))) for k in range(9))
        np.testing.assert_allclose(every, 1, atol=1e-12)
