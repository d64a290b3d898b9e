"""What a data source is: a spec, and splits whose rows are fetched by index.

Order, batching, sharding and padding all live in `loader`, so a source only answers one question: what are rows 5, 2 and 9? The arrays
of a small set answer it from memory, those of a large one from the disk, and the loader cannot tell them apart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from genjax.data import tokenizers
from genjax.data.words import Words
from genjax.errors import DataError
from genjax.types import DataSpec

Arrays = dict[str, np.ndarray]

_HOLD_OUT_SEED = 20240229


class Turn(NamedTuple):
    """A prompt and its answer."""

    prompt: str
    answer: str


Dialogue = tuple[Turn, ...]


class Marks(NamedTuple):
    """The ids of a text whose suffix comes first: SUFFIX suffix PREFIX prefix middle END."""

    suffix: int
    prefix: int
    end: int

    @classmethod
    def after(cls, vocab: int) -> Marks:
        """The three ids after the `vocab` that stand for text."""
        return cls(*range(vocab, vocab + 3))


class Rows(Protocol):
    """The examples of one split."""

    def __len__(self) -> int: ...

    def rows(self, indices: np.ndarray) -> Arrays:
        """The examples at `indices` [n], each in [0, len): batch key -> [n, ...], "image" and "array" uint8, "tokens" and "label" int32."""
        ...


@runtime_checkable
class EpochRows(Rows, Protocol):
    """A split whose examples are others in every epoch: windows of a text that begin elsewhere."""

    def at_epoch(self, seed: int, epoch: int) -> Rows:
        """The examples of an epoch, as many in each; a function of its arguments."""
        ...


class Verdicts(NamedTuple):
    """What is said of n examples that were asked for with captions.

    Attributes:
      valid: bool [n], whether it shows nothing but what there is.
      follow: bool [n], whether the caption is true of it.
      error: the name of the first thing that is wrong with each, "none" where nothing is.
    """

    valid: np.ndarray
    follow: np.ndarray
    error: list[str]

    @property
    def strict(self) -> np.ndarray:
        """Valid, and following its caption."""
        return self.valid & self.follow


class Language(Protocol):
    """What captions say."""

    def encode(self, text: str) -> np.ndarray:
        """The caption int32 [S] that a text is; UsageError where it is none."""
        ...

    def decode(self, caption: np.ndarray) -> str:
        """The text of a caption [S]."""
        ...


class Prompts(Language, Protocol):
    """A language in which examples can be asked for, and an oracle of whether what was drawn is what was asked."""

    def category(self, caption: np.ndarray) -> str:
        """What kind of statement a caption [S] makes."""
        ...

    def judge(self, asked: np.ndarray, data: np.ndarray) -> Verdicts:
        """The verdicts on data [n, ...] of the source's spec, asked for with captions [n, S]."""
        ...

    def pictures(self, data: np.ndarray) -> np.ndarray:
        """The data as images uint8 [n, H, W, 3]."""
        ...


class Questions(Protocol):
    """What can be asked about images or other arrays, or said of them, and what is right to answer. Rows are those of text in `types.Batch`, one
    segment each: a prompt, the token levels - 1 that asks, and an answer that the token levels - 2 fills up.

    Attributes:
      shapes: of all kinds of images, (H, W, 3), or of other arrays, that are looked at.
    """

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]: ...

    def ask(self, image: np.ndarray | None, text: str) -> Arrays:
        """The row [1, ...] of an image uint8 of one of those shapes, if one is looked at, and a question, yet without an answer.

        Raises:
          UsageError: the text is no question.
          DataError: the image is none of these data.
        """
        ...

    def decode(self, answer: np.ndarray) -> str:
        """The text of an answer int [n]."""
        ...

    def asked(self, rows: Arrays) -> list[str]:
        """The question of each row; "" where there is but one thing to say."""
        ...

    def looked(self, rows: Arrays) -> list[tuple[Source, np.ndarray]]:
        """What rows are about: of every kind of array that is looked at, the source and the arrays [m, ...], in the order of the rows."""
        ...

    def groups(self, rows: Arrays) -> list[tuple[str, ...]]:
        """The groups that each row is counted in; the first is the kind of question."""
        ...

    def judge(self, rows: Arrays, answers: list[np.ndarray]) -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
        """How right answers are: by the name of a measure, how many things are right in each answer [n], of how many [n]."""
        ...


class Pictures(NamedTuple):
    """Rows [H, W, C] that are looked at as they are."""


class Coded(NamedTuple):
    """Rows of codes that stand for rows of another source, which `decode` makes of them."""

    source: Source
    decode: Callable[[np.ndarray], np.ndarray]


class Cloud(NamedTuple):
    """Rows [N, 2] or [N, 3] that are the coordinates of points."""


class Frames(NamedTuple):
    """Rows [F, H, W, C] that are films of so many frames a second."""

    rate: int


class Sound(NamedTuple):
    """Rows [T, 1] that are heard, at so many values a second; `wave` makes amplitudes in [-1, 1] of levels."""

    rate: int
    wave: Callable[[np.ndarray], np.ndarray]


class Several(NamedTuple):
    """Rows of several arrays, `DataSpec.parts`, each of which is taken in as those of its source."""

    parts: tuple[Source, ...]


Medium = Pictures | Coded | Cloud | Frames | Sound | Several


@dataclasses.dataclass(frozen=True)
class Source:
    """A data set, ready to be read.

    Attributes:
      spec: what one example is, and how many there are.
      splits: "train" and "eval", which share no example and have at least one each.
      tokenizer: for text, what its tokens are; else None.
      dialogues: for prompts with answers, those of each split; else none.
      answer_room: the tokens that each of their answers is filled up to; None where it takes what it needs.
      marks: for text that is also written with the suffix first, the ids that say so (`data.infilling`); else None.
      exact_nats: rows of the eval split -> -log p of their data [n] under the distribution that they were drawn from; None where it is not known.
      told_nats: the same given the captions of the rows.
      caption_nats, joint_nats: the same of the captions alone, and of the data and the captions together.
      prompts: the language of captions and the oracle of what they ask for; None without.
      questions: what is asked about images, where rows are that; else None.
      words: what captions are made of, where that is words and nothing but their numbers tells them apart; else None.
      medium: how people take in what is drawn; images are pictures, and None leaves anything else to its array.
      figures: data [n, ...], held out or drawn -> what can be told of them by one who knows what they are: name -> number; None where there is none.
    """

    spec: DataSpec
    splits: dict[str, Rows]
    tokenizer: tokenizers.Tokenizer | None = None
    dialogues: Mapping[str, Sequence[Dialogue]] = dataclasses.field(default_factory=dict)
    answer_room: int | None = None
    marks: Marks | None = None
    exact_nats: Callable[[Arrays], np.ndarray] | None = None
    told_nats: Callable[[Arrays], np.ndarray] | None = None
    caption_nats: Callable[[Arrays], np.ndarray] | None = None
    joint_nats: Callable[[Arrays], np.ndarray] | None = None
    prompts: Prompts | None = None
    questions: Questions | None = None
    words: Words | None = None
    medium: Medium | None = None
    figures: Callable[[np.ndarray], dict[str, float]] | None = None

    def __post_init__(self):
        for split in ("train", "eval"):
            if len(self.splits[split]) == 0:
                raise DataError(f"{self.spec.name}: no rows are left for the {split} split")

    @property
    def language(self) -> Language | None:
        """That of captions."""
        return self.prompts or self.words

    @property
    def shown(self) -> Medium | None:
        """`medium`, of images too; of codes that of what they stand for."""
        if isinstance(self.medium, Coded):
            return self.medium.source.shown
        return Pictures() if self.medium is None and self.spec.key == "image" else self.medium

    @property
    def plain(self) -> Source:
        """What rows are when they are decoded: the source that codes stand for, or this one."""
        return self.medium.source if isinstance(self.medium, Coded) else self

    def decoded(self, data: np.ndarray) -> np.ndarray:
        """Rows of this source [n, ...] as rows of `plain`."""
        return self.medium.decode(data) if isinstance(self.medium, Coded) else data

    @property
    def kept(self) -> dict[str, Any]:
        """What a run must keep so that its data can be read the same way again: file name -> JSON values."""
        return {} if self.tokenizer is None else {tokenizers.FILE: tokenizers.record(self.tokenizer, self.spec.name)}


@dataclasses.dataclass(frozen=True)
class ArrayRows:
    """Rows of arrays that are in memory: batch key -> [N, ...]."""

    arrays: Arrays

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def rows(self, indices: np.ndarray) -> Arrays:
        return {key: array[indices] for key, array in self.arrays.items()}


@dataclasses.dataclass(frozen=True)
class Subset:
    """The rows of `parent` at `indices`, in that order."""

    parent: Rows
    indices: np.ndarray

    def __len__(self) -> int:
        return len(self.indices)

    def rows(self, indices: np.ndarray) -> Arrays:
        return self.parent.rows(self.indices[indices])


def hold_out(rows: Rows) -> dict[str, Rows]:
    """Train and eval splits of data that come without a held-out split: always the same 10 % (at least one row) of a given length."""
    eval_rows, train_rows = np.split(fixed_permutation(len(rows), _HOLD_OUT_SEED), [max(1, len(rows) // 10)])
    return {"train": Subset(rows, np.sort(train_rows)), "eval": Subset(rows, np.sort(eval_rows))}


def fixed_permutation(n: int, seed: int) -> np.ndarray:
    """A permutation of n that will never change: NumPy freezes the streams of RandomState, and only those (NEP 19)."""
    return np.random.RandomState(seed).permutation(n)
