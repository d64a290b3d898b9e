"""Answers to prompts: a prefix language model and an encoder-decoder read the same rows as a causal model; what they may see is known exactly."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.decoding.generate import make_step, stream
from genjax.decoding.prompts import pad
from genjax.errors import UsageError
from genjax.models.masks import AttentionIds
from genjax.objectives.base import Given
from genjax.objectives.next_token import _features
from genjax.objectives.sequences import sequence
from genjax.types import DataSpec
from tests.helpers import TOKENS, assert_trees_close, build, random_params

WORDS, END, ASK = 5, 5, 6
SPEC = DataSpec("toy prompts", "tokens", (16,), 7, 0, 100, 10, "byte", True)
PROMPTS = [[1, 2, 3, ASK], [4, ASK], [0, 1, 0, 2, 3, ASK], [ASK]]
ANSWERS = [[3, 2, 1, END], [0, 0, END], [4, END], [1, 2, 3, 4, END]]
KEY = jax.random.key(3)
KINDS = {"causal": {}, "prefix": {"next_token__attention": "prefix"}, "encoder": {"next_token__encoder": "trunk(depth=2)"}}


def rows(*rows_of_pairs):
    """A batch whose rows hold these (prompt, answer), one segment each."""
    count = len(rows_of_pairs)
    batch = {name: np.zeros((count, 16), np.int32) for name in ("tokens", "segment_ids", "positions")} | {
        "loss_mask": np.zeros((count, 16), np.float32)
    }
    for row, pairs in enumerate(rows_of_pairs):
        at = 0
        for segment, (prompt, answer) in enumerate(pairs, 1):
            here = slice(at, at + len(prompt) + len(answer))
            batch["tokens"][row, here] = prompt + answer
            batch["segment_ids"][row, here], batch["positions"][row, here] = segment, np.arange(len(prompt) + len(answer))
            tokens = np.array(prompt + answer)  # what was asked for and has not ended is supervised
            batch["loss_mask"][row, here] = np.cumsum(tokens == ASK) - (tokens == ASK) > np.cumsum(tokens == END) - (tokens == END)
            at = here.stop
    units = batch["loss_mask"].sum(1)
    return batch | {"num_units": units, "id": np.arange(count, dtype=np.uint32), "weight": np.ones(count, np.float32)}


ALONE = rows(*[[pair] for pair in zip(PROMPTS, ANSWERS, strict=True)])
PACKED = rows(list(zip(PROMPTS[:2], ANSWERS[:2], strict=True)), list(zip(PROMPTS[2:], ANSWERS[2:], strict=True)))


class Model:
    def __init__(self, kind):
        self.objective = build("next_token", SPEC, model__kv_heads=1, **KINDS[kind])
        self.params = random_params(self.objective.init)
        self.logits = jax.jit(self._logits)
        self.likelihood = jax.jit(lambda batch: self.objective.likelihood(self.params, batch, KEY).nats)

    def _logits(self, batch):
        """Of every token of a batch, with teacher forcing."""
        network, read = self.objective.network, functools.partial(_features, rows=sequence(batch, SPEC), prefix=self.objective.prefix)
        read = functools.partial(read, given=Given(None, None), dropout_keys=(None, None))
        return network.apply({"params": self.params}, method=lambda network: network.logits(read(network)))

    @functools.cached_property
    def read(self):
        """What the model makes of prompts: the encoder's context, or the logits of the one trunk."""
        network = self.objective.network
        if network.encoder is None:
            return self.logits

        def context(batch):
            rows = sequence(batch, SPEC)
            ids = AttentionIds(jnp.zeros_like(rows.tokens), jnp.where(rows.prefix, rows.segment_ids, 0), rows.tokens)
            return network.apply({"params": self.params}, rows.shifted(network.vocab), rows.coordinates, ids, method="encode").features

        return jax.jit(context)

    @functools.cache  # noqa: B019
    def completer(self, **fields):
        objective = dataclasses.replace(self.objective, **fields)
        return jax.jit(lambda prompt, real, ids: objective.complete(self.params, prompt, real, {"id": ids}, KEY, length=6, stop=((END,),)))


@pytest.fixture(scope="module", params=["prefix", "encoder"])
def model(request):
    return Model(request.param)


def test_packed_answers_are_as_likely_as_alone(model):
    packed, alone = np.asarray(model.likelihood(PACKED)), np.asarray(model.likelihood(ALONE))
    np.testing.assert_allclose(packed, [alone[:2].sum(), alone[2:].sum()], rtol=1e-5)


def test_only_answers_are_scored(model):
    logits = np.asarray(model.logits(ALONE), np.float64)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = [-sum(log_p[row, len(p) + i, token] for i, token in enumerate(a)) for row, (p, a) in enumerate(zip(PROMPTS, ANSWERS, strict=True))]
    np.testing.assert_allclose(model.likelihood(ALONE), expected, rtol=1e-5)


def test_an_answer_sees_all_of_its_prompt_and_nothing_after_itself(model):
    """By changing every token of the first segment of a packed row in turn."""
    prompt, length = len(PROMPTS[0]), len(PROMPTS[0]) + len(ANSWERS[0])
    same = {name: np.repeat(value[:1], length, 0) for name, value in PACKED.items()}
    changed = same | {"tokens": same["tokens"].copy()}
    changed["tokens"][np.arange(length), np.arange(length)] = (changed["tokens"][np.arange(length), np.arange(length)] + 1) % WORDS
    moved = np.abs(np.asarray(model.logits(changed)) - np.asarray(model.logits(same))).max(-1)
    for position in range(length):
        scored = moved[position, prompt:]
        after = max(position + 1 - prompt, 0)
        assert (scored[:after] == 0).all(), "nothing before or at a token depends on it"
        assert (scored[after : length - prompt] > 1e-4).all(), "everything of the segment after it does"
        assert (scored * PACKED["loss_mask"][0, prompt:])[length - prompt :].max() == 0, "nor does another segment"


@pytest.mark.parametrize("kind", KINDS)
def test_the_prompt_is_read_in_both_directions_except_by_a_causal_model(kind):
    """What is made of the first two tokens of a prompt depends on its third where attention goes both ways."""
    model = Model(kind)
    changed = dict(ALONE) | {"tokens": ALONE["tokens"].copy()}
    changed["tokens"][0, 1] = 4  # the input of position 2
    moved = np.abs(np.asarray(model.read(changed)) - np.asarray(model.read(ALONE))).max(-1)[0]
    np.testing.assert_array_equal(moved[:2] > 1e-4, kind != "causal")
    assert moved[2] > 1e-4


def test_cached_decoding_has_the_logits_of_the_whole_forward_pass(model):
    """Ragged prompts, one of them with an earlier turn, padded on either side: every step of decoding has the logits of teacher forcing."""
    prompts = [*PROMPTS[:3], [1, 1, ASK, 2, END, 3, 0, ASK]]
    whole = np.asarray(model.logits(rows(*[[pair] for pair in zip(prompts, ANSWERS, strict=True)])))
    longest = max(map(len, ANSWERS))
    objective = model.objective

    @jax.jit
    def steps(prompt, real, answers):
        progress = objective.read(model.params, prompt, real, {"id": jnp.arange(4)}, longest)
        apply, _ = objective.decoder(model.params, prompt.shape[1] + longest)
        state, token, found = progress.state, progress.token, []
        for step in range(longest):
            logits, state = apply(token[:, None], progress.position[:, None] + step, jnp.ones((4, 1), bool), state)
            found.append(logits[:, 0])
            token = answers[:, step]
        return jnp.stack(found, 1)

    answers = np.array([answer + [0] * (longest - len(answer)) for answer in ANSWERS])
    for side in ("left", "right"):
        got = np.asarray(steps(*pad(prompts, side=side), answers))
        for row, (prompt, answer) in enumerate(zip(prompts, ANSWERS, strict=True)):
            np.testing.assert_allclose(got[row, : len(answer)], whole[row, len(prompt) : len(prompt) + len(answer)], rtol=1e-4, atol=2e-5)


def test_reordered_rows_go_on_from_what_they_took_over(model):
    """As beams do, but between prompts: after two tokens row r is what row taken[r] was, with its prompt, and goes on with two tokens of its own."""
    objective, taken = model.objective, np.array([2, 0, 0, 3])
    begun, own = np.array([[1, 2], [3, 0], [2, 2], [0, 4]]), np.array([[4, 1], [0, 3], [1, 1], [2, 0]])
    pairs = [(PROMPTS[t], [*begun[t].tolist(), *own[r].tolist()]) for r, t in enumerate(taken)]
    whole = np.asarray(model.logits(rows(*[[pair] for pair in pairs])))

    @jax.jit
    def steps(prompt, real):
        progress = objective.read(model.params, prompt, real, {"id": jnp.arange(4)}, 4)
        apply, take = objective.decoder(model.params, prompt.shape[1] + 4)
        state, token, at, found = progress.state, progress.token, progress.position, []
        for step, following in enumerate(np.concatenate([begun, own], axis=1).T):
            if step == 2:
                state, at, token = take(state, taken), at[taken], token[taken]
            logits, state = apply(token[:, None], at[:, None] + step, jnp.ones((4, 1), bool), state)
            found.append(logits[:, 0])
            token = jnp.asarray(following)
        return jnp.stack(found[2:], 1)

    got = np.asarray(steps(*pad(PROMPTS)))
    for row, (prompt, _) in enumerate(pairs):
        np.testing.assert_allclose(got[row], whole[row, len(prompt) + 2 : len(prompt) + 4], rtol=1e-4, atol=2e-5)


def test_greedy_answers_are_the_likeliest_tokens_of_the_whole_forward_pass_and_end_at_the_end(model):
    drawn = model.completer(rule=dataclasses.replace(model.objective.rule, temperature=0.0))(*pad(PROMPTS), np.arange(4))
    tokens, lengths = np.asarray(drawn.tokens), np.asarray(drawn.lengths)
    answers = [list(row[:n]) for row, n in zip(tokens, lengths, strict=True)]
    logits = np.asarray(model.logits(rows(*[[pair] for pair in zip(PROMPTS, answers, strict=True)])))
    for row, (prompt, answer) in enumerate(zip(PROMPTS, answers, strict=True)):
        np.testing.assert_array_equal(logits[row, len(prompt) : len(prompt) + len(answer)].argmax(-1), answer)
        assert len(answer) == 6 or answer[-1] == END
        assert END not in answer[:-1]


def test_a_beam_that_holds_everything_finds_an_answer_at_least_as_likely_as_greedy(model):
    prompts = pad(PROMPTS)
    greedy = model.completer(rule=dataclasses.replace(model.objective.rule, temperature=0.0))(*prompts, np.arange(4))
    beam = model.completer(beams=7, length_penalty=0.0)(*prompts, np.arange(4))

    def nats(drawn):
        answers = [list(row[:n]) for row, n in zip(np.asarray(drawn.tokens), np.asarray(drawn.lengths), strict=True)]
        return np.asarray(model.likelihood(rows(*[[pair] for pair in zip(PROMPTS, answers, strict=True)])))

    assert (nats(beam) <= nats(greedy) + 1e-4).all()


def test_streamed_answers_are_those_that_are_drawn_at_once(model):
    prompt, real = pad(PROMPTS[:1])
    at_once = model.completer()(*pad(PROMPTS[:1]), np.arange(1))
    progress = jax.jit(lambda: model.objective.read(model.params, prompt, real, {"id": jnp.arange(1)}, 6, ((END,),)))()
    apply, _ = model.objective.decoder(model.params, prompt.shape[1] + 6)
    step = jax.jit(make_step(apply, model.objective.rule, jax.vmap(jax.random.fold_in, (None, 0))(KEY, jnp.arange(1)), ((END,),)))
    assert [int(token[0]) for token, _ in stream(step, progress, 6)] == list(np.asarray(at_once.tokens)[0, : int(at_once.lengths[0])])


def test_guesses_change_no_answer_and_not_where_it_ends(model):
    greedy = {"rule": dataclasses.replace(model.objective.rule, temperature=0.0)}
    options = greedy, greedy | {"draft": "repeat_last(context=1,guesses=3)"}
    slow, fast = (model.completer(**fields)(*pad(PROMPTS), np.arange(4)) for fields in options)
    np.testing.assert_array_equal(fast.tokens, slow.tokens)
    np.testing.assert_array_equal(fast.lengths, slow.lengths)
    assert int(fast.steps) <= int(slow.steps)


def test_an_answer_to_a_prompt_that_is_read_in_pieces_is_that_to_the_whole():
    """Of an encoder-decoder the decoder reads earlier turns in pieces; a prefix that sees itself cannot be cut."""
    model, (prompts, real) = Model("encoder"), pad([*PROMPTS[:3], [1, 1, ASK, 2, END, 3, 0, ASK]])

    def read(chunk):
        objective = dataclasses.replace(model.objective, prefill_chunk=chunk)
        return jax.jit(lambda: objective.read(model.params, prompts, real, {"id": jnp.arange(4)}, 6))()

    assert_trees_close(read(4), read(None), rtol=1e-5, atol=1e-5)
    with pytest.raises(UsageError, match=r"read at once: set next_token\.prefill_chunk=None, or next_token\.attention=causal"):
        build("next_token", SPEC, **KINDS["prefix"], next_token__prefill_chunk=4)


def test_prompts_are_needed():
    for kind in ("prefix", "encoder"):
        with pytest.raises(UsageError, match="data with prompts"):
            build("next_token", TOKENS, **KINDS[kind])
    with pytest.raises(UsageError, match=r"set model\.positions=rotary"):
        build("next_token", SPEC, **KINDS["encoder"], model__positions="learned")
    with pytest.raises(UsageError, match="reads the prompt in both directions"):
        build("next_token", SPEC, **KINDS["prefix"], **KINDS["encoder"])
