"""What is said of pictures, sounds and films: `said:emoji`, `said:spoken_digit+moving:shapes`. The arrays are shown, and their captions are the data.

    [shown] ASK word word END END ...                                                               (1)

A row is about one array, of one of the sources that are joined by "+", which stands before it as patches (`DataSpec.shown`, `models.captions`), and
its tokens are ASK and the caption, filled up with END to a room that is as long for every row. All words are ids of one vocabulary, in
which a word that several sources have is one word; END and ASK are the two ids after them. So one model hears, sees and watches, and says of what
it is shown what there is to say.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from genjax.data.base import Arrays, Rows, Source
from genjax.data.words import Words
from genjax.errors import UsageError
from genjax.types import DataSpec, Shown


@dataclasses.dataclass(frozen=True)
class SaidRows:
    """Rows of equation (1).

    Attributes:
      parts: the rows of each source.
      sources: the sources.
      vocabulary: all words; those of source s are `numbers[s]` in it.
      order: int [n, 2], of every row its source and its place there.
    """

    parts: tuple[Rows, ...]
    sources: tuple[Source, ...]
    vocabulary: Words
    numbers: tuple[np.ndarray, ...]
    order: np.ndarray

    def __len__(self) -> int:
        return len(self.order)

    def rows(self, indices: np.ndarray) -> Arrays:
        end, blank = len(self.vocabulary.known), unsaid(self.vocabulary, len(indices))
        tokens = blank["tokens"]
        ends = spans(self.sources)
        caption = np.zeros((len(indices), ends[-1]), np.int32)
        for number, (part, source, numbers) in enumerate(zip(self.parts, self.sources, self.numbers, strict=True)):
            here = np.flatnonzero(self.order[indices, 0] == number)
            found = part.rows(self.order[indices[here], 1])
            caption[here, ends[number] : ends[number + 1]] = 1 + found[source.spec.key].reshape(-1, source.spec.num_dims).astype(np.int32)
            said = found["caption"]
            tokens[here, 1 : 1 + said.shape[1]] = np.where(said == 0, end, numbers[said])
        return blank | {"caption": caption}


@dataclasses.dataclass(frozen=True)
class SaidQuestions:
    """See `data.base.Questions`: the one question is what there is to say."""

    vocabulary: Words
    sources: tuple[Source, ...]

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return tuple(source.spec.shape for source in self.sources)

    def ask(self, image: np.ndarray | None, text: str) -> Arrays:
        if text:
            raise UsageError(f"--question='{text}': this model says what it is shown and answers no questions; leave it out")
        if image is None:
            raise UsageError("this model speaks of what it is shown: give --image")
        kinds = [number for number, shape in enumerate(self.shapes) if shape == image.shape]
        if len(kinds) != 1:
            raise UsageError(f"data of shape {list(image.shape)} are none that this model is shown, or of two kinds: give --image=held_out")
        ends = spans(self.sources)
        caption = np.zeros((1, ends[-1]), np.int32)
        caption[0, ends[kinds[0]] : ends[kinds[0] + 1]] = 1 + image.reshape(-1).astype(np.int32)
        return unsaid(self.vocabulary, 1) | {"caption": caption}

    def decode(self, answer: np.ndarray) -> str:
        known = self.vocabulary.known
        return " ".join(known[token] if 0 < token < len(known) else "?" for token in answer)

    def asked(self, rows: Arrays) -> list[str]:
        return [""] * len(rows["tokens"])

    def looked(self, rows: Arrays) -> list[tuple[Source, np.ndarray]]:
        found = []
        for source, start, stop in zip(self.sources, spans(self.sources)[:-1], spans(self.sources)[1:], strict=True):
            shown = rows["caption"][:, start:stop]
            shown = shown[(shown != 0).any(axis=1)] - 1
            if len(shown):
                found.append((source, shown.reshape(-1, *source.spec.shape)))
        return found

    def groups(self, rows: Arrays) -> list[tuple[str, ...]]:
        of = np.searchsorted(spans(self.sources), np.argmax(rows["caption"] != 0, axis=1), side="right") - 1
        return [(self.sources[number].spec.name,) for number in of]

    def judge(self, rows: Arrays, answers: list[np.ndarray]) -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
        """Answers that are right to the letter, and the words of the right ones that are said, wherever.

        What stands for all words that are rare is none of them, and nobody can be right about it.
        """
        end, rare = len(self.vocabulary.known), self.vocabulary.rare
        expected = [tokens[(supervised > 0) & (tokens != end)] for tokens, supervised in zip(rows["tokens"], rows["loss_mask"], strict=True)]
        right = np.array([np.array_equal(mine, theirs) and rare not in theirs for mine, theirs in zip(answers, expected, strict=True)])
        words = [theirs[theirs != rare] if rare is not None else theirs for theirs in expected]
        said = np.array([np.isin(theirs, mine).sum() for mine, theirs in zip(answers, words, strict=True)])
        return {"right": (right, np.ones(len(right))), "words": (said, np.array(list(map(len, words))))}


def spans(sources: Sequence[Source]) -> np.ndarray:
    """Where the array of each source begins among the values of a caption, and where the last ends: int [sources + 1]."""
    return np.cumsum([0, *(source.spec.num_dims for source in sources)])


def unsaid(vocabulary: Words, count: int) -> Arrays:
    """Rows of equation (1) in which nothing is said yet, without what is shown."""
    shape, end = (count, vocabulary.length + 2), len(vocabulary.known)
    learned = np.broadcast_to(np.arange(shape[1]) > 0, shape)
    return {
        "tokens": np.where(learned, end, end + 1).astype(np.int32),
        "segment_ids": np.ones(shape, np.int32),
        "positions": np.array(np.broadcast_to(np.arange(shape[1], dtype=np.int32), shape)),
        "loss_mask": learned.astype(np.float32),
        "num_units": np.ones(count, np.float32),
    }


def said_source(name: str, argument: str, opened: Callable[[str], Source]) -> Source:
    """The captions of sources as `tokens` int32 [n, 2 + longest], each row about an array of one of them (`caption`).

    Held-out rows of the sources take turns as they are many, so that the first are of all.

    Raises:
      UsageError: a source has no captions of words.
    """
    sources = [opened(part) for part in argument.split("+")]
    for source in sources:
        if source.words is None:
            raise UsageError(f"data source '{name}': {source.spec.name} has no words that are said of it; emoji, spoken_digit and moving:<what> have")
        if not source.spec.ordered:
            raise UsageError(
                f"data source '{name}': {source.spec.name} is of tokens, and what is shown are arrays: give the source that they stand for"
            )
    if len({source.spec.name for source in sources}) < len(sources):
        raise UsageError(f"data source '{name}': a source is there twice: give it once")
    languages = [source.words for source in sources if source.words is not None]
    known = dict.fromkeys(word for language in languages for word in language.known)
    place = {word: number for number, word in enumerate(known)}
    rare = next((place[language.known[language.rare]] for language in languages if language.rare is not None), None)
    vocabulary = Words(tuple(known), max(language.length for language in languages), rare)
    numbers = tuple(np.array([place[word] for word in language.known], np.int32) for language in languages)
    splits: dict[str, Rows] = {}
    for split in ("train", "eval"):
        parts = tuple(source.splits[split] for source in sources)
        of = np.concatenate([np.full(len(part), number) for number, part in enumerate(parts)])
        at = np.concatenate([np.arange(len(part)) for part in parts])
        turn = np.argsort(np.concatenate([(np.arange(len(part)) + 0.5) / len(part) for part in parts]), kind="stable")
        splits[split] = SaidRows(parts, tuple(sources), vocabulary, numbers, np.stack([of, at], axis=1)[turn])
    spec = DataSpec(
        name,
        "tokens",
        (vocabulary.length + 2,),
        len(vocabulary.known) + 2,
        0,
        len(splits["train"]),
        len(splits["eval"]),
        unit="answer",
        prompted=True,
        caption_length=int(spans(sources)[-1]),
        shown=tuple(Shown(source.spec.shape, source.spec.levels) for source in sources),
    )
    return Source(spec, splits, questions=SaidQuestions(vocabulary, tuple(sources)))
