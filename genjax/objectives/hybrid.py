"""Words and pictures in one trunk: next-token prediction of a caption, and noise prediction of the picture that it describes (arXiv:2408.11039).

    -log p(caption, picture) = -log p(caption) - log p(picture | caption)                           (1)

The first term is exact, the second has the bound of noise prediction, and the loss is their sum, each a sum over its rows as everywhere. Nothing here
is new: the words are learned by `NextToken` and the picture by `NoisePrediction`, which reads the caption as positions before its patches. What they
share is the trunk, whose parameters both are given, and the table of words. Words see those before them and no picture; patches see the caption
and each other, in both directions. The noise level modulates the blocks where they read a noisy picture, and there only: words alone have norms
of their own (`models.trunk`), which is all of the trunk that is not shared. So a row passes the trunk twice, its words alone and with the picture.

Spans may stand in the other order as well: with `hybrid.describes` = q > 0, the words of a row are learned behind its picture, without noise, with
probability q, and by themselves otherwise. What is drawn then goes on in the other mode where a span ends: words and their picture (`sample`), a
picture and its words (`describe`), or both in turn. "Picture" is any array with words that are said of it, a sound or a film.

A caption has the words up to its end, and its end is the first padding.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from genjax import rng
from genjax.config import altered, require
from genjax.objectives.base import NO_TEXT, TOKENS
from genjax.objectives.next_token import NextToken
from genjax.objectives.noise_prediction import NoisePrediction
from genjax.types import Array, Batch, DataSpec, Key, Likelihood, LossSums, Params, Samples, Shown, Work

_END = 0  # the padding of captions


@dataclasses.dataclass(frozen=True)
class Hybrid:
    """See the module's text.

    Attributes:
      words: learns captions [B, S] as tokens.
      picture: learns the images, told of their captions.
      words_weight: `hybrid.words_weight`.
      describes: whether words are learned behind their pictures too.
    """

    words: NextToken
    picture: NoisePrediction
    words_weight: float
    describes: bool

    generates: ClassVar[bool] = True
    scores: ClassVar[bool] = True

    @classmethod
    def build(cls, config: Any, spec: DataSpec) -> Hybrid:
        told, options, both = config.conditioning, config.noise_prediction, config.hybrid
        require(spec.words > 0, f"objective=hybrid learns captions with their pictures, and {spec.name} has none: use data.source=shapes:<tier>")
        require(told.text != NO_TEXT, "objective=hybrid draws the pictures of captions: set conditioning.text=tokens")
        require(options.network == "trunk", "objective=hybrid has one trunk for words and pictures: set noise_prediction.network=trunk")
        require(options.autoencoder is None, "objective=hybrid draws pixels: set noise_prediction.autoencoder=None")
        picture = NoisePrediction.build(config, spec)
        network: Any = picture.network
        captions = network.captions.clone(causal=True, parent=None)  # a word is read as it is written
        picture = dataclasses.replace(picture, network=network.clone(captions=captions, parent=None))

        alone: dict[str, Any] = {"conditioning.text": NO_TEXT, "sample.guidance_scale": 1.0}  # words have no caption before them
        sentences = dataclasses.replace(
            spec, key="tokens", shape=(spec.caption_length,), levels=spec.words, unit="word", words=0, palette=(), caption_length=0
        )
        if both.describes:
            patches = ",".join(map(str, options.patch_size))
            alone |= {"conditioning.text": TOKENS, "conditioning.shown_patches": patches, "conditioning.drop_rate": 1 - both.describes}
            sentences = dataclasses.replace(sentences, shown=(Shown(spec.shape, spec.levels),), caption_length=spec.num_dims)
        return cls(NextToken.build(altered(config, alone), sentences), picture, both.words_weight, both.describes > 0)

    def init(self, key: Key) -> Params:
        words, picture = dict(self.words.init(rng.fold_name(key, "words"))), dict(self.picture.init(key))
        shared = _joined(words.pop("trunk"), picture.pop("trunk"))
        del picture["captions"]
        return {"trunk": shared, "words": words, "picture": picture}

    def loss(self, params: Params, batch: Batch, key: Key, *, train: bool) -> LossSums:
        words = self.words.loss(self.of_words(params), sentences(batch) | self._shown(batch), rng.fold_name(key, "words"), train=train)
        picture = self.picture.loss(self.of_picture(params), batch, key, train=train)
        metrics = {"words_" + name: sums for name, sums in words.metrics.items()} | picture.metrics
        metrics["picture_nats"] = picture.loss, picture.weight
        return LossSums(self.words_weight * words.loss + picture.loss, picture.weight, metrics)

    def likelihood(self, params: Params, batch: Batch, key: Key) -> Likelihood:
        words = self.words.likelihood(self.of_words(params), sentences(batch) | self._unseen(batch), key)
        picture = self.picture.likelihood(self.of_picture(params), batch, key)
        terms = {"words": words.nats, "picture": picture.nats}
        return dataclasses.replace(picture, nats=words.nats + picture.nats, terms=terms)

    def sample(self, params: Params, request: Batch, key: Key) -> Samples:
        """The pictures of captions, as in `NoisePrediction.sample`; of captions that are drawn first, where the request has none."""
        if "caption" in request:
            return self.picture.sample(self.of_picture(params), request, key)
        caption, cost = self.say(params, request, key)
        drawn = self.picture.sample(self.of_picture(params), request | {"caption": caption}, key)
        return drawn._replace(cost=jax.tree.map(jnp.add, drawn.cost, cost))

    def say(self, params: Params, request: Batch, key: Key) -> tuple[Array, Any]:
        """Captions int32 [B, S] that are drawn for the rows of a request, padded, and what each costs."""
        return self._said(params, request, self._unseen(request), key)

    def describe(self, params: Params, request: Batch, key: Key) -> Samples:
        """The captions int32 [B, S] of rows that have their pictures with them."""
        require(self.describes, "this model was not trained to describe pictures: set hybrid.describes=0.5 for one that is")
        return Samples(*self._said(params, request, self._shown(request), key))

    def _said(self, params: Params, request: Batch, shown: Batch, key: Key) -> tuple[Array, Any]:
        own = {name: values for name, values in request.items() if name in ("id", "label")}
        drawn = self.words.sample(self.of_words(params), own | shown, rng.fold_name(key, "words"))
        ended = jnp.cumsum(drawn.data == _END, axis=1) > 0
        return jnp.where(ended, _END, drawn.data), drawn.cost

    def _shown(self, batch: Batch) -> Batch:
        """Pictures as what words stand behind (`types.Shown`), if they ever do."""
        if not self.describes:
            return {}
        picture = batch[self.picture.spec.key]
        return {"caption": 1 + picture.reshape(picture.shape[0], -1).astype(jnp.int32)}

    def _unseen(self, batch: Batch) -> Batch:
        """The same with no picture."""
        return {"caption": jnp.zeros((batch["id"].shape[0], self.picture.spec.num_dims), jnp.int32)} if self.describes else {}

    def film(self, params: Params, batch: Batch, key: Key) -> dict[str, Array]:
        """That of the pictures."""
        return self.picture.film(self.of_picture(params), batch, key)

    def work(self) -> Work:
        """Of both passes through the trunk: the words alone, and the picture behind its caption."""
        words, patches, length = self.words.work(), self.picture.work(), self.words.spec.num_dims
        prefix = length if self._prefix else 0
        before = patches.positions if self.describes else 0  # the words, which may stand behind a picture
        positions = before + words.positions + prefix + patches.positions
        seen = 2 * words.positions**2 * words.visible if prefix else words.positions**2 * words.visible
        seen += before * (before + words.positions) + patches.positions * (prefix + patches.positions)
        return Work(positions, seen / positions**2, words.targets + patches.targets)

    def of_words(self, params: Params) -> Params:
        """The parameters of the next-token model within those of both."""
        return {"trunk": params["trunk"], **params["words"]}

    def of_picture(self, params: Params) -> Params:
        """The parameters of the noise-prediction model within those of both; its words are those of the next-token model but for the start."""
        table = params["words"]["embed"]["table"][: self.words.spec.levels]
        return {"trunk": params["trunk"], **params["picture"], "captions": {"embed": {"table": table}}}

    @property
    def _prefix(self) -> bool:
        """Whether a picture has its caption as positions before it."""
        network: Any = self.picture.network
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
