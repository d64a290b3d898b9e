"""Masked diffusion: the probability of an array by revealing its values in any order, many at a time if need be.

    -log p(x | y) <= E [ sum over masked i of w_i (-log p(x_i | z, y)) ]                            (1)

with z the array with some values masked and the weights of `diffusion.absorbing`: the twin of next-token prediction, with the same network,
which is given the mask as the id V and sees in both directions. It is not given the time, and what is shown is never predicted.

With a block size k the blocks are written from left to right, each by masked diffusion given the blocks before it (arXiv:2503.09573):

    -log p(x | y) = sum over blocks b of -log p(x^b | x^<b, y),  each bounded as in (1)             (2)

In training the network sees every position twice, clean and masked, so that all blocks are learned at once (`masks.clean_and_draft`); a
sample keeps the finished blocks in the cache. One block is masked diffusion. Blocks of one are autoregressive: their only masking is full,
(1) has one term, and the figure is exact. `shifted` reads the prediction of a value where the value before it goes in, as next-token
prediction does: then blocks of one are next-token prediction, parameter for parameter. (What is read so cannot see the last value of its
own block; without `shifted` it can.)
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import optax

from genjax import rng
from genjax.config import Choice, require
from genjax.decoding.sampling import SamplingRule, guide
from genjax.diffusion import absorbing, likelihood, time_sampling
from genjax.models import masks
from genjax.models.networks import TokenNetwork
from genjax.models.trunk import by_layer
from genjax.objectives.base import Given, base_label, classes_from, hide, no_caption, request_of
from genjax.objectives.sequences import Sequence, cache_of, network_from, sequence
from genjax.registry import bind
from genjax.types import Array, Batch, Cost, DataSpec, Key, Likelihood, LossSums, Params, Samples, Work


@dataclasses.dataclass(frozen=True)
class MaskedDiffusion:
    """See the module's text; the fields are those of `masked_diffusion` in configs/base.py, where names may carry options."""

    network: TokenNetwork
    spec: DataSpec
    schedule: str
    masking: str
    time_sampler: str
    block_size: int
    shifted: bool
    order: str
    steps: int
    bound: str
    eval_times: int
    rule: SamplingRule
    drop_rate: float
    base_label: int
    guidance_scale: float

    generates: ClassVar[bool] = True
    scores: ClassVar[bool] = True

    @classmethod
    def build(cls, config: Any, spec: DataSpec) -> MaskedDiffusion:
        options = config.masked_diffusion
        block = options.block_size or spec.num_dims
        require(
            spec.num_dims % block == 0,
            f"masked_diffusion.block_size={block} does not divide the {spec.num_dims} values of an example of {spec.name}: set a divisor, or 0",
        )
        bind(absorbing.SCHEDULES, Choice(options.schedule).parts, "schedule")
        bind(absorbing.ORDERS, Choice(options.order).parts, "order")
        classes = classes_from(config, spec)
        return cls(
            network=network_from(config, spec, causal=False),
            spec=spec,
            schedule=options.schedule,
            masking=options.masking,
            time_sampler=options.time_sampler,
            block_size=block,
            shifted=options.shifted,
            order=options.order,
            steps=options.steps,
            bound=options.likelihood,
            eval_times=options.eval_times,
            rule=SamplingRule(temperature=options.temperature, top_p=options.top_p),
            drop_rate=config.conditioning.drop_rate,
            base_label=base_label(config, classes),
            guidance_scale=config.sample.guidance_scale,
        )

    def init(self, key: Key) -> Params:
        rows, one = sequence({self.spec.key: jnp.zeros((1, *self.spec.shape), jnp.int32)}, self.spec), jnp.zeros((1,), jnp.int32)
        seen = masks.bidirectional(*rows.tokens.shape)
        return self.network.init(key, rows.tokens, rows.coordinates, seen, one, caption=no_caption(self.spec))["params"]

    def loss(self, params: Params, batch: Batch, key: Key, *, train: bool) -> LossSums:
        def keys(name: str) -> Key:
            return rng.rows(rng.fold_name(key, name), batch["id"])

        rows = sequence(batch, self.spec)
        source, _ = time_sampling.TIME_SAMPLERS[self.time_sampler]
        masked = self._mask(self.masking, rows, source(rng.fold_name(key, "time"), batch["id"]), keys("mask"))
        given = hide(Given.of(batch), self.network.num_classes, self.drop_rate, keys("label")) if train else Given.of(batch)
        logits = self._logits(params, rows, masked.hidden, given, keys("dropout") if train else None)
        nats = optax.softmax_cross_entropy_with_integer_labels(logits, rows.tokens)

        each = batch["weight"][:, None] * rows.mask
        count, hidden = jnp.sum(each), each * masked.hidden
        hits = jnp.sum(hidden * (jnp.argmax(logits, axis=-1) == rows.tokens))
        # Not a likelihood: what a masked value costs on average says nothing of how many it takes.
        metrics = {"accuracy": (hits, jnp.sum(hidden)), "masked_nats": (jnp.sum(hidden * nats), jnp.sum(hidden)), "masked": (jnp.sum(hidden), count)}
        return LossSums(jnp.sum(each * masked.weight * nats), count, metrics)

    def likelihood(self, params: Params, batch: Batch, key: Key) -> Likelihood:
        rows, keys = sequence(batch, self.spec), rng.rows(key, batch["id"])
        nats, stderr = BOUNDS[self.bound](self, partial(self._nats, params, rows, Given.of(batch)), rows, keys)
        kind = "exact" if self.block_size == 1 and self.bound == "bound" else "upper_bound"
        return Likelihood(nats, rows.units, stderr, {}, kind, self.spec.unit)

    def sample(self, params: Params, request: Batch, key: Key) -> Samples:
        """New rows; with the data and `mask` in the request, rows that keep the data where the mask is true and draw the rest, each value
        given all that is known in its own block and the blocks before.
        """
        path, cost = self._reveal(params, request, key)
        tokens = jnp.swapaxes(path[:, -1], 0, 1)
        return Samples(tokens.reshape(-1, *self.spec.shape), cost)

    def work(self) -> Work:
        blocks, length = self._blocks, self.spec.num_dims
        targets = blocks * absorbing.expected(self.masking, self._schedule, self.block_size)
        if blocks == 1:
            return Work(positions=length, visible=1.0, targets=targets)
        return Work(positions=2 * length, visible=(blocks + 1) / (4 * blocks), targets=targets)  # clean and draft

    def film(self, params: Params, batch: Batch, key: Key) -> dict[str, Array]:
        """`masking`: the batch's arrays from whole to masked, at nine even rates. `revealing`: a sample as far as it is known, before every
        step and after the last. What is masked has the middle level.
        """
        rows = sequence(batch, self.spec)
        u = rng.uniform(rng.rows(key, batch["id"]), rows.tokens.shape[1:])
        masking = jnp.where(u < jnp.linspace(0, 1, 9)[:, None, None], self.network.vocab, rows.tokens)
        path, _ = self._reveal(params, request_of(batch), key)

        blocks, frames = path.shape[:2]  # block after block: what is before is finished, what is after is masked
        at = jnp.arange(blocks * (frames - 1) + 1)
        frame = jnp.clip(at[:, None] - (frames - 1) * jnp.arange(blocks), 0, frames - 1)
        revealing = jnp.moveaxis(path[jnp.arange(blocks), frame], 1, 2)
        return {name: self._shown(frames) for name, frames in {"masking": masking, "revealing": revealing}.items()}

    # ---- the model -------------------------------------------------------------------------------------------------

    def _mask(self, masking: str, rows: Sequence, t: Array, keys: Key) -> absorbing.Masked:
        """What is masked of B rows at the times t [B] of their first blocks; the times of a row's blocks are evenly spread."""
        number = self._groups(rows)
        count = rows.tokens.shape[1] if self._blocks > 1 else 1
        # A time is never 0, where nothing is masked and that counts infinitely.
        times = (t[:, None] + jnp.arange(count) / self._blocks) % 1.0 + 2.0**-25
        u = rng.uniform(keys, rows.tokens.shape[1:])
        return absorbing.MASKINGS[masking](self._schedule, rows.mask > 0, number, times, u)

    def _nats(self, params: Params, rows: Sequence, given: Given, masked: absorbing.Masked) -> Array:
        """The sum of (1) for one masking: [B]."""
        logits = self._logits(params, rows, masked.hidden, given, None)
        return jnp.sum(rows.mask * masked.weight * optax.softmax_cross_entropy_with_integer_labels(logits, rows.tokens), axis=1)

    def _logits(self, params: Params, rows: Sequence, hidden: Array, given: Given, dropout_keys: Key | None) -> Array:
        """Logits [B, T, V] of every value, where `hidden` [B, T] are masked in the blocks that they belong to."""
        draft = rows._replace(tokens=jnp.where(hidden, self.network.vocab, rows.tokens))
        seen = masks.bidirectional(*rows.tokens.shape)._replace(segment_ids=rows.segment_ids)
        inputs, coordinates = self._inputs(draft, rows), rows.coordinates
        if self._blocks > 1:
            seen = masks.clean_and_draft(seen._replace(block_ids=self._place(rows) // self.block_size))
            inputs = jnp.concatenate([self._inputs(rows, rows), inputs], axis=1)
            coordinates = jnp.concatenate([coordinates, coordinates], axis=1)
        logits, _ = self.network.apply({"params": params}, inputs, coordinates, seen, given.label, dropout_keys, caption=given.caption)
        return logits[:, -rows.tokens.shape[1] :]

    def _inputs(self, draft: Sequence, clean: Sequence) -> Array:
        """What goes in at every position: its value, or the one before it, which is finished where a block begins."""
        if not self.shifted:
            return draft.tokens
        begins = self._place(clean) % self.block_size == 0
        return jnp.where(begins, clean.shifted(self.network.vocab), draft.shifted(self.network.vocab))

    def _place(self, rows: Sequence) -> Array:
        """The place of every token in its segment, int32 [B, T]."""
        at = jnp.arange(rows.tokens.shape[1])
        return at - jax.lax.cummax(jnp.where(rows.begins, at, 0), axis=1)

    def _groups(self, rows: Sequence) -> Array:
        """The number in its row of every token's block, int32 [B, T]."""
        if self._blocks == 1:
            return jnp.zeros_like(rows.tokens)
        return jnp.cumsum(self._place(rows) % self.block_size == 0, axis=1) - 1

    @property
    def _blocks(self) -> int:
        return self.spec.num_dims // self.block_size

    @property
    def _schedule(self) -> absorbing.Schedule:
        return bind(absorbing.SCHEDULES, Choice(self.schedule).parts, "schedule")()

    # ---- the sampler -----------------------------------------------------------------------------------------------

    def _reveal(self, params: Params, request: Batch, key: Key) -> tuple[Array, Cost]:
        """[blocks, steps + 1, B, block size], what is known of each block before every step and after the last; and the cost of a row."""
        rows, guided, vocab = request["id"].shape[0], self.guidance_scale != 1.0, self.network.vocab
        given, params = Given.of(request), by_layer(params)
        if guided:  # every row twice in one batch: with its condition, and without
            given = jax.tree.map(lambda *parts: jnp.concatenate(parts), given, given.instead(self.base_label))
        batch, length = (2 if guided else 1) * rows, self.spec.num_dims
        keys = rng.rows(key, request["id"])

        tokens = jnp.full((rows, length), vocab, jnp.int32)
        told = sequence({self.spec.key: tokens} | request, self.spec)
        if self.spec.key in request:
            require("mask" in request, "masked_diffusion cannot begin from an image: say which part to draw anew with --redraw")
            known = jnp.broadcast_to(request["mask"], request[self.spec.key].shape).reshape(rows, length)
            tokens = jnp.where(known, told.tokens, tokens)

        def cut(x: Array) -> Array:  # [B, T, ...] -> [blocks, B, block size, ...]
            return jnp.moveaxis(x.reshape(x.shape[0], self._blocks, self.block_size, *x.shape[2:]), 1, 0)

        coordinates, segments = (jnp.concatenate([x, x]) if guided else x for x in (told.coordinates, told.segment_ids))
        coordinates = cut(coordinates)
        ids = masks.clean_and_draft(masks.block_causal(batch, length, self.block_size)._replace(segment_ids=segments))
        clean, draft = jax.tree.map(lambda x: cut(x[:, :length]), ids), jax.tree.map(lambda x: cut(x[:, length:]), ids)

        def run(tokens, before, at, ids, cache):
            if self.shifted:
                tokens = jnp.concatenate([before[:, None], tokens[:, :-1]], axis=1)
            inputs = jnp.concatenate([tokens, tokens]) if guided else tokens
            return self.network.apply({"params": params}, inputs, at, ids, given.label, cache=cache, caption=given.caption)

        def block(carry, here):
            before, cache = carry
            number, tokens, at, clean, draft = here

            def predict(tokens):  # drafts are not kept in the cache
                logits, _ = run(tokens, before, at, draft, cache)
                return guide(logits[:rows], logits[rows:], self.guidance_scale) if guided else logits

            order = bind(absorbing.ORDERS, Choice(self.order).parts, "order")
            found = absorbing.reveal(predict, self._choose, order, self._schedule, self.steps, tokens, vocab, rng.each(keys, number))
            if self._blocks > 1:
                cache = jax.lax.cond(number < self._blocks - 1, lambda: run(found.tokens, before, at, clean, cache)[1], lambda: cache)
            return (found.tokens[:, -1], cache), found.path

        start = jnp.full((rows,), vocab, jnp.int32), cache_of(self.network, params, given, batch, length)
        _, path = jax.lax.scan(block, start, (jnp.arange(self._blocks), cut(tokens), coordinates, clean, draft))
        depth = self._blocks * self.steps + self._blocks - 1
        return path, Cost(nfe=depth * (2 if guided else 1), sequential_depth=depth)

    def _choose(self, logits: Array, keys: Key) -> Array:
        """Tokens [B, T] of logits [B, T, V], each drawn with its row's key and its place."""
        flat = self.rule(logits.reshape(-1, logits.shape[-1]), rng.along(keys, jnp.arange(logits.shape[1])).reshape(-1))
        return flat.reshape(logits.shape[:2])

    def _shown(self, frames: Array) -> Array:
        """Frames [F, B, ...] of tokens in the shape of the data, the masked ones at the middle level."""
        seen = jnp.where(frames == self.network.vocab, self.network.vocab // 2, frames)
        return seen.reshape(*frames.shape[:2], *self.spec.shape)


# Each: (objective, nats of a masking [B], rows, keys) -> nats a row and their standard error, [B] each.


def _continuous(objective: MaskedDiffusion, nats: Any, rows: Sequence, keys: Key) -> tuple[Array, Array]:
    """In continuous time, by drawing how many values are masked."""
    count = 1 if objective.block_size == 1 else objective.eval_times  # blocks of one have one masking
    numbers = jnp.arange(count, dtype=jnp.uint32)
    t = jax.vmap(lambda key: time_sampling.lattice(rng.fold_name(key, "times"), numbers), out_axes=1)(keys)

    def one(_, draw):
        number, t = draw
        return None, nats(objective._mask("counted", rows, t, rng.each(keys, number)))

    _, draws = jax.lax.scan(one, None, (numbers, t))
    return jnp.mean(draws, axis=0), likelihood.spread_stderr(draws, t) if count > 1 else jnp.zeros(draws.shape[1:])


def _discrete(objective: MaskedDiffusion, nats: Any, rows: Sequence, keys: Key) -> tuple[Array, Array]:
    """That of ancestral sampling in `steps` steps."""

    def one(_, number):
        u = rng.uniform(rng.each(keys, number), rows.tokens.shape[1:])
        return None, nats(absorbing.step(objective._schedule, rows.mask > 0, number, objective.steps, u))

    steps = objective.steps
    _, terms = jax.lax.scan(one, None, jnp.arange(steps))
    return jnp.sum(terms, axis=0), jnp.sqrt(likelihood.squared_differences(terms) * steps / max(steps - 1, 1))


BOUNDS = {"bound": _continuous, "discrete_bound": _discrete}
