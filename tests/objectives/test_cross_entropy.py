"""The cross-entropy. Oracles: the sums over the vocabulary written out in float64, and the dense computation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.objectives import cross_entropy
from tests.helpers import TOKENS, assert_trees_close, build, make_batch, random_params

B, T, D, V = 3, 7, 8, 11
RANDOM = np.random.default_rng(0)
FEATURES, KERNEL = RANDOM.normal(size=(B, T, D)).astype(np.float32), RANDOM.normal(size=(D, V)).astype(np.float32)
TARGETS, WEIGHT = RANDOM.integers(0, V, (B, T)), RANDOM.choice([0.0, 0.5, 1.0], (B, T)).astype(np.float32)


def test_terms_are_their_sums_over_the_vocabulary():
    logits = RANDOM.normal(size=(B, T, V)).astype(np.float32) * 5
    terms = cross_entropy.terms(jnp.asarray(logits), jnp.asarray(TARGETS))
    p = np.exp(logits.astype(np.float64)) / np.exp(logits.astype(np.float64)).sum(-1, keepdims=True)
    one_hot = np.eye(V)[TARGETS]
    np.testing.assert_allclose(terms.nats, -(one_hot * np.log(p)).sum(-1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(terms.log_z, np.log(np.exp(logits.astype(np.float64)).sum(-1)), rtol=1e-5)
    np.testing.assert_array_equal(terms.hit, logits.argmax(-1) == TARGETS)
    mixed = 0.9 * one_hot + 0.1 / V
    np.testing.assert_allclose(terms.loss(label_smoothing=0.1, z_loss=0.0), -(mixed * np.log(p)).sum(-1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(terms.loss(label_smoothing=0.0, z_loss=0.3) - terms.nats, 0.3 * np.asarray(terms.log_z) ** 2, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(terms.loss(label_smoothing=0.0, z_loss=0.0), terms.nats)


@pytest.mark.parametrize("chunk", [1, 3, 7, 50])
def test_chunked_is_dense_in_value_and_gradient(chunk):
    """Also where the chunks do not divide the length, and with weights of 0."""

    def loss(chunk):
        def of(kernel, features):
            terms = cross_entropy.chunked(lambda x: x @ kernel, features, TARGETS, chunk)
            return jnp.sum(WEIGHT * terms.loss(label_smoothing=0.1, z_loss=0.01)), terms

        return jax.jit(jax.value_and_grad(of, argnums=(0, 1), has_aux=True))(KERNEL, FEATURES)

    assert_trees_close(loss(chunk), loss(None), rtol=1e-6, atol=1e-6)


def test_chunked_never_holds_all_logits():
    """Forward and backward: no array of the compiled computation has batch x length x vocabulary elements; of the dense one some have."""
    wide = RANDOM.normal(size=(D, 64)).astype(np.float32)

    def largest(chunk):
        gradient = jax.grad(lambda kernel: jnp.sum(cross_entropy.chunked(lambda x: x @ kernel, FEATURES, TARGETS, chunk).nats))
        sizes, todo = [0], [jax.make_jaxpr(gradient)(wide).jaxpr]
        while todo:
            for equation in todo.pop().eqns:
                sizes += [var.aval.size for var in equation.outvars]
                todo += [getattr(value, "jaxpr", value) for value in equation.params.values() if hasattr(getattr(value, "jaxpr", value), "eqns")]
        return max(sizes)

    assert largest(None) == B * T * 64
    assert largest(2) == max(B * 2 * 64, D * 64)


def test_penalties_are_in_the_loss_and_nowhere_else():
    batch, key = make_batch(TOKENS, 16), jax.random.key(0)
    pure, other = build("next_token", TOKENS), build("next_token", TOKENS, next_token__z_loss=0.1, next_token__label_smoothing=0.2)
    params = random_params(pure.init)
    (sums, nats), (changed, nats_too) = (
        jax.jit(lambda params, o=o: (o.loss(params, batch, key, train=True), o.likelihood(params, batch, key).nats))(params) for o in (pure, other)
    )
    np.testing.assert_array_equal(nats, nats_too)
    np.testing.assert_array_equal(changed.metrics["nats"], sums.metrics["nats"])
    np.testing.assert_allclose(changed.metrics["nats"][0], sums.loss, rtol=1e-6)
    assert changed.loss > sums.loss + 1


def test_a_chunk_changes_no_objective():
    batch, key = make_batch(TOKENS, 16), jax.random.key(0)
    dense, chunked = build("next_token", TOKENS), build("next_token", TOKENS, next_token__loss_chunk=3)
    params = random_params(dense.init)
    got, expected = (
        jax.jit(jax.value_and_grad(lambda params, o=o: (lambda s: (s.loss, s))(o.loss(params, batch, key, train=True)), has_aux=True))(params)
        for o in (chunked, dense)
    )
    assert_trees_close(got, expected, rtol=1e-5, atol=1e-5)
