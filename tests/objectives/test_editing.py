"""Editing and filming through the objectives: what is kept is kept, to the level, by both families."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import rng
from genjax.errors import UsageError
from tests.helpers import IMAGES, build, fresh_params, make_batch, random_params

KEY = rng.stream(0, "sample")
BATCH = make_batch(IMAGES, 6)
REQUEST = {"id": BATCH["id"], "label": BATCH["label"]}
MASK = np.zeros((6, 4, 4, 1), bool)
MASK[:, :2] = True


def drawn(objective, request):
    params = random_params(objective.init)
    return np.asarray(jax.jit(objective.sample)(params, request, KEY).data)


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"noise_prediction__inpaint": "repaint(resamples=3)"},
        {"noise_prediction__solver": "heun"},
        {"noise_prediction__inpaint": "dps(scale=0.5)", "noise_prediction__solver": "dpmpp_2m"},
    ],
    ids=str,
)
def test_inpainting_by_noise_prediction_keeps_the_known_part_and_draws_the_rest(overrides):
    objective = build("noise_prediction", IMAGES, **overrides)
    edited = drawn(objective, REQUEST | {"image": BATCH["image"], "mask": MASK})
    np.testing.assert_array_equal(edited[MASK], BATCH["image"][MASK])
    assert (edited[~MASK] != BATCH["image"][~MASK]).any()


def test_inpainting_by_next_token_keeps_the_known_part_and_is_teacher_forcing_where_all_is_known():
    objective = build("next_token", IMAGES)
    edited = drawn(objective, REQUEST | {"image": BATCH["image"], "mask": MASK})
    np.testing.assert_array_equal(edited[MASK], BATCH["image"][MASK])
    everything = drawn(objective, REQUEST | {"image": BATCH["image"], "mask": np.ones_like(MASK)})
    np.testing.assert_array_equal(everything, BATCH["image"])


@pytest.mark.parametrize("name", ["next_token", "noise_prediction"])
def test_with_nothing_known_inpainting_is_sampling(name):
    objective = build(name, IMAGES)
    free = drawn(objective, REQUEST | {"image": BATCH["image"], "mask": np.zeros_like(MASK)})
    if name == "next_token":  # the same draws; repaint's noise has numbers of its own
        np.testing.assert_array_equal(free, drawn(objective, REQUEST))
    assert free.min() >= 0 and free.max() < IMAGES.levels


def test_what_is_drawn_does_not_see_what_was_there_before():
    """The values under the mask are no input: another image with the same known part gives the same result."""
    other = np.where(MASK, BATCH["image"], (BATCH["image"] + 1) % IMAGES.levels)
    for name in ("next_token", "noise_prediction"):
        objective = build(name, IMAGES)
        first, second = (drawn(objective, REQUEST | {"image": image, "mask": MASK}) for image in (BATCH["image"], other))
        np.testing.assert_array_equal(first, second)


def test_sdedit_near_the_data_returns_the_image_and_near_the_noise_does_not():
    """At log-SNR 8.9 of 9 the noise is a tenth of half a level, so that even an untrained denoiser cannot leave the image."""
    near = build("noise_prediction", IMAGES, noise_prediction__edit_logsnr=8.9)
    kept = np.asarray(jax.jit(near.sample)(fresh_params(near), REQUEST | {"image": BATCH["image"]}, KEY).data)
    np.testing.assert_array_equal(kept, BATCH["image"])
    far = build("noise_prediction", IMAGES, noise_prediction__edit_logsnr=-8.0)
    assert (drawn(far, REQUEST | {"image": BATCH["image"]}) != BATCH["image"]).mean() > 0.3


def test_what_cannot_be_edited_is_said():
    with pytest.raises(UsageError, match="--redraw"):
        drawn(build("next_token", IMAGES), REQUEST | {"image": BATCH["image"]})
    with pytest.raises(UsageError, match="adaptive cannot draw a part anew"):
        drawn(build("noise_prediction", IMAGES, noise_prediction__solver="adaptive"), REQUEST | {"image": BATCH["image"], "mask": MASK})
    with pytest.raises(UsageError, match="one-step solver"):
        drawn(build("noise_prediction", IMAGES, noise_prediction__solver="dpmpp_2m"), REQUEST | {"image": BATCH["image"], "mask": MASK})


@pytest.mark.parametrize(
    "field, text, says",
    [
        ("solver", "ddim(etha=0.5)", "no option 'etha': did you mean 'eta'"),
        ("weighting", "min_snr(g=5)", "It has gamma"),
        ("grid", "uniform_t(rho=7)", "It has none"),
        ("time_sampler", "lognormal_sigma(sd=2)", "It has mean, std"),
        ("threshold", "static(q=1)", "It has none"),
        ("inpaint", "replacement(resamples=2)", "It has none"),
        ("solver", "ddim(eta=-3)", "'eta' of the solver 'ddim' must be a number at least 0 and at most 1, not -3"),
        ("solver", "edm_churn(s_min=2,s_max=1)", "would never add noise"),
        ("solver", "adaptive(rtol=0)", "must be a number above 0, not 0"),
        ("time_sampler", "logit_normal(std=0)", "above 0"),
        ("threshold", "dynamic(quantile=99)", "at most 1, not 99"),
        ("inpaint", "repaint(resamples=0)", "a whole number at least 1, not 0"),
        ("likelihood", "ode(probes=0.5)", "a whole number at least 0, not 0.5"),
        ("edit_logsnr", "20", "edit_logsnr=20 is a noise level that the model does not know: give one from -10 to below 9"),
        ("edit_logsnr", "-30", "edit_logsnr=-30 is a noise level that the model does not know"),
        ("logsnr_max", "40", "logsnr_max=40 is noise that float32 rounds away"),
    ],
)
def test_options_that_do_not_exist_are_refused_at_construction(field, text, says):
    with pytest.raises(UsageError, match=says):
        build("noise_prediction", IMAGES, **{f"noise_prediction__{field}": text})


def test_options_reach_the_solver():
    """ddim(eta=1) is ddpm, bitwise: the same keys and the same formula."""
    same = [drawn(build("noise_prediction", IMAGES, noise_prediction__solver=solver), REQUEST) for solver in ("ddim(eta=1)", "ddpm", "ddim")]
    np.testing.assert_array_equal(same[0], same[1])
    assert (same[1] != same[2]).any()


def test_a_film_ends_with_the_sample_and_noising_begins_with_the_image():
    objective = build("noise_prediction", IMAGES)
    params = random_params(objective.init)
    films = jax.jit(objective.film)(params, BATCH, KEY)
    np.testing.assert_array_equal(films["noising"][0], BATCH["image"])
    np.testing.assert_array_equal(films["denoising"][-1], drawn(objective, REQUEST))
    assert films["denoising"].shape[0] == objective.steps + 2

    writer = build("next_token", IMAGES)
    frames = np.asarray(jax.jit(writer.film)(random_params(writer.init), BATCH, KEY)["writing"])
    np.testing.assert_array_equal(frames[-1], drawn(writer, REQUEST))
    assert frames.shape[0] == IMAGES.num_dims + 1 and (frames[0] == 0).all()
    for written in range(1, len(frames)):
        flat, last = frames[written].reshape(6, -1), frames[-1].reshape(6, -1)
        np.testing.assert_array_equal(flat[:, :written], last[:, :written])
        assert (flat[:, written:] == 0).all()


@pytest.mark.parametrize("kind", ["bound", pytest.param("discrete_bound", marks=pytest.mark.slow), "ode"])
def test_every_likelihood_of_a_fresh_model_is_a_number_of_kind_upper_bound(kind):
    objective = build("noise_prediction", IMAGES, noise_prediction__likelihood=kind, noise_prediction__steps=40)
    found = jax.jit(objective.likelihood)(fresh_params(objective), BATCH, KEY)
    assert found.kind == "upper_bound" and np.isfinite(found.nats).all() and (np.asarray(found.stderr) >= 0).all()
    # A model that has learnt nothing cannot beat the uniform code by more than its own noise on uniform data.
    assert float(jnp.mean(found.nats)) > 0.5 * IMAGES.num_dims * np.log(IMAGES.levels)


@pytest.mark.slow
def test_an_interpolation_begins_and_ends_at_its_images_and_its_ends_do_not_see_each_other():
    """There and back by a second-order rule on one grid; an untrained denoiser (x0_hat = x/alpha, nearly) is inverted with it."""
    objective = build("noise_prediction", IMAGES, noise_prediction__prediction="v", noise_prediction__steps=32)
    params = fresh_params(objective)
    request = REQUEST | {"image": BATCH["image"], "towards": BATCH["image"][::-1]}
    sample = jax.jit(lambda fraction: objective.sample(params, request | {"fraction": jnp.full(6, fraction)}, KEY))
    first, middle, last = (np.asarray(sample(fraction).data) for fraction in (0.0, 0.5, 1.0))
    np.testing.assert_array_equal(first, BATCH["image"])
    np.testing.assert_array_equal(last, BATCH["image"][::-1])
    assert (middle != first).any() and (middle != last).any()
    assert int(sample(0.0).cost.nfe) == 3 * 2 * 32 + 1, "two inversions and one sample by heun, and the end"


@pytest.mark.slow
def test_an_interpolation_begins_at_its_image_where_signal_is_lost_at_the_data_end():
    """In flow coordinates alpha is 0.989 at log-SNR 9: an image taken for x instead of x/alpha would come back 1.4 of 256 levels too strong."""
    spec = dataclasses.replace(IMAGES, levels=256)
    image = make_batch(spec, 6)["image"]
    objective = build("noise_prediction", spec, noise_prediction__prediction="v", noise_prediction__scaling="flow", noise_prediction__steps=64)
    request = REQUEST | {"image": image, "towards": image[::-1], "fraction": np.zeros(6, np.float32)}
    np.testing.assert_array_equal(jax.jit(objective.sample)(fresh_params(objective), request, KEY).data, image)


def test_the_ends_of_an_interpolation_are_inverted_under_their_own_classes():
    objective = build("noise_prediction", IMAGES)
    params = random_params(objective.init)
    sample = jax.jit(lambda request: objective.sample(params, request, KEY).data)
    one, other = np.zeros(6, np.int32), np.ones(6, np.int32)
    request = {"id": BATCH["id"], "image": BATCH["image"], "towards": BATCH["image"][::-1], "label": other}

    def at(fraction, from_label, towards_label):
        return np.asarray(sample(request | {"fraction": np.full(6, fraction, np.float32), "from_label": from_label, "towards_label": towards_label}))

    np.testing.assert_array_equal(at(0.0, one, one), at(0.0, one, other))
    np.testing.assert_array_equal(at(1.0, one, one), at(1.0, other, one))
    assert (at(0.0, one, one) != at(0.0, other, one)).any() and (at(1.0, one, one) != at(1.0, one, other)).any()
