"""Next-token prediction: the probability of an array as a product over its values, in raster order or in that of another scan.

    log p(x | y) = sum_i log p(x_i | x_<i, y)                                                       (1)

where i counts along the scan (`objectives.scans`), with each factor a softmax over the levels that a value can take, so the likelihood is exact.
The input at position i is x_(i-1), and a start token where a segment begins; the coordinates are those of the value that is predicted. Only
supervised tokens are counted: what else is in a row is there to be seen.

Where rows begin with prompts (`DataSpec.prompted`), the prompt may be read with attention in both directions, up to the token that the answer
follows: as a prefix of the same trunk (arXiv:1910.10683), or by an encoder, a trunk of its own that every block attends to. What is learned is then

    log p(answer | prompt) = sum_i log p(answer_i | answer_<i, prompt)                              (2)

and all three read the same batch.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from genjax import rng
from genjax.config import Choice, require
from genjax.decoding.beam import beam_search
from genjax.decoding.generate import Apply, Drawn, Progress, Stop, generate, prefill, stages
from genjax.decoding.sampling import SamplingRule, guide
from genjax.decoding.speculative import DRAFTS, Draft, speculate
from genjax.models import adapters, masks
from genjax.models import cache as caches
from genjax.models.networks import TokenNetwork
from genjax.models.trunk import Trunk, by_layer
from genjax.objectives import cross_entropy, scans
from genjax.objectives.base import NO_TEXT, Given, base_label, classes_from, hide, no_caption, request_of, trunk_from
from genjax.objectives.sequences import Sequence, cache_of, network_from, sequence
from genjax.registry import Count, bind
from genjax.types import Array, Batch, Cost, DataSpec, Key, Likelihood, LossSums, Params, PyTree, Samples, Work


@dataclasses.dataclass(frozen=True)
class NextToken:
    """See the module's text; the fields are those of the config."""

    network: TokenNetwork
    spec: DataSpec
    drop_rate: float
    base_label: int
    guidance_scale: float
    rule: SamplingRule
    beams: int
    length_penalty: float
    draft: str
    prefill_chunk: int | None
    scan: str
    loss_chunk: int | None
    z_loss: float
    label_smoothing: float
    prefix: bool

    generates: ClassVar[bool] = True
    scores: ClassVar[bool] = True

    @classmethod
    def build(cls, config: Any, spec: DataSpec) -> NextToken:
        options, classes = config.next_token, classes_from(config, spec)
        encoder = bind(ENCODERS, Choice(options.encoder).parts, "encoder")(config)
        require(
            spec.prompted or (encoder is None and options.attention == "causal"),
            f"next_token.attention=prefix and next_token.encoder are for data with prompts, such as data.source=pairs:..., not {spec.name}",
        )
        require(
            options.prefill_chunk is None or options.attention == "causal",
            "a prompt that sees itself in both directions is read at once: set next_token.prefill_chunk=None, or next_token.attention=causal",
        )
        drafts = bind(DRAFTS, Choice(options.draft).parts, "draft")() is not None
        require(not (drafts and options.beams), "a beam search guesses nothing ahead: set next_token.draft=none, or next_token.beams=0")
        require(encoder is None or options.attention == "causal", "an encoder reads the prompt in both directions: leave next_token.attention=causal")
        require(
            not spec.prompted or config.model.positions == "rotary",
            f"{spec.name} has prompts, after which an answer may go on beyond the positions that were learned: set model.positions=rotary",
        )
        require(encoder is None or config.conditioning.text == NO_TEXT, f"an encoder reads prompts and no captions: set conditioning.text={NO_TEXT}")
        return cls(
            # What is shown sees itself in both directions, as a prompt can.
            network_from(config, spec, encoder, causal=True, ordered=options.attention == "causal" and not spec.shown),
            spec,
            config.conditioning.drop_rate,
            base_label(config, classes),
            config.sample.guidance_scale,
            SamplingRule(options.temperature, options.top_k, options.top_p, options.min_p),
            options.beams,
            options.length_penalty,
            options.draft,
            options.prefill_chunk,
            scans.checked(Choice(options.scan), spec),
            options.loss_chunk,
            options.z_loss,
            options.label_smoothing,
            options.attention == "prefix",
        )

    def init(self, key: Key) -> Params:
        rows, one = self._rows({self.spec.key: jnp.zeros((1, *self.spec.shape), jnp.int32)}), jnp.zeros((1,), jnp.int32)

        def logits(network: TokenNetwork) -> Array:
            return network.logits(_features(network, rows, self.prefix, Given(one, no_caption(self.spec)), (None, None)))

        return self.network.init(key, method=logits)["params"]

    def loss(self, params: Params, batch: Batch, key: Key, *, train: bool) -> LossSums:
        def keys(name: str) -> Key:
            return rng.rows(rng.fold_name(key, name), batch["id"])

        given = hide(Given.of(batch), self.network.num_classes, self.drop_rate, keys("label")) if train else Given.of(batch)
        rows = self._rows(batch)
        terms = self._terms(params, rows, given, (keys("dropout"), keys("encoder_dropout")) if train else (None, None))
        weight = batch["weight"][:, None] * rows.mask
        loss = terms.loss(label_smoothing=self.label_smoothing, z_loss=self.z_loss)
        total = lambda x: jnp.sum(weight * x)
        count = jnp.sum(weight)
        return LossSums(total(loss), count, {"nats": (total(terms.nats), count), "accuracy": (total(terms.hit), count)})

    def likelihood(self, params: Params, batch: Batch, key: Key) -> Likelihood:
        del key  # nothing is drawn: equation (1) is exact
        rows = self._rows(batch)
        nats = jnp.sum(rows.mask * self._terms(params, rows, Given.of(batch), (None, None)).nats, axis=-1)
        return Likelihood(nats, rows.units, jnp.zeros_like(nats), {}, "exact", self.spec.unit)

    def sample(self, params: Params, request: Batch, key: Key) -> Samples:
        """New rows; with the data and `mask` in the request, rows that keep the data where the mask is true and draw the rest, each value
        given those before it in the scan; where rows are prompts with answers, the mask is true for the prompts, and answers are drawn.
        """
        if self.spec.prompted and self.spec.key in request:
            return self._answered(params, request, key)
        rows, length, known = request["id"].shape[0], self.spec.num_dims, None
        if self.spec.key in request:
            require("towards" not in request, "next_token has no way between images: --interpolate is for noise_prediction")
            require("mask" in request, "next_token cannot begin from an image: say which part to draw anew with --redraw")
            mask = jnp.broadcast_to(request["mask"], request[self.spec.key].shape).reshape(rows, length)
            known = self._rows(request).tokens, self._along(mask)
        nothing = jnp.full((rows, 1 if self.spec.prompted else 0), self.spec.levels - 1)  # or a prompt that says nothing
        drawn = self.complete(params, nothing, jnp.ones(nothing.shape, bool), request, key, length=length, known=known)
        return Samples(self._placed(drawn.tokens).reshape(rows, *self.spec.shape), self.cost(drawn.steps))

    def _answered(self, params: Params, request: Batch, key: Key) -> Samples:
        """Rows with the answers to their prompts; what is left after an answer is the token that ends it."""
        require("mask" in request, "answers are drawn to prompts: say what of the rows they are")
        rows, length, end = sequence(request, self.spec), self.spec.num_dims, self.spec.levels - 2
        real = jnp.broadcast_to(request["mask"], rows.tokens.shape) & (rows.segment_ids != 0)
        drawn = self.complete(params, rows.tokens, real, request, key, length=length, stop=((end,),))
        place = jnp.arange(length) - jnp.sum(real, axis=1, keepdims=True)
        answer = jnp.take_along_axis(drawn.tokens, jnp.maximum(place, 0), axis=1)
        tokens = jnp.where(place < 0, rows.tokens, jnp.where(place < drawn.lengths[:, None], answer, end))
        return Samples(tokens, self.cost(drawn.steps))

    def complete(
        self,
        params: Params,
        prompt: Array,
        real: Array,
        request: Batch,
        key: Key,
        *,
        length: int,
        stop: Stop = (),
        known: tuple[Array, Array] | None = None,
    ) -> Drawn:
        """What follows prompts: at most `length` tokens a row, drawn (several a call, where a `draft` guesses them), or found by beam search where
        `beams` is not 0.

        prompt, real: int32 and bool [B, P], see `decoding.prompts`; the start token is put before them. Values of an array are in the scan's order.
        request: `id` of every row, and what it is conditioned on.
        stop, known: see `decoding.generate`.
        """
        room = prompt.shape[1] + length
        apply, take = self.decoder(params, room)
        keys, draft = rng.rows(key, request["id"]), self._draft
        if draft is None and not self.beams:
            grow = None if self._within(room).trunk.window is not None else self._grow
            progress = self.read(params, prompt, real, request, length if grow is None else stages(length)[0], stop)
            return generate(apply, progress, length, self.rule, keys, stop=stop, known=known, vocab=self.network.vocab, grow=grow)
        progress = self.read(params, prompt, real, request, length, stop)
        if draft is not None:
            require(known is None, "what is redrawn is drawn one by one: set next_token.draft=none")
            return speculate(apply, progress, length, self.rule, keys, draft, self._forget, stop=stop)
        require(known is None, "a beam search cannot redraw a part: set next_token.beams=0")
        require(len(stop) <= 1 and all(len(words) == 1 for words in stop), "a beam search ends at one token: give one stop, of one token")
        end = stop[0][0] if stop else None
        found = beam_search(apply, progress, length, self.beams, take, end=end, alpha=self.length_penalty)
        return Drawn(found.tokens[:, 0], found.lengths[:, 0], jnp.asarray(length))

    def read(self, params: Params, prompt: Array, real: Array, request: Batch, length: int, stop: Stop = ()) -> Progress:
        """Where decoding stands when prompts are read, with room for `length` tokens; arguments as in `complete`."""
        rows, room = prompt.shape[0], prompt.shape[1] + length
        start = jnp.full((rows, 1), self.network.vocab, jnp.int32)
        tokens, real = jnp.concatenate([start, prompt], axis=1), jnp.pad(real, ((0, 0), (1, 0)), constant_values=True)
        first = real & (jnp.cumsum(tokens == self.spec.levels - 1, axis=1) == 0)  # before the first answer is asked for
        prefix = jnp.sum(first, axis=1) if self.prefix else jnp.zeros(rows, jnp.int32)
        asked = Given.of(request), prefix, tokens, first
        if self.guidance_scale != 1.0:  # every row twice in one batch: with its condition, and without
            asked = jax.tree.map(lambda *parts: jnp.concatenate(parts), asked, (asked[0].instead(self.base_label), *asked[1:]))
        given, prefix, read, encoded = asked
        at_once = max(self.prefill_chunk or tokens.shape[1], self._guesses + 1)
        cache = cache_of(self._within(room), params, given, read.shape[0], room, at_once)
        if self.network.encoder is not None:  # the decoder reads what is left, and counts its positions from there
            cache, real = self._remember(params, read, encoded, given, cache), real & ~first
        return prefill(self.decoder(params, room)[0], (cache, given, prefix), tokens, real, stop, self.prefill_chunk)

    def _remember(self, params: Params, tokens: Array, real: Array, given: Given, cache: caches.Cache) -> caches.Cache:
        """The empty cache of a decoder, with what its blocks see of the encoder's prompts int32 and bool [B, P]."""
        at = jnp.cumsum(real, axis=1) - 1
        apply: Any = functools.partial(self.network.apply, {"params": params})
        context = apply(tokens, at[..., None], masks.AttentionIds(jnp.zeros_like(at), real.astype(jnp.int32), at), method="encode")
        none = jnp.zeros_like(at[:, :1])  # one position of padding, which is not kept
        _, cache = apply(none, none[..., None], masks.AttentionIds(none, none, none), given.label, cache=cache, context=context)
        return cache

    def cost(self, steps: Any) -> Cost:
        """What so many steps of drawing cost a row; a step is a token, or as many as are guessed right. A search may be decided before."""
        return Cost(nfe=steps * (2 if self.guidance_scale != 1.0 else 1) * max(1, self.beams), sequential_depth=steps)

    def holds(self, room: int) -> bool:
        """Whether a row may have so many positions: more than in training only where they are told by differences, along one axis."""
        return room <= self.spec.num_dims or (len(self.network.grid) == 1 and self.network.trunk.positions == "rotary")

    def decoder(self, params: Params, room: int) -> tuple[Apply, Callable[[PyTree, Array], PyTree]]:
        """The model as `decoding` wants it, for at most `room` positions a row: `apply`, and how to take rows of its state.

        The state is a cache, what its rows are conditioned on, and how many of the first positions of each see each other.
        """
        guided, network, grid, params = self.guidance_scale != 1.0, self._within(room), self.network.grid, by_layer(params)

        def apply(tokens: Array, positions: Array, real: Array, state: PyTree) -> tuple[Array, PyTree]:
            cache, given, prefix = state
            half = tokens.shape[0]
            if guided:
                tokens, positions, real = (jnp.concatenate([x, x]) for x in (tokens, positions, real))
            coordinates = positions[..., None] if len(grid) == 1 else self._along(adapters.grid_coordinates(grid).T).T[positions]
            blocks = jnp.where(positions < prefix[:, None], 0, positions)
            ids = masks.AttentionIds(blocks, real.astype(jnp.int32), positions)
            logits, cache = network.apply({"params": params}, tokens, coordinates, ids, given.label, cache=cache, caption=given.caption)
            return guide(logits[:half], logits[half:], self.guidance_scale) if guided else logits, (cache, given, prefix)

        def take(state: PyTree, kept: Array) -> PyTree:
            cache, *rest = state
            if guided:
                kept = jnp.concatenate([kept, kept + cache.index.shape[0] // 2])
            return caches.take(cache, kept), *jax.tree.map(lambda x: x[kept], rest)

        return apply, take

    def _within(self, room: int) -> TokenNetwork:
        """The network for at most `room` positions a row: beyond the length of training, attention reaches as far as it was trained to, since rotary
        positions are relative.
        """
        network, reach = self.network, self.spec.num_dims
        require(len(network.grid) == 1 or room <= reach, f"{room} positions do not fit into a grid of {reach}")
        require(self.holds(room), f"{room} positions, and the model has learned {reach}: shorten the prompt or sample.length")
        before = network.captions is not None and network.captions.prefixes  # which every position sees, however far
        if room <= reach or before:
            return network
        return network.clone(trunk=network.trunk.clone(window=min(network.trunk.window or reach, reach)))

    def _grow(self, state: PyTree, count: int) -> PyTree:
        """The state of a decoder with room for `count` tokens more."""
        cache, *rest = state
        return caches.grow(cache, count), *rest

    def _forget(self, state: PyTree, count: Array) -> PyTree:
        """The state of a decoder without its last count[b] tokens of each row b."""
        cache, *rest = state
        return caches.forget(cache, jnp.concatenate([count, count]) if self.guidance_scale != 1.0 else count), *rest

    @property
    def _draft(self) -> Draft | None:
        return bind(DRAFTS, Choice(self.draft).parts, "draft")()

    @property
    def _guesses(self) -> int:
        """How many tokens the draft guesses at once."""
        if (draft := self._draft) is None:
            return 0
        return jax.eval_shape(draft, jax.ShapeDtypeStruct((1, 1), jnp.int32), jax.ShapeDtypeStruct((1,), jnp.int32)).shape[1]

    def _rows(self, batch: Batch) -> Sequence:
        """The rows of a batch, in the order in which they are predicted."""
        rows, order = sequence(batch, self.spec), scans.order(self.scan, self.spec)
        return rows if order is None else rows.along(order)

    def _along(self, values: Array) -> Array:
        """Values [..., T] of arrays, in the order in which they are predicted."""
        order = scans.order(self.scan, self.spec)
        return values if order is None else values[..., order]

    def _placed(self, values: Array) -> Array:
        """The inverse of `_along`."""
        order = scans.order(self.scan, self.spec)
        return values if order is None else values[..., np.argsort(order)]

    def film(self, params: Params, batch: Batch, key: Key) -> dict[str, Array]:
        """`writing`: a sample as far as it is written, before every token and after the last; what is not yet written is 0."""
        drawn = self.sample(params, request_of(batch), key).data
        tokens = drawn.reshape(drawn.shape[0], self.spec.num_dims)
        written = self._placed(jnp.arange(tokens.shape[1])) < jnp.arange(tokens.shape[1] + 1)[:, None]
        return {"writing": jnp.where(written[:, None], tokens, 0).reshape(-1, tokens.shape[0], *self.spec.shape)}

    def work(self) -> Work:
        length = self.spec.num_dims
        return Work(positions=length, visible=(length + 1) / (2 * length), targets=length)

    def _terms(self, params: Params, rows: Sequence, given: Given, dropout_keys: tuple[Key | None, Key | None]) -> cross_entropy.Terms:
        """Teacher forcing: the terms [B, T] of every token given those before it in its segment."""
        apply = functools.partial(self.network.apply, {"params": params})
        features = jnp.asarray(apply(rows, self.prefix, given, dropout_keys, method=_features))
        return cross_entropy.chunked(lambda x: jnp.asarray(apply(x, method="logits")), features, rows.tokens, self.loss_chunk)


def _features(network: TokenNetwork, rows: Sequence, prefix: bool, given: Given, dropout_keys: tuple[Key | None, Key | None]) -> Array:
    """What the head is given to predict the tokens of rows, [B, T, width]; dropout_keys: those of the trunk and of the encoder."""
    inputs, segments = rows.shifted(network.vocab), rows.segment_ids
    at = jnp.broadcast_to(jnp.arange(segments.shape[1]), segments.shape)
    if network.encoder is None:
        ids = masks.AttentionIds(jnp.where(rows.prefix, rows.first, at) if prefix else at, segments, at)
        return network.features(inputs, rows.coordinates, ids, given.label, dropout_keys[0], caption=given.caption)[0]
    read = masks.AttentionIds(jnp.zeros_like(at), jnp.where(rows.prefix, segments, 0), at)
    written = masks.AttentionIds(at, jnp.where(rows.prefix, 0, segments), at)
    context = network.encode(inputs, rows.coordinates, read, dropout_keys[1])
    return network.features(inputs, rows.coordinates, written, given.label, dropout_keys[0], context=context, caption=given.caption)[0]


def _no_encoder(config: Any) -> None:
    return None


def _trunk(config: Any, depth: Count = 2) -> Trunk:
    return trunk_from(config).clone(depth=depth, parent=None)


ENCODERS = {"none": _no_encoder, "trunk": _trunk}
