"""The autoencoder. Oracles: a model of one latent, whose likelihood and posterior are integrals over a line, and closed forms of the divergence."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from genjax import rng
from genjax.errors import UsageError
from genjax.objectives.autoencoder import kl
from genjax.types import DataSpec
from tests.helpers import IMAGES, TOKENS, build, make_batch, random_params

KEY = rng.stream(0, "likelihood")
SMALL = {"autoencoder__channels": 4, "autoencoder__multipliers": "1", "autoencoder__latent_channels": 1}

# Images of two pixels in three levels, and one latent: everything can be counted or integrated.
PIXEL = DataSpec("two pixels", "image", (1, 1, 2), 3, 0, 100, 10)
ALL = np.stack(np.meshgrid(np.arange(3), np.arange(3), indexing="ij"), axis=-1).reshape(9, 1, 1, 2).astype(np.int32)
Z = np.linspace(-40.0, 40.0, 8001, dtype=np.float32)  # wide enough for every q below


@pytest.mark.parametrize("mean, std", [(0.0, 1.0), (0.7, 0.2), (-2.0, 3.0)])
def test_divergence_is_the_integral(mean, std):
    integrand = lambda z: norm.pdf(z, mean, std) * (norm.logpdf(z, mean, std) - norm.logpdf(z))
    expected, _ = quad(integrand, mean - 12 * std, mean + 12 * std, epsabs=1e-12)
    got = kl(jnp.full((2, 1, 1, 3), mean), jnp.full((2, 1, 1, 3), std))
    np.testing.assert_allclose(got, 3 * expected, rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def one_latent():
    """The objective, parameters, log p(x | z) [9, Z] and q(z | x) of every image."""
    objective = build("autoencoder", PIXEL, **SMALL, autoencoder__draws=4000)
    params = random_params(objective.init, scale=0.35)

    @jax.jit
    def tables(params):
        given = lambda image: -objective.decoder_nats(params, jnp.asarray(Z)[:, None, None, None], jnp.tile(image, (len(Z), 1, 1, 1)))
        return jnp.stack([given(image) for image in ALL]), *objective.posterior(params, ALL)

    log_prob, mean, std = (np.asarray(found, np.float64) for found in tables(params))
    return objective, params, log_prob, mean.reshape(9, 1), std.reshape(9, 1)


def integral(values):
    return np.trapezoid(values, Z.astype(np.float64), axis=-1)


def test_the_decoder_is_normalised_over_all_images_given_any_latent(one_latent):
    np.testing.assert_allclose(np.exp(one_latent[2]).sum(axis=0), 1.0, rtol=1e-5)


def test_the_bound_exceeds_the_exact_value_by_the_divergence_from_the_posterior(one_latent):
    """-log p(x) by integration; KL(q(z|x) || p(z|x)) too."""
    objective, params, log_prob, mean, std = one_latent
    exact = -np.log(integral(np.exp(log_prob) * norm.pdf(Z)))
    q, log_q = norm.pdf(Z, mean, std), norm.logpdf(Z, mean, std)
    np.testing.assert_allclose(integral(q), 1.0, rtol=1e-6)
    excess = integral(q * (log_q - (log_prob + norm.logpdf(Z) + exact[:, None])))
    batch = {"image": ALL, "id": np.arange(9, dtype=np.uint32), "weight": np.ones(9, np.float32)}
    found = jax.jit(objective.likelihood)(params, batch, KEY)
    assert found.kind == "upper_bound"
    assert (excess > 0.01).all(), "a random encoder is no posterior"
    assert (np.abs(np.asarray(found.nats) - exact - excess) < 5 * np.asarray(found.stderr) + 1e-3).all()
    np.testing.assert_allclose(sum(found.terms.values()), found.nats, rtol=1e-6)
    np.testing.assert_allclose(np.exp(-exact).sum(), 1.0, rtol=1e-5)


def test_beta_enters_the_loss_and_never_the_likelihood():
    batch, found = make_batch(IMAGES, 5) | {"weight": np.array([1, 0, 2, 1, 0.5], np.float32)}, {}
    for beta in (1.0, 0.25):
        objective = build("autoencoder", IMAGES, **SMALL, autoencoder__beta=beta)
        params = random_params(objective.init, scale=0.3)
        found[beta] = jax.jit(lambda p, o=objective: (o.loss(p, batch, KEY, train=True), o.likelihood(p, batch, KEY)))(params)
    np.testing.assert_array_equal(found[1.0][1].nats, found[0.25][1].nats)
    for beta, (sums, _) in found.items():
        (reconstruction, weight), (divergence, _) = sums.metrics["reconstruction"], sums.metrics["kl"]
        np.testing.assert_allclose(sums.loss, reconstruction + beta * divergence, rtol=1e-5)
        np.testing.assert_allclose([weight, sums.weight], 4.5 * IMAGES.num_dims)


def test_images_come_back_through_their_latents_and_a_film_ends_with_the_sample():
    objective = build("autoencoder", IMAGES, **SMALL)
    params = random_params(objective.init, scale=0.3)
    batch = make_batch(IMAGES, 4)
    films, sample, rebuilt = jax.jit(
        lambda p: (
            objective.film(p, batch, KEY),
            objective.sample(p, {"id": batch["id"]}, KEY).data,
            objective.sample(p, {"id": batch["id"], "image": batch["image"]}, KEY).data,
        )
    )(params)
    np.testing.assert_array_equal(films["reconstruction"][0], batch["image"])
    np.testing.assert_array_equal(films["reconstruction"][1], rebuilt)
    np.testing.assert_array_equal(films["walk"][-1], sample)


def test_what_an_autoencoder_cannot_do_is_said():
    with pytest.raises(UsageError, match="needs images"):
        build("autoencoder", TOKENS)
    objective = build("autoencoder", IMAGES, **SMALL)
    with pytest.raises(UsageError, match="draws no part anew"):
        objective.sample({}, {"id": np.arange(2), "mask": np.ones((2, 4, 4, 1), bool)}, KEY)
    with pytest.raises(UsageError, match="cannot be halved"):
        build("autoencoder", dataclasses.replace(IMAGES, shape=(5, 4, 1)), autoencoder__multipliers="1,1")


@pytest.mark.slow
def test_learning_finds_the_images():
    """Two images that are equally frequent cost a bit at least (Gibbs), and in a model whose latents say nothing a bit a pixel.

    Their levels are not the ends: a logistic that is wide enough puts half of its mass on either end, and would need no latents to cost a bit.
    """
    objective = build("autoencoder", IMAGES, **SMALL)
    images = np.stack([np.full((4, 4, 1), 1, np.int32), np.full((4, 4, 1), 3, np.int32)])
    ids = np.arange(8, dtype=np.uint32)
    batch = {"image": images[ids % 2], "id": ids, "weight": np.ones(8, np.float32)}
    optimizer = optax.adam(0.005)

    @jax.jit
    def learn(params):
        def step(carry, number):
            params, state = carry
            loss = lambda p: (lambda sums: sums.loss / sums.weight)(objective.loss(p, batch, jax.random.fold_in(KEY, number), train=True))
            updates, state = optimizer.update(jax.grad(loss)(params), state)
            return (optax.apply_updates(params, updates), state), None

        (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), jnp.arange(300))
        return objective.likelihood(params, batch, KEY), objective.sample(params, batch, KEY).data

    found, rebuilt = learn(nn.unbox(objective.init(rng.stream(0, "init"))))
    stderr = np.sum(np.asarray(found.stderr) ** 2) ** 0.5 / len(ids)
    assert np.log(2) - 4 * stderr < float(jnp.mean(found.nats)) < 16 * np.log(2) - 4 * stderr
    np.testing.assert_array_equal(rebuilt, batch["image"])
