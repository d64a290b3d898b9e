"""Next-token prediction on a world small enough to list: all 81 sequences of four tokens with three levels."""

import dataclasses
import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import rng
from genjax.decoding.generate import begin, generate
from genjax.decoding.prompts import pad
from genjax.decoding.sampling import SamplingRule
from genjax.errors import UsageError
from genjax.models import adapters, masks
from genjax.types import DataSpec, Shown
from tests.helpers import TOKENS, assert_trees_close, build, fresh_params, make_batch, random_params

LEVELS, LENGTH, CLASSES = TOKENS.levels, TOKENS.num_dims, TOKENS.num_classes
WORLD = np.array(list(itertools.product(range(LEVELS), repeat=LENGTH)), np.int32)
IMAGE = DataSpec("toy image", "image", (2, 2, 1), 3, 2, 100, 10)
MANY = 1024  # rows of a request
KEY = jax.random.key(11)


def world(label: int | None = None, key: str = "tokens") -> dict[str, np.ndarray]:
    rows = len(WORLD)
    batch = {
        key: WORLD if key == "tokens" else WORLD.reshape(rows, *IMAGE.shape),
        "id": np.arange(rows, dtype=np.uint32),
        "weight": np.ones(rows, np.float32),
    }
    return batch | ({} if label is None else {"label": np.full(rows, label, np.int32)})


class Model:
    """An objective with random parameters, and its methods compiled."""

    def __init__(self, spec: DataSpec, **overrides):
        self.objective = build("next_token", spec, **overrides)
        self.params = random_params(self.objective.init, scale=1.0)
        self._likelihood = jax.jit(self.objective.likelihood)
        self._loss = jax.jit(functools.partial(self.objective.loss, train=False))
        self.logits = jax.jit(self._logits)

    def likelihood(self, batch, params=None):
        return self._likelihood(self.params if params is None else params, batch, KEY)

    def loss(self, batch, params=None):
        return self._loss(self.params if params is None else params, batch, KEY)

    def _logits(self, tokens, label):
        """p(x_i | x_<i, y) for every i at once, with nothing of the objective but its network."""
        network = self.objective.network
        inputs = jnp.concatenate([jnp.full((len(tokens), 1), LEVELS), tokens[:, :-1]], axis=1)
        at = jnp.broadcast_to(adapters.grid_coordinates(network.grid), (*tokens.shape, len(network.grid)))
        return network.apply({"params": self.params}, inputs, at, masks.causal(*tokens.shape), label)[0]

    @functools.cache  # noqa: B019
    def sampler(self, **fields):
        objective = dataclasses.replace(self.objective, **fields)
        return jax.jit(lambda request: objective.sample(self.params, request, KEY))


@pytest.fixture(scope="module")
def model():
    return Model(TOKENS)


@pytest.fixture(scope="module")
def unconditional():
    return Model(IMAGE, conditioning__label=False)


# ---- what nothing learnt gives -------------------------------------------------------------------------------------


def test_untrained_loss_is_the_log_of_the_levels(model):
    params, batch = fresh_params(model.objective), world(1)
    sums = model.loss(batch, params)
    np.testing.assert_allclose(sums.loss / sums.weight, math.log(LEVELS), rtol=1e-6)
    np.testing.assert_allclose(model.likelihood(batch, params).nats, LENGTH * math.log(LEVELS), rtol=1e-6)


# ---- the likelihood ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [*range(CLASSES), CLASSES])
def test_probabilities_of_all_sequences_add_up_to_one_for_each_class(label, model):
    probability = np.exp(-np.asarray(model.likelihood(world(label)).nats, np.float64))
    assert abs(probability.sum() - 1) < 1e-5
    assert probability.max() > 3 / len(WORLD)  # the parameters are not those of a uniform model


def test_probabilities_of_all_images_add_up_to_one_without_classes(unconditional):
    result = unconditional.likelihood(world(key="image"))
    assert abs(np.exp(-np.asarray(result.nats, np.float64)).sum() - 1) < 1e-5
    assert np.std(result.nats) > 0.1
    assert result.kind == "exact"
    np.testing.assert_array_equal(result.units, LENGTH)
    np.testing.assert_array_equal(result.stderr, 0)


def test_classes_matter(model):
    first, second = (np.asarray(model.likelihood(world(label)).nats) for label in (0, 1))
    assert np.abs(first - second).max() > 0.1


def test_likelihood_is_the_product_of_its_factors(model):
    batch = make_batch(TOKENS, len(WORLD), seed=1)
    logits = np.asarray(model.logits(batch["tokens"], batch["label"]), np.float64)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = [-sum(log_p[row, i, value] for i, value in enumerate(tokens)) for row, tokens in enumerate(batch["tokens"])]
    np.testing.assert_allclose(model.likelihood(batch).nats, expected, rtol=1e-5)


def test_a_value_changes_no_factor_up_to_its_own(model):
    tokens, label = WORLD, np.zeros(len(WORLD), np.int32)
    before = np.asarray(model.logits(tokens, label))
    for position in range(LENGTH):
        changed = tokens.copy()
        changed[:, position] = (changed[:, position] + 1) % LEVELS
        after = np.asarray(model.logits(changed, label))
        np.testing.assert_array_equal(after[:, : position + 1], before[:, : position + 1])
        assert position == LENGTH - 1 or np.abs(after[:, position + 1 :] - before[:, position + 1 :]).max() > 0.1


# ---- the loss ------------------------------------------------------------------------------------------------------


def test_loss_is_the_weighted_sum_of_the_likelihood(model):
    batch = make_batch(TOKENS, len(WORLD), seed=2) | {"weight": np.random.default_rng(0).choice([0.0, 0.5, 1.0, 2.0], len(WORLD)).astype(np.float32)}
    sums = model.loss(batch)
    np.testing.assert_allclose(sums.loss, batch["weight"] @ np.asarray(model.likelihood(batch).nats), rtol=1e-5)
    np.testing.assert_allclose(sums.weight, batch["weight"].sum() * LENGTH, rtol=1e-6)
    hits = np.argmax(model.logits(batch["tokens"], batch["label"]), -1) == batch["tokens"]
    np.testing.assert_allclose(sums.metrics["accuracy"], (batch["weight"] @ hits.sum(1), batch["weight"].sum() * LENGTH), rtol=1e-6)


# ---- sampling ------------------------------------------------------------------------------------------------------


def request_of(ids, label) -> dict[str, np.ndarray]:
    ids = np.asarray(ids, np.uint32)
    return {"id": ids, "label": np.broadcast_to(np.asarray(label, np.int32), ids.shape)}


def test_samples_follow_the_likelihood(model):
    """Pearson's chi-squared of 6144 samples over the listed world, at a level that a right sampler misses once in ten thousand."""
    samples = np.concatenate([model.sampler()(request_of(start + np.arange(MANY), 1)).data for start in range(0, 6 * MANY, MANY)])
    expected = len(samples) * np.exp(-np.asarray(model.likelihood(world(1)).nats, np.float64))
    counts = np.bincount(samples @ LEVELS ** np.arange(LENGTH)[::-1], minlength=len(WORLD))
    rare = expected < 5  # taken together: the test needs some of each
    expected, counts = np.append(expected[~rare], expected[rare].sum()), np.append(counts[~rare], counts[rare].sum())
    freedom = len(expected) - 1
    chi_squared = np.sum((counts - expected) ** 2 / expected)
    assert freedom > 20
    assert abs(chi_squared - freedom) < 4 * math.sqrt(2 * freedom)


@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_greedy_samples_are_the_argmax_of_whole_forward_passes(scale, model):
    rows = len(WORLD)
    requests = request_of(range(rows), np.arange(rows) % (CLASSES + 1))
    samples = model.sampler(rule=SamplingRule(temperature=0.0), guidance_scale=scale)(requests)
    tokens = np.zeros((rows, LENGTH), np.int32)
    for position in range(LENGTH):
        cond, uncond = (np.asarray(model.logits(tokens, label), np.float64) for label in (requests["label"], np.full(rows, CLASSES, np.int32)))
        tokens[:, position] = np.argmax(uncond + scale * (cond - uncond), axis=-1)[:, position]
    np.testing.assert_array_equal(samples.data, tokens)
    assert len(np.unique(tokens, axis=0)) > 1
    passes = LENGTH if scale == 1.0 else 2 * LENGTH
    assert (int(samples.cost.nfe), int(samples.cost.sequential_depth)) == (passes, LENGTH)


IDS = np.arange(MANY)


def test_guidance_of_one_is_the_conditional_model_bit_for_bit(model):
    """The twin is a sampler that knows no guidance."""
    requests, network = request_of(IDS, IDS % CLASSES), model.objective.network

    def conditional(requests):
        def apply(tokens, positions, real, cache):
            ids = masks.AttentionIds(positions, real.astype(jnp.int32), positions)
            return network.apply({"params": model.params}, tokens, positions[..., None], ids, requests["label"], cache=cache)

        start, cache = jnp.full((MANY,), LEVELS, jnp.int32), network.trunk.empty_cache(MANY, LENGTH)
        return generate(apply, begin(cache, start), LENGTH, SamplingRule(), rng.rows(KEY, requests["id"])).tokens

    np.testing.assert_array_equal(model.sampler()(requests).data, jax.jit(conditional)(requests))


def test_guidance_of_zero_is_the_model_without_class(model):
    without = model.sampler()(request_of(IDS, CLASSES)).data
    np.testing.assert_array_equal(model.sampler(guidance_scale=0.0)(request_of(IDS, IDS % CLASSES)).data, without)
    assert (without != model.sampler()(request_of(IDS, IDS % CLASSES)).data).mean() > 0.1


def test_a_sample_depends_on_its_id_and_class_and_not_on_its_neighbours(model):
    sample = model.sampler()
    before = np.asarray(sample(request_of(IDS, IDS % CLASSES)).data)
    order = np.random.default_rng(0).permutation(MANY)
    np.testing.assert_array_equal(sample(request_of(order, order % CLASSES)).data, before[order])
    strangers = np.where(IDS % 3 == 0, IDS, 5000 + IDS)
    np.testing.assert_array_equal(np.asarray(sample(request_of(strangers, IDS % CLASSES)).data)[::3], before[::3])
    np.testing.assert_array_equal(sample(request_of(IDS[:5], IDS[:5] % CLASSES)).data, before[:5])
    assert len(np.unique(before, axis=0)) > 40


def test_images_are_sampled_in_their_own_shape(unconditional):
    samples = unconditional.sampler()({"id": IDS.astype(np.uint32)}).data
    assert samples.shape == (MANY, *IMAGE.shape)
    pixel = samples.reshape(MANY, LENGTH)[:, 0]  # the first pixel has no past: its frequencies are its marginal
    probability = np.exp(-np.asarray(unconditional.likelihood(world(key="image")).nats))
    for level in range(LEVELS):
        p = probability[WORLD[:, 0] == level].sum()
        assert abs((pixel == level).mean() - p) < 5 * math.sqrt(p * (1 - p) / MANY)


# ---- completions ---------------------------------------------------------------------------------------------------

PROMPTS = [[], [2], [0, 1], [1, 0, 0]]


def complete(model, prompts, *, side="right", length, labels=1, **fields):
    objective = dataclasses.replace(model.objective, **fields)
    # The start token stands before the prompts, so an empty one is allowed here.
    tokens, real = pad([prompt or [0] for prompt in prompts], side=side)
    real &= np.array([len(prompt) > 0 for prompt in prompts])[:, None]
    requests = request_of(range(len(prompts)), labels)
    return jax.jit(lambda tokens, real: objective.complete(model.params, tokens, real, requests, KEY, length=length))(tokens, real).tokens


@pytest.mark.parametrize("side", ["left", "right"])
def test_greedy_completions_are_the_argmax_of_whole_forward_passes(side, model):
    drawn = complete(model, PROMPTS, side=side, length=1, rule=SamplingRule(temperature=0.0))
    rows = np.array([prompt + [0] * (LENGTH - len(prompt)) for prompt in PROMPTS])
    expected = np.argmax(model.logits(rows, np.ones(len(rows), np.int32)), axis=-1)
    np.testing.assert_array_equal(drawn[:, 0], [expected[row, len(prompt)] for row, prompt in enumerate(PROMPTS)])


def test_a_sample_is_the_completion_of_its_own_beginning(model):
    whole = np.asarray(model.sampler()(request_of(range(8), 1)).data)
    np.testing.assert_array_equal(complete(model, [list(row[:2]) for row in whole], length=2), whole[:, 2:])


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_beams_find_the_likeliest_sequence_of_the_world(scale, model):
    """As many beams as there are beginnings: nothing is lost. Guided, the likeliest under the guided model."""
    label = np.ones(len(WORLD), np.int32)
    cond, uncond = (np.asarray(model.logits(WORLD, label if given else label * 0 + CLASSES), np.float64) for given in (True, False))
    guided = uncond + scale * (cond - uncond)
    log_p = np.take_along_axis(guided - np.log(np.exp(guided).sum(-1, keepdims=True)), WORLD[..., None], axis=-1).sum((1, 2))
    found = model.sampler(beams=LEVELS ** (LENGTH - 1), guidance_scale=scale)(request_of([0, 7], 1)).data
    np.testing.assert_array_equal(found, [WORLD[np.argmax(log_p)]] * 2)


def test_beyond_the_length_of_training_attention_reaches_no_further_than_it(model):
    """Greedy, against whole forward passes of the same network with a window of that length."""
    drawn = complete(model, [[1, 0], [2, 1]], length=5, rule=SamplingRule(temperature=0.0))
    network = model.objective.network
    network = network.clone(trunk=network.trunk.clone(window=LENGTH))
    tokens = np.concatenate([[[LEVELS, 1, 0], [LEVELS, 2, 1]], drawn[:, :-1]], axis=1)
    at = np.broadcast_to(np.arange(7)[None, :, None], (2, 7, 1))
    logits = jax.jit(lambda: network.apply({"params": model.params}, tokens, at, masks.causal(2, 7), np.ones(2, np.int32))[0])()
    np.testing.assert_array_equal(np.argmax(logits, -1)[:, 2:], drawn)


def test_a_cache_that_grows_while_it_is_drawn_into_changes_no_token(model, monkeypatch):
    """Guided, after prompts of two lengths, within the length of training."""
    draw = lambda: complete(model, [[], [1]], length=2, guidance_scale=2.0)
    at_once = draw()
    monkeypatch.setattr("genjax.decoding.generate.SHORTEST", 1)
    np.testing.assert_array_equal(draw(), at_once)


# ---- drafts, and prompts in pieces ---------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [pytest.param(1.0, marks=pytest.mark.slow), 2.0])
def test_a_draft_changes_how_often_the_model_is_called_and_no_token(scale, model):
    """Beyond the length of training and with a class, after prompts of several lengths; as many calls as the cost says."""
    draft, length = "repeat_last(context=1,guesses=2)", 40

    def drawn(draft, rule):
        objective = dataclasses.replace(model.objective, guidance_scale=scale, draft=draft, rule=rule)
        (tokens, real), requests = pad([prompt or [0] for prompt in PROMPTS]), request_of(range(len(PROMPTS)), 1)
        return jax.jit(lambda: objective.complete(model.params, tokens, real, requests, KEY, length=length))(), objective

    for rule in (SamplingRule(0.0), SamplingRule(0.3)):
        (fast, objective), (slow, _) = drawn(draft, rule), drawn("none", rule)
        np.testing.assert_array_equal(fast.tokens, slow.tokens)
        assert int(slow.steps) == length
        assert length / 3 <= int(fast.steps) < length
        assert (objective.cost(fast.steps).nfe, objective.cost(fast.steps).sequential_depth) == (scale * fast.steps, fast.steps)


def test_samples_are_the_same_with_a_draft_and_cost_what_was_computed(model):
    requests, rule = request_of(IDS, 1), SamplingRule(0.0)
    plain, fast = model.sampler(rule=rule)(requests), model.sampler(rule=rule, draft="repeat_last(context=1,guesses=2)")(requests)
    np.testing.assert_array_equal(fast.data, plain.data)
    assert int(plain.cost.nfe) == LENGTH and 2 <= int(fast.cost.nfe) == int(fast.cost.sequential_depth) <= LENGTH


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"next_token__draft": "repeat_last", "next_token__beams": 2}, "a beam search guesses nothing ahead"),
        ({"next_token__draft": "repeat_last(context=0)"}, "option 'context' of the draft 'repeat_last' must be a whole number at least 1"),
    ],
)
def test_a_draft_that_cannot_be_is_refused(fields, sentence):
    with pytest.raises(UsageError, match=sentence):
        build("next_token", TOKENS, **fields)


def test_a_part_is_not_redrawn_with_a_draft(model):
    requests = request_of(range(2), 1) | {"tokens": WORLD[:2], "mask": np.ones((2, LENGTH), bool)}
    with pytest.raises(UsageError, match=r"what is redrawn is drawn one by one: set next_token\.draft=none"):
        model.sampler(draft="repeat_last")(requests)


def test_a_prompt_that_is_read_in_pieces_is_read_as_at_once(model):
    """What the next step makes of it, to the rounding of float32, and the tokens that follow. The cache goes round."""
    tokens, real = pad([[2], [0, 1], [1, 0, 0], [2, 2, 1, 0, 1, 2, 0]], side="left")
    requests = request_of(range(4), 1)

    def read(chunk):
        objective = dataclasses.replace(model.objective, prefill_chunk=chunk)
        progress = jax.jit(lambda: objective.read(model.params, tokens, real, requests, 4))()
        apply, _ = objective.decoder(model.params, tokens.shape[1] + 4)
        logits, _ = jax.jit(apply)(progress.token[:, None], progress.position[:, None], np.ones((4, 1), bool), progress.state)
        return (logits, *progress[:-1]), jax.jit(lambda: objective.complete(model.params, tokens, real, requests, KEY, length=4))().tokens

    (pieces, after_pieces), (whole, after_whole) = read(4), read(None)
    assert_trees_close(pieces, whole, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(after_pieces, after_whole)


def test_a_completion_that_does_not_fit_an_image_is_refused(unconditional):
    prompt = np.zeros((1, 3), np.int32)
    with pytest.raises(UsageError, match="5 positions do not fit into a grid of 4"):
        unconditional.objective.complete(unconditional.params, prompt, prompt == 0, {"id": np.zeros(1, np.uint32)}, KEY, length=2)


def test_learned_positions_hold_no_more_than_were_learned():
    text = DataSpec("toy text", "tokens", (4,), 3, 0, 100, 10, "byte")
    objective = build("next_token", text, model__positions="learned")
    objective.decoder(random_params(objective.init), 4)
    with pytest.raises(UsageError, match=r"5 positions, and the model has learned 4: shorten the prompt or sample\.length"):
        objective.decoder(random_params(objective.init), 5)


LONG = DataSpec("toy text", "tokens", (200,), 5, 0, 100, 10)
SPOKEN_OF = dataclasses.replace(LONG, words=7, caption_length=6)
ABOUT = dataclasses.replace(LONG, prompted=True, caption_length=64, shown=(Shown((8, 8, 1), 4),))
PLANE = DataSpec("toy plane", "tokens", (16, 16), 5, 0, 100, 10)


@pytest.mark.parametrize(
    ("spec", "options", "ordered"),
    [
        (LONG, {}, True),
        (PLANE, {"next_token__scan": "hilbert"}, True),
        (SPOKEN_OF, {"conditioning__text": "tokens"}, True),
        (dataclasses.replace(LONG, prompted=True), {}, True),
        (dataclasses.replace(LONG, prompted=True), {"next_token__encoder": "trunk(depth=1)"}, True),
        (dataclasses.replace(LONG, prompted=True), {"next_token__attention": "prefix"}, False),
        (ABOUT, {"conditioning__text": "tokens"}, False),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_the_order_that_is_promised_to_the_trunk_changes_no_loss(spec, options, ordered):
    """Rows of two segments and padding, of which a half are prompts where there are any."""
    objective = build("next_token", spec, **options)
    assert objective.network.trunk.ordered == ordered
    batch, length = make_batch(spec, 2), spec.num_dims
    if spec.key == "tokens" and len(spec.shape) == 1:
        at = np.broadcast_to(np.arange(length), (2, length))
        batch["segment_ids"] = np.where(at < 90, 1, np.where(at < 180, 2, 0)).astype(np.int32)
        batch["positions"] = np.where(at < 90, at, at - 90).astype(np.int32)
        batch["loss_mask"] = ((at % 90 >= 40) & (at < 180)).astype(np.float32)
        batch["num_units"] = np.ones(2, np.float32)
    if spec.caption_length:
        batch["caption"] = np.random.default_rng(3).integers(1, spec.words or 5, (2, spec.caption_length)).astype(np.int32)
    params = random_params(objective.init)
    network = objective.network
    plain = dataclasses.replace(objective, network=network.clone(trunk=network.trunk.clone(ordered=False, parent=None), parent=None))
    losses = [jax.jit(functools.partial(each.loss, train=False))(params, batch, KEY) for each in (objective, plain)]
    assert_trees_close(*losses, rtol=1e-5, atol=1e-5)
