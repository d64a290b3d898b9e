"""What several sources show of the same thing, side by side: `together:spoken_digit+moving:digits`, a digit that is heard and seen.

A row has one array of each source, all of one class, one after the other as values [N, 1] of `array` (`DataSpec.parts` tells what they are), and one
caption for all: the words of the first source's caption and then what the others add to them, "seven jackson sideways".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from genjax.data.base import Arrays, Rows, Several, Source
from genjax.data.words import Words
from genjax.errors import UsageError
from genjax.types import DataSpec

_SEED = 20261123


@dataclasses.dataclass(frozen=True)
class TogetherRows:
    """Rows of several sources.

    Attributes:
      parts: the rows of each source.
      sources: the sources.
      words: all words; those of source s are `numbers[s]` in them.
      partners: int [n, sources], the row of each source that stands in a row.
    """

    parts: tuple[Rows, ...]
    sources: tuple[Source, ...]
    words: Words
    numbers: tuple[np.ndarray, ...]
    partners: np.ndarray

    def __len__(self) -> int:
        return len(self.partners)

    def rows(self, indices: np.ndarray) -> Arrays:
        found = [part.rows(self.partners[indices, number]) for number, part in enumerate(self.parts)]
        arrays = [rows[source.spec.key].reshape(len(indices), -1, 1) for rows, source in zip(found, self.sources, strict=True)]
        said = np.concatenate([numbers[rows["caption"]] for rows, numbers in zip(found, self.numbers, strict=True)], axis=1)
        captions = [[*dict.fromkeys(word for word in row if word)] for row in said.tolist()]
        caption = np.array([row + [0] * (self.words.length - len(row)) for row in captions], np.int32)
        return {"array": np.concatenate(arrays, axis=1), "label": found[0]["label"], "caption": caption}


def together_source(name: str, argument: str, opened: Callable[[str], Source]) -> Source:
    """Rows of arrays that belong together by their class, as many as the largest of the sources has; the others' take turns.

    Raises:
      UsageError: a source has no classes, or others, or no captions of words, or is no array of numbers.
    """
    sources = [opened(part) for part in argument.split("+")]
    for source in sources:
        if source.words is None or not source.spec.ordered or not source.spec.num_classes:
            raise UsageError(f"data source '{name}': {source.spec.name} has no classes with words; spoken_digit and moving:<what> have")
    if len({source.spec.name for source in sources}) < max(2, len(sources)):
        raise UsageError(f"data source '{name}': give several sources, each once, as in together:spoken_digit+moving:digits")
    first, *others = sources
    for other in others:
        if other.spec.num_classes != first.spec.num_classes:
            raise UsageError(
                f"data source '{name}': {first.spec.name} has {first.spec.num_classes} classes and {other.spec.name} {other.spec.num_classes}: "
                "what stands together must be of the same"
            )
    languages = [source.words for source in sources if source.words is not None]
    known = {word: number for number, word in enumerate(dict.fromkeys(word for language in languages for word in language.known))}
    words = Words(tuple(known), sum(language.length for language in languages))
    numbers = tuple(np.array([known[word] for word in language.known], np.int32) for language in languages)
    splits: dict[str, Rows] = {
        split: TogetherRows(tuple(source.splits[split] for source in sources), tuple(sources), words, numbers, _partners(name, sources, split, seed))
        for seed, split in enumerate(("train", "eval"))
    }
    spec = DataSpec(
        name,
        "array",
        (sum(source.spec.num_dims for source in sources), 1),
        max(source.spec.levels for source in sources),
        first.spec.num_classes,
        len(splits["train"]),
        len(splits["eval"]),
        words=len(words.known),
        caption_length=words.length,
        parts=tuple(source.spec for source in sources),
    )
    return Source(spec, splits, words=words, medium=Several(tuple(sources)))


def _partners(name: str, sources: list[Source], split: str, seed: int) -> np.ndarray:
    """Rows of each source with the same class: the largest source's in their order, the others' those of that class in turn, mixed."""
    labels = [source.splits[split].rows(np.arange(len(source.splits[split])))["label"] for source in sources]
    largest = int(np.argmax([len(each) for each in labels]))
    random, columns = np.random.RandomState([_SEED, seed]), []
    for number, each in enumerate(labels):
        column = np.arange(len(labels[largest]))
        for label in np.unique(labels[largest]) if number != largest else ():
            here, there = np.flatnonzero(labels[largest] == label), np.flatnonzero(each == label)
            if not len(there):
                raise UsageError(f"data source '{name}': {sources[number].spec.name} shows no class {label} in its {split} split")
            column[here] = np.resize(random.permutation(there), len(here))
        columns.append(column)
    return np.stack(columns, axis=1)
