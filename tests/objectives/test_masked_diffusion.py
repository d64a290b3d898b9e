"""Masked and block diffusion. Oracles: next-token prediction with the same parameters, the network asked one masking at a time, and all
maskings of a short sequence, listed.
"""

import dataclasses
import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.decoding.sampling import SamplingRule
from genjax.diffusion import absorbing
from genjax.errors import UsageError
from genjax.models import cache as caches
from genjax.models import masks
from genjax.objectives.base import Given
from genjax.objectives.sequences import sequence
from genjax.types import DataSpec
from tests.helpers import TOKENS, assert_trees_close, build, fresh_params, make_batch, random_params

V, T, CLASSES = TOKENS.levels, TOKENS.num_dims, TOKENS.num_classes
IMAGE = DataSpec("toy image", "image", (2, 4, 1), 3, 2, 100, 10)
TEXT = DataSpec("toy text", "tokens", (8,), 5, 0, 100, 10, unit="byte")
KEY = jax.random.key(11)
GREEDY = SamplingRule(temperature=0.0)


@dataclasses.dataclass(frozen=True)
class Seen:
    """Stands in for a network, compiled in no time: the logits of a place are a sum over what it sees, by token and by both places."""

    grid: tuple[int, ...]
    vocab: int
    num_classes: int
    captions = None

    def init(self):
        places, random = math.prod(self.grid), np.random.default_rng(0)
        shapes = {"base": (places, self.vocab), "values": (self.vocab + 1, places, self.vocab), "mix": (places, places)}
        shapes["label"] = (self.num_classes + 1, self.vocab)
        return {name: jnp.asarray(random.normal(size=shape), jnp.float32) for name, shape in shapes.items()}

    @property
    def trunk(self):
        return self

    def empty_cache(self, batch, length, at_once=None):
        empty = jnp.zeros((batch, length), jnp.int32)
        return (empty, empty, jax.tree.map(jnp.zeros_like, masks.causal(batch, length))), jnp.zeros((batch,), jnp.int32)

    def apply(self, variables, tokens, coordinates, ids, label, dropout_keys=None, cache=None, caption=None):
        p = variables["params"]
        places = jnp.ravel_multi_index(tuple(jnp.moveaxis(coordinates, -1, 0)), self.grid, mode="clip")
        here = tokens, places, ids
        if cache is not None:
            stored, index = cache
            at = index[:, None] + jnp.arange(tokens.shape[1])
            here = jax.tree.map(lambda old, new: caches.write(old, new, at), stored, here)
            cache = here, index + tokens.shape[1]
        mixed = p["mix"][places[:, :, None], here[1][:, None, :]] * masks.visible(ids, here[2])[:, 0]
        logits = p["base"][places] + jnp.einsum("bqk,bkv->bqv", mixed, p["values"][here[0], here[1]])
        return logits + (0.0 if label is None else p["label"][label][:, None]), cache


def make(spec=TOKENS, **options):
    return build("masked_diffusion", spec, **{f"masked_diffusion__{name}": value for name, value in options.items()})


def simple(spec=TOKENS, **options):
    """The objective around the stand-in, and its parameters."""
    network = Seen(tuple(n for n in spec.shape if n > 1), spec.levels, spec.num_classes)
    return dataclasses.replace(make(spec, **options), network=network), network.init()


@functools.cache
def params_of(spec):
    """Random parameters; the same for every objective over tokens, since the network is the same."""
    return random_params(make(spec).init, scale=1.0)


def loss(objective, params, batch, key=KEY, train=False):
    return jax.jit(lambda params, batch, key: objective.loss(params, batch, key, train=train))(params, batch, key)


def log_p(objective, params, tokens, hidden, label):
    """log p(x_i | z) [B, T, V] by the network alone, seen from both sides."""
    at = jnp.broadcast_to(jnp.arange(tokens.shape[1])[:, None], (*tokens.shape, 1))
    z = jnp.where(hidden, objective.network.vocab, tokens)
    logits, _ = objective.network.apply({"params": params}, z, at, masks.bidirectional(*tokens.shape), label)
    return jax.nn.log_softmax(logits)


# ---- an untrained model, and next-token prediction -----------------------------------------------------------------


def test_an_untrained_model_needs_the_log_of_the_levels():
    """Exactly, by counted masking in a linear schedule, where n masked values count T/n each; about, in another schedule."""
    objectives, batch = [make(), make(block_size=2), make(schedule="cosine")], make_batch(TOKENS, 64)
    params = fresh_params(objectives[0])
    found = jax.jit(lambda params: [o.loss(params, batch, KEY, train=True) for o in objectives])(params)
    for sums, rtol in zip(found, (1e-6, 1e-6, 0.05), strict=True):
        np.testing.assert_allclose(sums.loss / sums.weight, math.log(V), rtol=rtol)


def test_shifted_blocks_of_one_are_next_token_prediction_parameter_for_parameter():
    """Loss, gradient, likelihood and greedy samples."""
    spec = IMAGE
    blocks, writer, params, batch = make(spec, block_size=1, shifted=True, steps=1), build("next_token", spec), params_of(spec), make_batch(spec, 12)
    batch["weight"] = np.linspace(0, 2, 12, dtype=np.float32)
    request = {name: batch[name] for name in ("id", "label")}

    @jax.jit
    def everything(params):
        found = []
        for objective in (blocks, writer):
            value = jax.value_and_grad(lambda params, o=objective: o.loss(params, batch, KEY, train=False).loss)(params)
            nats = objective.likelihood(params, batch, KEY)
            sampled = dataclasses.replace(objective, rule=GREEDY).sample(params, request, KEY)
            found.append((*value, nats, sampled.data))
        return found

    (loss, gradient, nats, data), (right_loss, right_gradient, right_nats, right_data) = everything(params)
    np.testing.assert_allclose(loss, right_loss, rtol=1e-6)
    assert_trees_close(gradient, right_gradient, rtol=2e-4, atol=1e-4)
    np.testing.assert_allclose(nats.nats, right_nats.nats, rtol=1e-6)
    assert (nats.kind, nats.unit) == (right_nats.kind, right_nats.unit) == ("exact", "dim")
    np.testing.assert_array_equal(nats.stderr, 0)
    np.testing.assert_array_equal(data, right_data)


def test_blocks_of_one_are_the_product_of_their_conditionals():
    """Without the shift too: each value from the mask in its place after all values before it."""
    (objective, params), batch = simple(block_size=1), make_batch(TOKENS, 16)
    found = jax.jit(objective.likelihood)(params, batch, KEY)

    @jax.jit
    def one_by_one(tokens, label):
        nats = 0.0
        for i in range(T):
            inputs = tokens[:, : i + 1].at[:, i].set(V)
            at = jnp.broadcast_to(jnp.arange(i + 1)[:, None], (16, i + 1, 1))
            logits, _ = objective.network.apply({"params": params}, inputs, at, masks.causal(16, i + 1), label)
            nats -= jax.nn.log_softmax(logits[:, i])[jnp.arange(16), tokens[:, i]]
        return nats

    np.testing.assert_allclose(found.nats, one_by_one(jnp.asarray(batch["tokens"]), batch["label"]), rtol=1e-5)
    assert found.kind == "exact"


# ---- what the network sees -----------------------------------------------------------------------------------------


def test_one_block_seen_as_clean_and_draft_is_masked_diffusion():
    """The draft of a block that is everything sees itself alone."""
    (objective, params), batch = simple(), make_batch(TOKENS, 8)
    tokens, hidden = batch["tokens"], np.random.default_rng(0).random((8, T)) < 0.5
    z = jnp.where(hidden, V, tokens)
    at = jnp.broadcast_to(jnp.arange(T)[:, None], (8, T, 1))
    twice = jax.jit(objective.network.apply)(
        {"params": params},
        jnp.concatenate([tokens, z], 1),
        jnp.concatenate([at, at], 1),
        masks.clean_and_draft(masks.bidirectional(8, T)),
        batch["label"],
    )[0][:, T:]
    once = jax.jit(objective._logits)(params, sequence(batch, TOKENS), hidden, Given.of(batch), None)
    np.testing.assert_allclose(twice, once, atol=2e-5)


@pytest.mark.parametrize("shifted", [False, True], ids=["same place", "shifted"])
def test_a_block_is_predicted_from_itself_and_the_clean_blocks_before(shifted):
    """The twin runs the network on each block after its prefix, alone; and block size T is no block at all."""
    k, blocks, rows = 2, 4, 6
    objective, params = make(IMAGE, block_size=k, shifted=shifted), params_of(IMAGE)
    batch = make_batch(IMAGE, rows)
    sequences = sequence(batch, IMAGE)
    tokens, at = np.asarray(sequences.tokens), sequences.coordinates
    hidden = np.random.default_rng(1).random(tokens.shape) < 0.6
    found = np.asarray(jax.jit(objective._logits)(params, sequences, hidden, Given.of(batch), None))

    @jax.jit
    def alone(inputs, label):
        n = inputs.shape[1]
        return objective.network.apply({"params": params}, inputs, at[:, :n], masks.block_causal(rows, n, k), label)[0][:, -k:]

    for block in range(blocks):
        end = (block + 1) * k
        z = tokens[:, :end].copy()
        z[:, end - k :] = np.where(hidden[:, end - k : end], V, z[:, end - k :])
        if shifted:
            z = np.concatenate([np.full((rows, 1), V), z[:, :-1]], axis=1)
        np.testing.assert_allclose(found[:, end - k : end], alone(z, batch["label"]), atol=5e-5)


# ---- the likelihood ------------------------------------------------------------------------------------------------


def listed(objective, params, batch, block):
    """The bound in nats by all maskings of every block of four values, from the objective's logits. [B]."""
    rows = sequence(batch, objective.spec)
    logits = jax.jit(lambda hidden: jax.nn.log_softmax(objective._logits(params, rows, hidden, Given.of(batch), None)))
    total = 0.0
    for pattern in itertools.product([False, True], repeat=block):
        n = sum(pattern)
        if n:
            hidden = np.tile(pattern, rows.tokens.shape[1] // block)[None].repeat(len(rows.tokens), 0)
            nats = -np.take_along_axis(np.asarray(logits(hidden), np.float64), np.asarray(rows.tokens)[..., None], -1)[..., 0]
            total += (nats * hidden).sum(1) / (n * math.comb(block, n))
    return total


def test_the_likelihood_estimates_the_bound_over_all_maskings_and_knows_its_error():
    """64 independent estimates of 8 draws a row, over whole rows and over blocks; an unweighted cross-entropy would be far off."""
    batch, repeats = make_batch(TOKENS, 4), 64
    many = {name: np.tile(value, (repeats,) + (1,) * (value.ndim - 1)) for name, value in batch.items()} | {
        "id": np.arange(4 * repeats, dtype=np.uint32)
    }
    for options in ({"eval_times": 8}, {"eval_times": 8, "schedule": "cosine"}, {"eval_times": 8, "block_size": 2}):
        objective, params = simple(**options)
        found = jax.jit(objective.likelihood)(params, many, KEY)
        assert found.kind == "upper_bound"
        nats, stderr = (np.asarray(value, np.float64).reshape(repeats, 4) for value in (found.nats, found.stderr))
        expected = listed(objective, params, batch, objective.block_size)
        assert (np.abs(nats.mean(0) - expected) < 4.5 * nats.std(0, ddof=1) / math.sqrt(repeats)).all()
        honest = np.sqrt((stderr**2).mean()) / nats.std(0, ddof=1).mean()
        assert 0.8 < honest < 2.0  # never much too small; four values are few for eight strata


def test_a_masked_cross_entropy_without_weights_is_no_likelihood():
    """Rows are one value T times over. A network that copies what it sees needs ln V for a row, which is their entropy; what a masked value
    costs on average, ln V where all are masked and 0 elsewhere, would say 2 T/(T + 1) times as much.
    """
    objective, params = simple(eval_times=16)
    params = {name: 0 * value for name, value in params.items()}
    params["mix"] += 1
    params["values"] = params["values"].at[:V].add(50 * jnp.eye(V)[:, None])
    rows = 512
    batch = make_batch(TOKENS, rows) | {"tokens": np.repeat(np.arange(rows) % V, T).reshape(rows, T).astype(np.int32)}
    found = jax.jit(objective.likelihood)(params, batch, KEY)
    assert abs(np.mean(found.nats) - math.log(V)) < 4.5 * np.std(found.nats) / math.sqrt(rows) < 0.1
    total, count = loss(objective, params, batch).metrics["masked_nats"]
    np.testing.assert_allclose(T * total / count, 2 * T / (T + 1) * math.log(V), rtol=0.05)


def test_the_bound_in_steps_estimates_the_bound_of_ancestral_sampling():
    batch, repeats, steps = make_batch(TOKENS, 4), 256, 3
    objective, params = simple(likelihood="discrete_bound", steps=steps)
    many = {name: np.tile(value, (repeats,) + (1,) * (value.ndim - 1)) for name, value in batch.items()} | {
        "id": np.arange(4 * repeats, dtype=np.uint32)
    }
    found = jax.jit(objective.likelihood)(params, many, KEY)
    nats = np.asarray(found.nats, np.float64).reshape(repeats, 4)
    expected, ask = 0.0, jax.jit(functools.partial(log_p, objective, params))
    for pattern in itertools.product([False, True], repeat=T):
        n, hidden = sum(pattern), np.array([pattern] * 4)
        values = -np.take_along_axis(np.asarray(ask(batch["tokens"], hidden, batch["label"])), batch["tokens"][..., None], -1)[..., 0]
        weight = sum((1 / steps) / m * m**n * (1 - m) ** (T - n) for m in (1 / 3, 2 / 3, 1))
        expected = expected + weight * (values * hidden).sum(1)
    assert (np.abs(nats.mean(0) - expected) < 4.5 * nats.std(0, ddof=1) / math.sqrt(repeats)).all()
    assert 0.8 < np.sqrt((np.asarray(found.stderr) ** 2).mean()) / nats.std(0, ddof=1).mean() < 1.6


def test_no_schedule_no_masking_and_no_time_sampler_changes_the_expected_loss():
    batch = make_batch(TOKENS, 2048)
    means, errors = [], []
    for options in (
        {},
        {"schedule": "cosine"},
        {"schedule": "polynomial(power=2)", "time_sampler": "uniform"},
        {"masking": "independent", "time_sampler": "antithetic"},
        {"masking": "independent", "schedule": "cosine"},
    ):
        objective, params = simple(**options)
        rows = jax.jit(jax.vmap(lambda row, o=objective, p=params: o.loss(p, {k: v[None] for k, v in row.items()}, KEY, train=False).loss))(batch)
        rows = np.asarray(rows, np.float64)
        means.append(rows.mean())
        errors.append(rows.std(ddof=1) / math.sqrt(len(rows)))
    for mean, error in zip(means[1:], errors[1:], strict=True):
        assert abs(mean - means[0]) < 4 * math.hypot(error, errors[0]), (means, errors)
    assert errors[3] > 1.3 * errors[0]  # what counting is for


def test_the_loss_is_a_sum_over_rows_that_do_not_know_each_other():
    objective, params = simple(block_size=2)
    batch = make_batch(TOKENS, 16) | {"weight": np.linspace(0, 1, 16, dtype=np.float32)}
    halves = [{name: value[part] for name, value in batch.items()} for part in (slice(0, 16, 2), slice(1, 16, 2))]
    compute = jax.jit(lambda batch: objective.loss(params, batch, KEY, train=True))
    parts = jax.tree.map(lambda a, b: a + b, *map(compute, halves))
    assert_trees_close(parts, compute(batch), rtol=1e-5, atol=1e-5)


# ---- text ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"block_size": 2}, pytest.param({"block_size": 2, "shifted": True}, marks=pytest.mark.slow)], ids=str)
def test_a_packed_document_is_predicted_as_if_it_were_alone(options):
    objective, params = simple(TEXT, **options)
    random = np.random.default_rng(4)
    documents = [random.integers(0, TEXT.levels, n) for n in (3, 4)]
    packed = {
        "tokens": np.concatenate([*documents, [0]])[None],
        "segment_ids": np.array([[1] * 3 + [2] * 4 + [0]]),
        "positions": np.array([[0, 1, 2, 0, 1, 2, 3, 0]]),
        "loss_mask": np.array([[1.0] * 3 + [0.0] + [1.0] * 3 + [0.0]], np.float32),
        "num_units": np.array([9.0], np.float32),
        "id": np.zeros(1, np.uint32),
        "weight": np.ones(1, np.float32),
    }
    hidden = np.array([[1, 0, 1, 0, 1, 0, 1, 0]], bool)
    ask = jax.jit(lambda batch, hidden: objective._logits(params, sequence(batch, TEXT), hidden, Given(None, None), None))
    together = np.asarray(ask(packed, hidden))
    start = 0
    for document in documents:
        n = len(document)
        alone = {name: np.zeros_like(packed[name]) for name in ("tokens", "segment_ids", "positions", "loss_mask")} | {
            "num_units": packed["num_units"]
        }
        alone["tokens"][0, :n], alone["segment_ids"][0, :n], alone["positions"][0, :n] = document, 1, np.arange(n)
        mine = np.zeros((1, 8), bool)
        mine[0, :n] = hidden[0, start : start + n]
        np.testing.assert_allclose(together[0, start : start + n], np.asarray(ask(alone, mine))[0, :n], atol=5e-5)
        start += n

    found = jax.jit(objective.likelihood)(params, packed, KEY)
    assert np.isfinite(found.nats).all() and found.unit == "byte" and float(found.units[0]) == 9.0
    sums = jax.jit(lambda batch: objective.loss(params, batch, KEY, train=True))(packed)
    assert float(sums.weight) == 6.0
    rows = sequence(packed, TEXT)
    keys = jax.random.split(jax.random.key(0), 20)
    drawn = jax.jit(jax.vmap(lambda t, key: objective._mask("counted", rows, t[None], key[None]).hidden[0]))((jnp.arange(20) + 0.5) / 20, keys)
    assert not np.asarray(drawn)[:, [3, 7]].any() and np.asarray(drawn)[:, [0, 1, 2, 4, 5, 6]].any(axis=0).all()  # what is supervised is masked
    nothing = jax.jit(lambda batch: objective.loss(params, batch, KEY, train=True))(packed | {"loss_mask": np.zeros((1, 8), np.float32)})
    assert float(nothing.loss) == 0.0 == float(nothing.weight)


# ---- sampling ------------------------------------------------------------------------------------------------------


def request_of(ids, label):
    ids = np.asarray(ids, np.uint32)
    return {"id": ids, "label": np.broadcast_to(np.asarray(label, np.int32), ids.shape)}


def draw(objective, params, request):
    return jax.jit(objective.sample)(params, request, KEY)


def test_samples_that_are_drawn_one_by_one_follow_the_mixture_of_all_orders():
    """Pearson's chi-squared over the 81 sequences, against probabilities by the network and the chain rule alone."""
    (objective, params), many = simple(steps=T), 4096
    samples = np.asarray(draw(objective, params, request_of(range(many), 1)).data)
    world = np.array(list(itertools.product(range(V), repeat=T)))
    ask = jax.jit(functools.partial(log_p, objective, params))
    told = {}  # hidden -> log p(x_i | z) of the true values [81, T]
    for hidden in itertools.product([False, True], repeat=T):
        values = np.asarray(ask(world, np.array([hidden] * len(world)), np.ones(len(world), np.int32)), np.float64)
        told[hidden] = np.take_along_axis(values, world[..., None], -1)[..., 0]
    probability = np.zeros(len(world))
    for order in itertools.permutations(range(T)):
        hidden, total = [True] * T, np.zeros(len(world))
        for i in order:
            total += told[tuple(hidden)][:, i]
            hidden[i] = False
        probability += np.exp(total) / math.factorial(T)
    np.testing.assert_allclose(probability.sum(), 1, rtol=1e-5)
    expected, counts = many * probability, np.bincount(samples @ V ** np.arange(T)[::-1], minlength=len(world))
    rare = expected < 5
    expected, counts = np.append(expected[~rare], expected[rare].sum()), np.append(counts[~rare], counts[rare].sum())
    freedom = len(expected) - 1
    assert freedom > 15
    assert abs(np.sum((counts - expected) ** 2 / expected) - freedom) < 4 * math.sqrt(2 * freedom)


@pytest.mark.parametrize("shifted", [False, True], ids=["same place", "shifted"])
def test_blocks_with_a_cache_are_the_argmax_of_whole_forward_passes(shifted):
    objective = make(IMAGE, block_size=4, shifted=shifted, steps=4, order="left_to_right")
    params, rows = params_of(IMAGE), 12
    request = request_of(range(rows), np.arange(rows) % 3)
    found = draw(dataclasses.replace(objective, rule=GREEDY), params, request)
    tokens, hidden = np.zeros((rows, 8), np.int32), np.ones((rows, 8), bool)
    ask = jax.jit(lambda tokens, hidden: objective._logits(params, sequence({"image": tokens}, IMAGE), hidden, Given.of(request), None))
    for i in range(8):
        tokens[:, i] = np.argmax(ask(tokens, hidden), -1)[:, i]
        hidden[:, i] = False
    np.testing.assert_array_equal(found.data.reshape(rows, 8), tokens)
    assert (int(found.cost.nfe), int(found.cost.sequential_depth)) == (9, 9)  # two blocks of four steps, and the first kept
    assert len(np.unique(tokens, axis=0)) > 1


def test_guidance_has_the_convention_of_every_other_objective():
    (plain, params), request = simple(steps=2), request_of(range(512), np.arange(512) % CLASSES)
    without = draw(plain, params, request_of(range(512), CLASSES)).data
    off, none = (draw(dataclasses.replace(plain, guidance_scale=scale), params, request) for scale in (1.0, 0.0))
    np.testing.assert_array_equal(none.data, without)
    assert (np.asarray(off.data) != without).mean() > 0.05
    assert (int(off.cost.nfe), int(none.cost.nfe), int(none.cost.sequential_depth)) == (2, 4, 2)


@pytest.mark.parametrize("options", [{"order": "ancestral"}, {"order": "confidence(noise=1)", "block_size": 2}], ids=str)
def test_a_sample_depends_on_its_id_and_class_and_not_on_its_neighbours(options):
    (objective, params), ids = simple(steps=3, **options), np.arange(64)
    sample = jax.jit(lambda request: objective.sample(params, request, KEY).data)
    before, order = np.asarray(sample(request_of(ids, ids % CLASSES))), np.random.default_rng(0).permutation(64)
    np.testing.assert_array_equal(sample(request_of(order, order % CLASSES)), before[order])
    strangers = np.where(ids % 3 == 0, ids, 5000 + ids)
    np.testing.assert_array_equal(np.asarray(sample(request_of(strangers, ids % CLASSES)))[::3], before[::3])
    assert len(np.unique(before, axis=0)) > 10


@pytest.mark.parametrize("options", [{}, pytest.param({"block_size": 4}, marks=pytest.mark.slow), {"block_size": 4, "shifted": True}], ids=str)
def test_infilling_keeps_what_is_known_and_does_not_see_what_was_there(options):
    (objective, params), batch, mask = simple(IMAGE, **options), make_batch(IMAGE, 32), np.random.default_rng(0).random((32, 2, 4, 1)) < 0.5
    request = {name: batch[name] for name in ("id", "label")}
    sample = jax.jit(lambda image, mask: objective.sample(params, request | {"image": image, "mask": mask}, KEY).data)
    edited = np.asarray(sample(batch["image"], mask))
    np.testing.assert_array_equal(edited[mask], batch["image"][mask])
    np.testing.assert_array_equal(edited, sample(np.where(mask, batch["image"], 0), mask))
    np.testing.assert_array_equal(sample(batch["image"], np.ones_like(mask)), batch["image"])
    np.testing.assert_array_equal(sample(batch["image"], np.zeros_like(mask)), draw(objective, params, request).data)
    with pytest.raises(UsageError, match="--redraw"):
        objective.sample(params, request | {"image": batch["image"]}, KEY)


@pytest.mark.parametrize("options", [{}, pytest.param({"block_size": 4}, marks=pytest.mark.slow)], ids=str)
def test_a_film_ends_with_the_sample_and_masking_begins_with_the_data(options):
    (objective, params), batch = simple(IMAGE, steps=2, **options), make_batch(IMAGE, 4)
    films = jax.jit(objective.film)(params, batch, KEY)
    revealing, masking = np.asarray(films["revealing"]), np.asarray(films["masking"])
    np.testing.assert_array_equal(revealing[-1], draw(objective, params, {name: batch[name] for name in ("id", "label")}).data)
    np.testing.assert_array_equal(masking[0], batch["image"])
    grey = IMAGE.levels // 2
    assert (revealing[0] == grey).all() and (masking[-1] == grey).all()
    blocks = objective.spec.num_dims // objective.block_size
    assert revealing.shape == (2 * blocks + 1, 4, *IMAGE.shape)
    shown = (revealing == revealing[-1]).reshape(len(revealing), -1)
    assert (np.diff(shown.astype(int), axis=0) >= 0).all()
    if blocks == 2:  # the lower block waits for the upper
        assert (revealing[1, :, 1] == grey).all() and not (revealing[2, :, 0] == grey).all()


def test_what_cannot_be_is_refused_at_construction():
    with pytest.raises(UsageError, match="does not divide"):
        make(block_size=3)
    with pytest.raises(UsageError, match="It has power"):
        make(schedule="polynomial(w=2)")
    with pytest.raises(UsageError, match="no option 'temperature'"):
        make(order="confidence(temperature=2)")
    assert set(absorbing.MASKINGS) == {"counted", "independent"}
