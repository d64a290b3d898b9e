"""Noise prediction. Oracles: closed forms of an untrained model, the loss computed the long way in float64, and a data set of ten images
whose entropy and whose perfect denoiser are known."""

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import rng
from genjax.config import base_fields
from genjax.diffusion import grid, prediction, solvers, time_sampling, weighting
from genjax.diffusion.process import SCALINGS, alpha_sigma
from genjax.errors import UsageError
from genjax.types import Book, DataSpec
from tests.helpers import IMAGES, TOKENS, build, fresh_params, make_batch, random_params

KEY = jax.random.key(4)
PREDICTIONS, CLASSES = tuple(prediction.PREDICTIONS), IMAGES.num_classes
CHOICES = {name.split(".")[1]: field.choices for name, field in base_fields().items() if name.startswith("noise_prediction.")}


@dataclasses.dataclass(frozen=True)
class Linear:
    """Stands in for a network: F = a x + b sin(logsnr) + c label, compiled in no time."""

    num_classes: int = CLASSES

    def apply(self, variables, x, logsnr, label, dropout_keys=None, caption=None):
        p = variables["params"]
        rows = p["b"] * jnp.sin(logsnr) + (0.0 if label is None else p["c"] * label)
        return p["a"] * x + rows[:, None, None, None]


LINEAR = {"a": jnp.float32(0.7), "b": jnp.float32(-0.4), "c": jnp.float32(0.3)}


def linear(**fields: Any):
    """The objective around the stand-in, with fields that a config may not offer."""
    objective = dataclasses.replace(build("noise_prediction", IMAGES), network=Linear())
    process = {name: fields.pop(name) for name in ("scaling", "curve", "logsnr_min", "logsnr_max") if name in fields}
    return dataclasses.replace(objective, process=dataclasses.replace(objective.process, **process), **fields)


def draws(objective, batch):
    """The noise levels, their density, and the noise that a loss draws: streams "time" and "noise", by row."""
    logsnr, density = time_sampling.draw(objective.time_sampler, objective.process, rng.fold_name(KEY, "time"), batch["id"])
    eps = rng.normal(rng.rows(rng.fold_name(KEY, "noise"), batch["id"]), objective.spec.shape)
    return tuple(np.asarray(value, np.float64) for value in (logsnr, density, eps))


# ---- an untrained model --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fresh():
    """The default objective with eps prediction, its fresh parameters, and its compiled loss."""
    objective = build("noise_prediction", IMAGES, noise_prediction__logsnr_min=-7.0, noise_prediction__logsnr_max=8.0)
    return objective, fresh_params(objective), jax.jit(lambda params, batch, key: objective.loss(params, batch, key, train=True))


def test_untrained_loss_is_the_noise_that_was_drawn(fresh):
    """A head of zero says eps_hat = 0: the loss is 1/2 (logsnr_max - logsnr_min) |eps|^2, and eps can be drawn again."""
    objective, params, loss = fresh
    batch = make_batch(IMAGES, 64) | {"weight": np.linspace(0, 2, 64, dtype=np.float32)}
    sums, (_, _, eps) = loss(params, batch, KEY), draws(objective, batch)
    squared = batch["weight"] @ np.sum(eps**2, axis=(1, 2, 3))
    np.testing.assert_allclose(sums.loss, 0.5 * 15 * squared, rtol=1e-5)
    np.testing.assert_allclose(sums.weight, batch["weight"].sum() * IMAGES.num_dims, rtol=1e-6)
    np.testing.assert_allclose(sums.metrics["eps_mse"], (squared, sums.weight), rtol=1e-5)


def test_untrained_loss_has_its_expectation(fresh):
    """E|eps|^2 = 1 a dimension, with variance 2: mean loss 15/2."""
    _, params, loss = fresh
    per_dim = [float(sums.loss / sums.weight) for sums in (loss(params, make_batch(IMAGES, 64, first=64 * i), KEY) for i in range(30))]
    dims = 30 * 64 * IMAGES.num_dims
    assert abs(np.mean(per_dim) - 7.5) < 4 * 7.5 * math.sqrt(2 / dims)


# ---- the loss the long way -----------------------------------------------------------------------------------------


def eps_hat(name: str, x, output, logsnr, scaling, sd):
    """The noise that an output stands for, from the definition of each target, in float64."""
    column = lambda v: np.asarray(v, np.float64).reshape(-1, 1, 1, 1)
    alpha, sigma = (column(v) for v in alpha_sigma(np.asarray(logsnr), scaling))
    h = 1e-5
    alpha_rate, sigma_rate = (-column((up - down) / (2 * h)) for up, down in zip(*(alpha_sigma(logsnr + s, scaling) for s in (h, -h)), strict=True))
    s = sigma / alpha  # EDM's sigma, of x / alpha
    denoised = {  # what each network says the clean image is
        "x0": lambda: output,
        "eps": lambda: (x - sigma * output) / alpha,
        "score": lambda: (x + sigma**2 * output) / alpha,
        "v": lambda: (alpha * x - sigma * output) / (alpha**2 + sigma**2),
        "flow": lambda: (x - sigma * output) / (alpha + sigma),
        "velocity": lambda: (sigma_rate * x - sigma * output) / (alpha * sigma_rate - sigma * alpha_rate),
        "edm": lambda: sd**2 / (s**2 + sd**2) * x / alpha + s * sd / np.sqrt(s**2 + sd**2) * output,
    }[name]()
    return (x - alpha * denoised) / sigma


LOW, HIGH = -6.0, 6.0
BATCH = make_batch(IMAGES, 16) | {"weight": np.random.default_rng(0).uniform(0, 2, 16).astype(np.float32)}


@pytest.fixture(scope="module")
def computed():
    """(prediction, scaling) -> loss and gradient of the objective; all in one program, which draws the noise once."""

    def objective(name, scaling):
        return linear(prediction=name, scaling=scaling, logsnr_min=LOW, logsnr_max=HIGH, weighting="sigmoid", drop_rate=0.0)

    def loss(params, name, scaling):
        return objective(name, scaling).loss(params, BATCH, KEY, train=True).loss

    pairs = [(name, scaling) for name in PREDICTIONS for scaling in SCALINGS]
    return dict(zip(pairs, jax.jit(lambda params: [jax.value_and_grad(loss)(params, *pair) for pair in pairs])(LINEAR), strict=True))


@pytest.fixture(scope="module")
def drawn():
    return draws(linear(logsnr_min=LOW, logsnr_max=HIGH), BATCH)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("name", PREDICTIONS)
def test_loss_is_the_weighted_error_of_the_noise(name, scaling, computed, drawn):
    """From F - F* in the code; here from eps_hat and eps. The gradient too."""
    loss, gradient = computed[name, scaling]
    (logsnr, density, eps), sd = drawn, linear().data_std
    alpha, sigma = (v.reshape(-1, 1, 1, 1) for v in alpha_sigma(logsnr, scaling))
    x = alpha * (-1 + BATCH["image"] * 2 / (IMAGES.levels - 1)) + sigma * eps
    w = 1 / (1 + np.exp(logsnr - 2))
    basis = {  # the stand-in is linear in its parameters
        "a": x / np.sqrt((alpha * sd) ** 2 + sigma**2),
        "b": np.sin(logsnr).reshape(-1, 1, 1, 1) * np.ones_like(x),
        "c": BATCH["label"].reshape(-1, 1, 1, 1) * np.ones_like(x),
    }
    said = lambda output: eps_hat(name, x, output, logsnr, scaling, sd)
    output = sum(float(LINEAR[k]) * basis[k] for k in basis)
    error, factor = said(output) - eps, BATCH["weight"] * 0.5 * w / density
    np.testing.assert_allclose(loss, np.sum(factor * np.sum(error**2, axis=(1, 2, 3))), rtol=3e-5)
    for k in basis:
        slope = said(output + basis[k]) - said(output)
        expected = np.sum(factor * np.sum(2 * error * slope, axis=(1, 2, 3)))
        scale = np.sum(factor * np.sum(2 * np.abs(error * slope), axis=(1, 2, 3)))
        np.testing.assert_allclose(gradient[k], expected, atol=3e-5 * scale)


class _Says:
    """A network that says one thing whatever it is asked."""

    num_classes = CLASSES

    def __init__(self, output):
        self.output = output

    def apply(self, *args, **options):
        return self.output


def test_the_right_output_has_no_loss(drawn):
    """Whatever the prediction, a network that says F* has nothing to learn."""
    logsnr, _, eps = (jnp.asarray(value, jnp.float32) for value in drawn)

    def loss(name):
        objective = linear(prediction=name, logsnr_min=LOW, logsnr_max=HIGH)
        right = prediction.target(name, objective.space.quantizer.encode(BATCH["image"]), eps, logsnr, "vp", objective.data_std)
        return dataclasses.replace(objective, network=_Says(right)).loss({}, BATCH, KEY, train=False).loss

    np.testing.assert_allclose(jax.jit(lambda: [loss(name) for name in PREDICTIONS])(), 0, atol=1e-8)


def test_expected_loss_is_the_integral_of_the_weight_whatever_the_sampler():
    """With eps_hat = 0, E loss = 1/2 int w dlambda a dimension: only the variance knows how noise levels are drawn."""
    low, high, rows = -4.0, 4.0, 4096
    batch = make_batch(IMAGES, rows)
    pairs = [(name, "stratified") for name in weighting.WEIGHTINGS] + [("sigmoid", sampler) for sampler in CHOICES["time_sampler"]]
    pairs = [(name.replace("edm", "edm(data_std=0.5)"), sampler) for name, sampler in pairs]
    weight = lambda name, logsnr: weighting.weight(name.partition("(")[0], logsnr)  # the default of `edm` is 0.5

    def one(name, sampler):
        objective = linear(prediction="eps", weighting=name, time_sampler=sampler, logsnr_min=low, logsnr_max=high)
        sums = dataclasses.replace(objective, network=_Says(0.0)).loss({}, batch, KEY, train=False)
        logsnr, density = time_sampling.draw(sampler, objective.process, KEY, batch["id"])
        return sums.loss / sums.weight, 0.5 * weight(name, logsnr) / density

    at = jnp.linspace(low, high, 4001)
    at = (at[1:] + at[:-1]) / 2
    for (name, sampler), (loss, values) in zip(pairs, jax.jit(lambda: [one(*pair) for pair in pairs])(), strict=True):
        expected = 0.5 * (high - low) * float(jnp.mean(weight(name, at)))
        # The variance of as many independent draws, of the noise level and of |eps|^2; even draws of the level do better.
        stderr = math.sqrt((np.var(values) + 2 / IMAGES.num_dims * np.mean(values**2)) / rows)
        assert abs(float(loss) - expected) < 4 * stderr, (name, sampler)


# ---- the bound -----------------------------------------------------------------------------------------------------

TINY = DataSpec("ten images", "image", (2, 2, 1), 3, 0, 100, 10)
_random = np.random.default_rng(5)
SUPPORT = np.stack([np.array(np.unravel_index(number, (3,) * 4)) for number in _random.choice(81, 10, replace=False)]).reshape(10, 2, 2, 1)
PMF = _random.dirichlet(np.full(10, 0.7))
ENTROPY = -float(PMF @ np.log(PMF))


class Bayes:
    """The posterior mean of SUPPORT, PMF: E[x0 | x] = sum_k v_k softmax_k(log p_k - |x - alpha v_k|^2 / 2 sigma^2), as an x0-prediction."""

    num_classes = 0

    def __init__(self, scaling: str, data_std: float):
        self.scaling, self.data_std = scaling, data_std

    def apply(self, variables, scaled, logsnr, label, dropout_keys=None, caption=None):
        alpha, sigma = (v[:, None] for v in alpha_sigma(logsnr, self.scaling))
        c_in = 1 / jnp.sqrt((alpha * self.data_std) ** 2 + sigma**2)
        x, values = scaled.reshape(len(scaled), 4) / c_in, jnp.asarray(SUPPORT.reshape(10, 4) - 1.0, jnp.float32)
        distance = jnp.sum((x[:, None] - alpha[..., None] * values) ** 2, axis=-1)
        posterior = jax.nn.softmax(jnp.log(jnp.asarray(PMF, jnp.float32)) - distance / (2 * sigma**2), axis=-1)
        return (posterior @ values).reshape(scaled.shape)


def perfect(low: float, high: float, scaling: str = "vp", times: int = 32, **fields: Any):
    objective = build("noise_prediction", TINY, noise_prediction__patch_size=1, noise_prediction__eval_times=times)
    process = dataclasses.replace(objective.process, scaling=scaling, logsnr_min=low, logsnr_max=high)
    return dataclasses.replace(objective, process=process, prediction="x0", network=Bayes(scaling, objective.data_std), **fields)


class BayesOdds(Bayes):
    """What the other three values tell of each, log P(k | y'): logsumexp of log p - |x' - alpha v'|^2 / 2 sigma^2 over the images with k there."""

    def apply(self, variables, scaled, logsnr, label, dropout_keys=None, caption=None):
        alpha, sigma = (v[:, None] for v in alpha_sigma(logsnr, self.scaling))
        c_in = 1 / jnp.sqrt((alpha * self.data_std) ** 2 + sigma**2)
        x, points = scaled.reshape(len(scaled), 4) / c_in, SUPPORT.reshape(10, 4)
        squares = (x[:, None] - alpha[..., None] * jnp.asarray(points - 1.0, jnp.float32)) ** 2 / (2 * sigma[..., None] ** 2)
        others = jnp.log(jnp.asarray(PMF, jnp.float32))[:, None] - (jnp.sum(squares, axis=-1, keepdims=True) - squares)  # [B, 10, 4]
        odds = [jax.nn.logsumexp(jnp.where(points == k, others, -1e9), axis=1) for k in range(3)]
        return jnp.stack(odds, axis=-1).reshape(*scaled.shape[:-1], 3)


def test_the_right_odds_are_the_right_estimate():
    """The loss and the bound of a network that gives the exact odds are those of one that gives the exact posterior mean."""
    mean, batch = perfect(-6.0, 6.0, times=4), {"image": SUPPORT, "id": np.arange(10, dtype=np.uint32), "weight": np.ones(10, np.float32)}
    odds = dataclasses.replace(mean, head="odds", network=BayesOdds("vp", mean.data_std))

    @jax.jit
    def both():
        return [(one.loss({}, batch, KEY, train=False).loss, one.likelihood({}, batch, KEY).nats) for one in (mean, odds)]

    (loss, nats), (loss_of_odds, nats_of_odds) = both()
    np.testing.assert_allclose(loss_of_odds, loss, rtol=1e-4)
    np.testing.assert_allclose(nats_of_odds, nats, rtol=1e-4)


@pytest.mark.parametrize("network", ["trunk", "unet"])
def test_an_untrained_model_of_odds_knows_levels_that_are_drawn_evenly(network):
    """Its odds are zero, which is right of even and independent levels: its bound is their log, of which it lacks only what lies beyond the ends."""
    spec, rows = dataclasses.replace(IMAGES, levels=3, num_classes=0), 64
    ends = {"noise_prediction__logsnr_min": -12.0, "noise_prediction__logsnr_max": 8.0, "noise_prediction__eval_times": 32}
    objective = build(
        "noise_prediction", spec, noise_prediction__prediction="x0", noise_prediction__head="odds", noise_prediction__network=network, **ends
    )
    params, batch = fresh_params(objective), make_batch(spec, rows)
    found = jax.jit(lambda: objective.likelihood(params, batch, KEY))()
    nats = np.asarray(found.nats) / spec.num_dims
    assert abs(nats.mean() - math.log(3)) < 4 * nats.std() / math.sqrt(rows) + 1e-3


def test_odds_are_of_clean_values_and_of_levels():
    with pytest.raises(UsageError, match=r"set noise_prediction\.prediction=x0, not eps"):
        build("noise_prediction", IMAGES, noise_prediction__head="odds")
    few = {"noise_prediction__head": "odds", "noise_prediction__prediction": "x0"}
    with pytest.raises(UsageError, match=r"latents are any number: set it to linear"):
        build("noise_prediction", IMAGES, noise_prediction__autoencoder="somewhere", **few)
    with pytest.raises(UsageError, match=r"set noise_prediction\.head=linear"):
        build("consistency", IMAGES, **few)


def test_odds_are_of_the_palette_whatever_is_decoded():
    """How samples are read is chosen late, and the network is not."""
    spec = dataclasses.replace(IMAGES, shape=(8, 8, 3), levels=256, palette=((0, 0, 0), (255, 0, 0), (0, 128, 255)))
    few = {"noise_prediction__head": "odds", "noise_prediction__prediction": "x0", "noise_prediction__patch_size": 2}
    sizes = [build("noise_prediction", spec, noise_prediction__decoder=decoder, **few).network.features for decoder in ("levels", "palette")]
    assert sizes == [3, 3]


COLOURS = ((0, 0, 0), (255, 0, 0), (0, 128, 255))
SEEN = dataclasses.replace(IMAGES, shape=(4, 4, 3), levels=256, num_classes=0, palette=COLOURS)
CODED = dataclasses.replace(SEEN, key="tokens", shape=(4, 4), levels=3, unit="code", palette=(), book=Book(COLOURS, 256))


@pytest.mark.parametrize("head", ["linear", "odds"])
def test_codes_are_noisy_as_what_they_stand_for(head):
    """Codes of single pixels are the picture with its palette: with equal parameters the loss, the bound and the samples are the same."""
    few = {"noise_prediction__head": head, "noise_prediction__prediction": "x0", "noise_prediction__patch_size": 1}
    picture, codes = build("noise_prediction", SEEN, noise_prediction__decoder="palette", **few), build("noise_prediction", CODED, **few)
    params, coded = random_params(picture.init, scale=0.2), make_batch(CODED, 6)
    assert jax.tree.map(jnp.shape, random_params(codes.init)) == jax.tree.map(jnp.shape, params)
    batch = {name: coded[name] for name in ("id", "weight")} | {"image": np.array(COLOURS)[coded["tokens"]]}
    request = {"id": batch["id"]}

    @jax.jit
    def both():
        return [(one.loss(params, rows, KEY, train=False), one.likelihood(params, rows, KEY), one.sample(params, request, KEY))
                for one, rows in ((picture, batch), (codes, coded))]  # fmt: skip

    (loss, nats, drawn), (loss_of_codes, nats_of_codes, drawn_codes) = both()
    np.testing.assert_allclose(loss_of_codes.loss, loss.loss, rtol=1e-6)
    np.testing.assert_allclose(nats_of_codes.nats, nats.nats, rtol=1e-6)
    assert float(loss.weight) == 3 * float(loss_of_codes.weight), "bits are of a code here, and of a value there"
    assert np.array_equal(nats.units, 3 * nats_of_codes.units) and (nats.unit, nats_of_codes.unit) == ("dim", "code")
    assert np.array_equal(np.array(COLOURS)[drawn_codes.data], drawn.data) and len(np.unique(drawn_codes.data)) > 1


def test_an_untrained_model_of_odds_knows_codes_that_are_drawn_evenly():
    """Log K nats a code, as of levels: it lacks only what lies beyond the ends."""
    few = {"noise_prediction__head": "odds", "noise_prediction__prediction": "x0", "noise_prediction__patch_size": 1}
    ends = {"noise_prediction__logsnr_min": -12.0, "noise_prediction__logsnr_max": 8.0, "noise_prediction__eval_times": 32}
    objective = build("noise_prediction", CODED, **few, **ends)
    assert objective.network.features == 3
    params, batch = fresh_params(objective), make_batch(CODED, 64)
    nats = np.asarray(jax.jit(lambda: objective.likelihood(params, batch, KEY))().nats) / CODED.num_dims
    assert abs(nats.mean() - math.log(3)) < 4 * nats.std() / math.sqrt(64) + 1e-3


def test_codes_that_are_known_are_kept():
    objective, rows = build("noise_prediction", CODED, noise_prediction__patch_size=1), make_batch(CODED, 3)
    mask = np.zeros((3, 4, 4), bool)
    mask[:, :2] = True
    drawn = jax.jit(objective.sample)(random_params(objective.init), {"id": rows["id"], "tokens": rows["tokens"], "mask": mask}, KEY).data
    assert np.array_equal(drawn[:, :2], rows["tokens"][:, :2]) and drawn.shape == (3, 4, 4) and drawn.dtype == jnp.int32


@pytest.mark.parametrize(
    ("objective", "spec", "overrides", "sentence"),
    [
        ("noise_prediction", CODED, {"likelihood": "ode"}, "fills the bins of levels, and codes have none: set it to bound"),
        ("noise_prediction", CODED, {"decoder": "palette"}, "codes are decoded as codes: set it to levels"),
        ("noise_prediction", CODED, {"autoencoder": "somewhere"}, "holds codes: set it to None"),
        ("noise_prediction", dataclasses.replace(CODED, book=None), {}, "no meaning between category numbers"),
        ("consistency", CODED, {}, "holds tokens"),
    ],
)
def test_what_codes_cannot_be(objective, spec, overrides, sentence):
    with pytest.raises(UsageError, match=sentence):
        build(objective, spec, noise_prediction__patch_size=1, **{f"noise_prediction__{name}": value for name, value in overrides.items()})


def measured_bound(objective, copies: int = 800) -> tuple[float, float, Any]:
    """Mean of the bound over the data's own distribution, its standard error, and all likelihoods: every image `copies` times."""
    ids = np.arange(10 * copies, dtype=np.uint32)
    result = jax.jit(lambda batch: objective.likelihood({}, batch, KEY))(
        {"image": SUPPORT[ids % 10], "id": ids, "weight": np.ones(len(ids), np.float32)}
    )
    nats = np.asarray(result.nats, np.float64).reshape(copies, 10)
    return float(PMF @ nats.mean(0)), math.sqrt(float(PMF**2 @ nats.var(0, ddof=1)) / copies), result


@pytest.fixture(scope="module")
def wide():
    """Ends so wide that the prior and the decoder cost nothing, and a scaling that is not the default."""
    return measured_bound(perfect(-12.0, 8.0, "flow"))


def test_bound_of_the_perfect_denoiser_is_the_entropy(wide):
    bound, stderr, result = wide
    assert stderr < 0.02 * ENTROPY
    assert abs(bound - ENTROPY) < 3 * stderr + 1e-3
    assert result.kind == "upper_bound"
    np.testing.assert_array_equal(result.units, 4)
    np.testing.assert_allclose(sum(result.terms.values()), result.nats, rtol=1e-5)


@pytest.mark.parametrize(("kind", "copies", "slack"), [("discrete_bound", 400, 0.15), ("ode", 20, 0.05)])
def test_other_bounds_of_the_perfect_denoiser_are_near_the_entropy_and_not_below(kind, copies, slack):
    """Finite steps cost the discrete bound a little, and the noise that fills the gaps between levels the flow's."""
    bound, stderr, result = measured_bound(perfect(-12.0, 8.0, times=4, steps=128, bound=kind), copies)
    assert stderr < 0.04 * ENTROPY
    assert -3 * stderr < bound - ENTROPY < slack + 3 * stderr
    assert result.kind == "upper_bound"


@pytest.mark.parametrize(("low", "high"), [(0.0, 8.0), (-12.0, 0.0)], ids=["noise end", "data end"])
def test_bound_stays_above_the_entropy_where_the_ends_are_near(low, high):
    bound, stderr, _ = measured_bound(perfect(low, high))
    assert bound > ENTROPY + 5 * stderr


def test_reported_error_of_a_row_covers_what_its_repetitions_show(wide):
    """Independent estimates of the same image scatter by no more than the reported standard error, which takes even levels as independent."""
    _, _, result = wide
    scatter = np.asarray(result.nats).reshape(800, 10).std(0, ddof=1)
    reported = np.sqrt(np.mean(np.asarray(result.stderr).reshape(800, 10) ** 2, axis=0))
    assert (scatter < 1.3 * reported).all()
    assert (scatter > 0.1 * reported).all()


@pytest.mark.parametrize(("solver", "calls"), [("ddpm", 97), ("dpmpp_2m", 97), ("adaptive", None)])
def test_samples_of_the_perfect_denoiser_follow_the_data(solver, calls):
    rows, steps = 2048, 96
    objective = perfect(-10.0, 8.0, solver=solver, steps=steps)
    samples = jax.jit(lambda request: objective.sample({}, request, KEY))({"id": np.arange(rows, dtype=np.uint32)})
    number = np.asarray(samples.data).reshape(rows, 4) @ 3 ** np.arange(4)
    frequency = np.array([np.mean(number == image.reshape(4) @ 3 ** np.arange(4)) for image in SUPPORT])
    assert frequency.sum() > 0.995  # nothing else is drawn
    assert (np.abs(frequency - PMF) < 4 * np.sqrt(PMF * (1 - PMF) / rows) + 0.01).all()  # 0.01: the steps are finite
    np.testing.assert_array_equal(samples.cost.nfe, samples.cost.sequential_depth)
    assert calls is None or int(samples.cost.nfe) == calls


# ---- guidance and rows ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained():
    """An objective with its own network and random parameters; and sampler(scale)(request) -> levels, nfe, depth."""
    objective = build("noise_prediction", IMAGES, noise_prediction__prediction="v")
    params = random_params(objective.init, scale=1.0)
    compiled = {}

    def sampler(scale):
        guided = dataclasses.replace(objective, guidance_scale=scale)
        if scale not in compiled:
            compiled[scale] = jax.jit(lambda request: guided.sample(params, request, KEY))
        return compiled[scale]

    return objective, params, sampler


ROWS = np.arange(64)


def request_of(ids, label):
    return {"id": np.asarray(ids, np.uint32), "label": np.broadcast_to(np.asarray(label, np.int32), np.shape(ids))}


def test_guidance_of_one_is_the_conditional_model_bit_for_bit(trained):
    """The twin walks down the grid with the conditional network and knows no guidance."""
    objective, params, sampler = trained
    request = request_of(ROWS, ROWS % CLASSES)

    def conditional(request):
        def denoise(x, logsnr):
            c = prediction.coefficients("v", logsnr, "vp", objective.data_std)
            column = lambda v: v[:, None, None, None]
            output = objective.network.apply({"params": params}, column(c.c_in) * x, logsnr, request["label"])
            return column(c.c_skip) * x + column(c.c_out) * output

        keys = rng.rows(KEY, request["id"])
        start = solvers.initial(objective.process, keys, IMAGES.shape, objective.data_std)
        nodes = grid.make(objective.grid, objective.process, objective.steps)
        return objective.space.quantizer.decode(solvers.sample(denoise, solvers.make(objective.solver), nodes, start, keys).x)

    samples = sampler(1.0)(request)
    np.testing.assert_array_equal(samples.data, jax.jit(conditional)(request))
    assert int(samples.cost.nfe) == int(samples.cost.sequential_depth) == objective.steps + 1


def test_guidance_of_zero_is_the_model_without_class(trained):
    objective, _, sampler = trained
    without, with_class = (sampler(1.0)(request_of(ROWS, label)).data for label in (CLASSES, ROWS % CLASSES))
    samples = sampler(0.0)(request_of(ROWS, ROWS % CLASSES))
    np.testing.assert_array_equal(samples.data, without)
    assert (np.asarray(with_class) != without).mean() > 0.1
    assert int(samples.cost.nfe) == 2 * int(samples.cost.sequential_depth) == 2 * (objective.steps + 1)


def test_a_sample_depends_on_its_id_and_class_and_not_on_its_neighbours(trained):
    sample = trained[2](1.0)
    before = np.asarray(sample(request_of(ROWS, ROWS % CLASSES)).data)
    order = np.random.default_rng(0).permutation(64)
    np.testing.assert_array_equal(sample(request_of(order, order % CLASSES)).data, before[order])
    strangers = np.where(ROWS % 3 == 0, ROWS, 5000 + ROWS)
    np.testing.assert_array_equal(np.asarray(sample(request_of(strangers, ROWS % CLASSES)).data)[::3], before[::3])
    assert len(np.unique(before.reshape(64, -1), axis=0)) > 32
    assert before.min() == 0
    assert before.max() == IMAGES.levels - 1


# ---- what does not fit ---------------------------------------------------------------------------------------------


def test_tokens_are_refused():
    with pytest.raises(UsageError, match="needs images"):
        build("noise_prediction", TOKENS)


def test_patches_that_do_not_divide_are_refused():
    with pytest.raises(UsageError, match="patch_size"):
        build("noise_prediction", IMAGES, noise_prediction__patch_size=3)


def test_a_weighted_loss_is_not_read_as_a_likelihood():
    """A famous mistake: the loss of a weighting that is no bound, printed as bits. The likelihood is the same whatever the training weighed."""
    batch, params = make_batch(IMAGES, 6), {"a": 0.3, "b": 0.2, "c": 0.1}
    bounds, losses = [], []
    for name in ("elbo", "simple"):
        objective = linear(prediction="eps", weighting=name)
        bounds.append(jax.jit(objective.likelihood)(params, batch, KEY).nats)
        sums = objective.loss(params, batch, KEY, train=False)
        losses.append(float(sums.loss / sums.weight))
    np.testing.assert_array_equal(*bounds)
    assert abs(losses[0] - losses[1]) > 0.05 * losses[0]


def test_the_edm_weighting_has_the_deviation_of_the_model_unless_another_is_asked_for():
    def loss(**choices):
        objective = build("noise_prediction", IMAGES, **{f"noise_prediction__{name}": value for name, value in choices.items()})
        measure = jax.jit(functools.partial(objective.loss, train=False))
        return float(measure(random_params(objective.init), make_batch(IMAGES, 4), rng.stream(0, "loss")).loss)

    asked, own, other = (loss(weighting=weighting, data_std=0.9) for weighting in ("edm(data_std=0.9)", "edm", "edm(data_std=0.5)"))
    assert asked == own != other
