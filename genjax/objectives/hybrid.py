"""Words and arrays in one trunk: next-token prediction of a caption, and noise prediction of what it describes (arXiv:2408.11039).

    -log p(caption, x_1, ..., x_K) = -log p(caption) - sum_k log p(x_k | caption)                   (1)

The first term is exact, the others have the bound of noise prediction, and the loss is their sum, each a sum over its rows as everywhere. Nothing
here is new: the words are learned by `NextToken` and each array by a `NoisePrediction`, which reads the caption as positions before its patches. What
they share is the trunk, whose parameters all are given, and the table of words. Words see those before them and no array; patches see the caption
and each other, in both directions. The noise level modulates the blocks where they read a noisy array, and there only: words alone have norms
of their own (`models.trunk`), which is all of the trunk that is not shared. So a row passes the trunk once with its words alone, and once with
each of its arrays.

A row has one array, "picture" whatever it is, or several of other kinds that the same caption describes (`DataSpec.parts`): a sound and a film,
which know of each other through the words alone. Spans may stand in the other order as well: with `hybrid.describes` = q > 0, the words of a row are
learned behind its arrays, without noise, with probability q (of several arrays behind any one of them or behind all), and by themselves otherwise.
What is drawn then goes on in the other mode where a span ends: words and what they say (`sample`), an array and its words (`describe`), or an array,
its words, and another array (`sample`, with the first as what is known).

A caption has the words up to its end, and its end is the first padding.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from genjax import rng
from genjax.config import altered, require
from genjax.objectives.base import NO_TEXT, TOKENS, sights_from
from genjax.objectives.next_token import NextToken
from genjax.objectives.noise_prediction import NoisePrediction
from genjax.types import Array, Batch, Cost, DataSpec, Key, Likelihood, LossSums, Params, Samples, Shown, Work

_END = 0  # the padding of captions
_BESIDE = ("mask", "towards")  # what has a value for every one of the data, beside these


@dataclasses.dataclass(frozen=True)
class Hybrid:
    """See the module's text.

    Attributes:
      spec: of the rows.
      words: learns captions [B, S] as tokens.
      pictures: what learns each array, told of its caption, by the array's name.
      words_weight: `hybrid.words_weight`.
      describes: whether words are learned behind arrays too.
    """

    spec: DataSpec
    words: NextToken
    pictures: tuple[tuple[str, NoisePrediction], ...]
    words_weight: float
    describes: bool

    generates: ClassVar[bool] = True
    scores: ClassVar[bool] = True

    @classmethod
    def build(cls, config: Any, spec: DataSpec) -> Hybrid:
        told, options, both = config.conditioning, config.noise_prediction, config.hybrid
        require(spec.words > 0, f"objective=hybrid learns captions with their pictures, and {spec.name} has none: use data with captions")
        require(told.text != NO_TEXT, "objective=hybrid draws the pictures of captions: set conditioning.text=tokens")
        require(options.network == "trunk", "objective=hybrid has one trunk for words and pictures: set noise_prediction.network=trunk")
        require(spec.ordered, f"objective=hybrid draws arrays of numbers, and {spec.name} holds codes: use the source that they are made of")
        require(options.autoencoder is None, "objective=hybrid draws pixels: set noise_prediction.autoencoder=None")
        require(not (spec.parts and told.label), f"{spec.name}: the words say what its arrays have in common: set conditioning.label=false")
        sizes = sights_from(told.shown_patches, [part.shape for part in spec.arrays], spec.name) if spec.parts else (options.patch_size,)
        names = [part.slug for part in spec.parts] or ["picture"]
        pictures = []
        for part, size in zip(spec.arrays, sizes, strict=True):
            captioned = dataclasses.replace(part, words=spec.words, caption_length=spec.caption_length)
            picture = NoisePrediction.build(altered(config, {"noise_prediction.patch_size": size}), captioned)
            network: Any = picture.network
            captions = network.captions.clone(causal=True, parent=None)  # a word is read as it is written
            pictures.append(dataclasses.replace(picture, network=network.clone(captions=captions, parent=None)))

        alone: dict[str, Any] = {"conditioning.text": NO_TEXT, "sample.guidance_scale": 1.0}  # words have no caption before them
        sentences = dataclasses.replace(
            spec, key="tokens", shape=(spec.caption_length,), levels=spec.words, unit="word", words=0, palette=(), caption_length=0, parts=()
        )
        if both.describes:
            patches = "; ".join(",".join(map(str, size)) for size in sizes)
            alone |= {"conditioning.text": TOKENS, "conditioning.shown_patches": patches, "conditioning.drop_rate": 1 - both.describes}
            shown = tuple(Shown(part.shape, part.levels) for part in spec.arrays)
            sentences = dataclasses.replace(sentences, shown=shown, caption_length=spec.num_dims)
        words = NextToken.build(altered(config, alone), sentences)
        return cls(spec, words, tuple(zip(names, pictures, strict=True)), both.words_weight, both.describes > 0)

    def init(self, key: Key) -> Params:
        words = dict(self.words.init(rng.fold_name(key, "words")))
        shared, arrays = words.pop("trunk"), {}
        for name, picture in self.pictures:
            own = dict(picture.init(rng.fold_name(key, name)))
            shared = _joined(shared, own.pop("trunk"))
            del own["captions"]
            arrays[name] = own
        return {"trunk": shared, "words": words, **arrays}

    def loss(self, params: Params, batch: Batch, key: Key, *, train: bool) -> LossSums:
        shown = self._shown(batch, self._any_or_all(batch, key))
        words = self.words.loss(self.of_words(params), sentences(batch) | shown, rng.fold_name(key, "words"), train=train)
        metrics = {"words_" + name: sums for name, sums in words.metrics.items()}
        loss, weight = self.words_weight * words.loss, jnp.zeros(())
        for (name, picture), own in zip(self.pictures, self._split(batch), strict=True):
            found = picture.loss(self.of_picture(params, name), own, rng.fold_name(key, name), train=train)
            loss, weight = loss + found.loss, weight + found.weight
            metrics |= {f"{name}_{metric}": sums for metric, sums in found.metrics.items()} | {f"{name}_nats": (found.loss, found.weight)}
        return LossSums(loss, weight, metrics)

    def likelihood(self, params: Params, batch: Batch, key: Key) -> Likelihood:
        words = self.words.likelihood(self.of_words(params), sentences(batch) | self._shown(batch, []), key)
        terms, variance = {"words": words.nats}, jnp.square(words.stderr)
        for (name, picture), own in zip(self.pictures, self._split(batch), strict=True):
            found = picture.likelihood(self.of_picture(params, name), own, rng.fold_name(key, name))
            terms[name], variance = found.nats, variance + jnp.square(found.stderr)
        nats = sum(terms.values(), jnp.zeros(()))
        return Likelihood(nats, jnp.full(nats.shape, self.spec.num_dims), jnp.sqrt(variance), terms, "upper_bound")

    def sample(self, params: Params, request: Batch, key: Key) -> Samples:
        """The arrays of captions, as in `NoisePrediction.sample`. Where the request has no caption one is drawn first, behind the arrays that are
        known, which is what all of a mask is true of. (They are drawn as well, and then put back: the rows of a request may know different ones.)
        """
        caption, said = request.get("caption"), Cost(0, 0)
        if caption is None:
            caption, said = self.say(params, request, key)
        drawn, costs = [], []
        for (name, picture), own in zip(self.pictures, self._split(request), strict=True):
            found = picture.sample(self.of_picture(params, name), own | {"caption": caption}, rng.fold_name(key, name))
            drawn.append(found.data)
            costs.append(found.cost)
        depth = functools.reduce(jnp.maximum, [cost.sequential_depth for cost in costs])  # arrays do not wait for each other
        return Samples(self.spec.join(drawn), Cost(said.nfe + sum(cost.nfe for cost in costs), said.sequential_depth + depth))

    def say(self, params: Params, request: Batch, key: Key) -> tuple[Array, Any]:
        """Captions int32 [B, S] that are drawn for the rows of a request, padded, and what each costs."""
        known = [jnp.all(mask, axis=tuple(range(1, mask.ndim))) for mask in self.spec.split(request["mask"])] if "mask" in request else []
        return self._said(params, request, self._shown(request, known), key)

    def describe(self, params: Params, request: Batch, key: Key) -> Samples:
        """The captions int32 [B, S] of rows that have their arrays with them: of those that are known, where the request has a mask."""
        require(self.describes, "this model was not trained to describe pictures: set hybrid.describes=0.5 for one that is")
        everything = {"mask": jnp.ones(request[self.spec.key].shape, bool)}
        return Samples(*self.say(params, everything | request, key))

    def _said(self, params: Params, request: Batch, shown: Batch, key: Key) -> tuple[Array, Any]:
        own = {name: values for name, values in request.items() if name in ("id", "label")}
        drawn = self.words.sample(self.of_words(params), own | shown, rng.fold_name(key, "words"))
        ended = jnp.cumsum(drawn.data == _END, axis=1) > 0
        return jnp.where(ended, _END, drawn.data), drawn.cost

    def _shown(self, batch: Batch, seen: list[Array]) -> Batch:
        """What words stand behind (`types.Shown`), if they ever do: of each row the arrays that are seen (bool [B], one an array), or none."""
        if not self.describes:
            return {}
        if not seen:
            return {"caption": jnp.zeros((batch["id"].shape[0], self.spec.num_dims), jnp.int32)}
        arrays = [array.reshape(array.shape[0], -1).astype(jnp.int32) for array in self.spec.split(batch[self.spec.key])]
        return {"caption": jnp.concatenate([jnp.where(here[:, None], 1 + each, 0) for here, each in zip(seen, arrays, strict=True)], axis=1)}

    def _any_or_all(self, batch: Batch, key: Key) -> list[Array]:
        """Which arrays a row's words are learned behind: any one of them, or all; as likely."""
        count = len(self.pictures)
        drawn = jnp.floor((count + 1) * rng.uniform(rng.rows(rng.fold_name(key, "shown"), batch["id"])))
        return [(drawn == number) | (drawn == count) for number in range(count)]

    def _split(self, batch: Batch) -> list[Batch]:
        """A batch or a request for each array: what belongs to its values, and the rest as it is."""
        own = {name: self.spec.split(batch[name]) for name in (self.spec.key, *_BESIDE) if name in batch}
        rest = {name: values for name, values in batch.items() if name not in own}
        called = lambda name, picture: picture.spec.key if name == self.spec.key else name
        return [rest | {called(name, picture): arrays[number] for name, arrays in own.items()} for number, (_, picture) in enumerate(self.pictures)]

    def film(self, params: Params, batch: Batch, key: Key) -> dict[str, Array]:
        """That of the arrays."""
        films = [
            picture.film(self.of_picture(params, name), own, rng.fold_name(key, name))
            for (name, picture), own in zip(self.pictures, self._split(batch), strict=True)
        ]
        return {name: jax.vmap(lambda *frames: self.spec.join(frames))(*(each[name] for each in films)) for name in films[0]}

    def work(self) -> Work:
        """Of all passes through the trunk: the words alone, and every array behind its caption."""
        words, arrays = self.words.work(), [picture.work() for _, picture in self.pictures]
        prefix = self.words.spec.num_dims if self._prefix else 0
        before = sum(each.positions for each in arrays) if self.describes else 0  # the words, which may stand behind them
        positions = before + words.positions + sum(prefix + each.positions for each in arrays)
        seen = (1 + len(arrays) * bool(prefix)) * words.positions**2 * words.visible + before * (before + words.positions)
        seen += sum(each.positions * (prefix + each.positions) for each in arrays)
        return Work(positions, seen / positions**2, words.targets + sum(each.targets for each in arrays))

    def of_words(self, params: Params) -> Params:
        """The parameters of the next-token model within those of all."""
        return {"trunk": params["trunk"], **params["words"]}

    def of_picture(self, params: Params, name: str = "picture") -> Params:
        """The parameters of a noise-prediction model within those of all; its words are those of the next-token model but for the start."""
        table = params["words"]["embed"]["table"][: self.words.spec.levels]
        return {"trunk": params["trunk"], **params[name], "captions": {"embed": {"table": table}}}

    @property
    def _prefix(self) -> bool:
        """Whether an array has its caption as positions before it."""
        network: Any = self.pictures[0][1].network
        return network.captions.way == TOKENS


def sentences(batch: Batch) -> Batch:
    """The captions of a batch as its data: tokens, of which those up to the first padding are learned."""
    caption = batch["caption"]
    learned = jnp.pad(caption[:, :-1] != _END, ((0, 0), (1, 0)), constant_values=False) | (caption != _END)
    counted = learned.astype(jnp.float32)
    kept = {name: batch[name] for name in ("id", "weight", "label") if name in batch}
    return kept | {"tokens": caption, "loss_mask": counted, "num_units": jnp.sum(counted, axis=1)}


def _joined(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Two trees as one, with mine where both have a leaf."""
    both = {name: _joined(mine[name], theirs[name]) for name in mine.keys() & theirs.keys() if isinstance(mine[name], Mapping)}
    return dict(theirs) | dict(mine) | both
