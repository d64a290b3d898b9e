"""Data that are put into words by a model, and drawn again from these words by one that is told of captions: the round trip.

Words are right where they are those of the held-out caption, to the letter, or true by the oracle of the data, which knows more true captions than
one. What comes back is right where the caption that the data had is true of it, whatever words it went through.

Where no oracle knows what is true, the model that puts data into words stands for one: of what is drawn for held-out captions it is told how many of
their words it reads there, beside as many as it reads in the data themselves, and in those of another caption.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genjax.config import require
from genjax.data.base import Arrays, Language, Several, Source, Verdicts
from genjax.errors import UsageError
from genjax.evaluation import edits, questions
from genjax.evaluation.evaluator import Evaluator
from genjax.evaluation.following import held_out
from genjax.evaluation.statistics import ALL, Share, share
from genjax.evaluation.trained import load
from genjax.objectives.base import Describes
from genjax.training.setup import Run
from genjax.types import Params


class Described(NamedTuple):
    """Of held-out data: how often the words are those of the caption, and, over all words of captions, how often a word is said, wherever."""

    right: Share
    words: Share


class RoundTrip(NamedTuple):
    """Of held-out data and what is drawn from what was said of them.

    Attributes:
      said: how often what was said is true of the data.
      back: how often their own caption is true of what was drawn.
      strict: how often it is, and what was drawn shows nothing but what there is.
      by_chance: how often their own caption is true of the next held-out example.
    """

    said: Share
    back: Share
    strict: Share
    by_chance: Share


def describes(run: Run) -> bool:
    """Whether a run's objective has learned to put its data into words."""
    return isinstance(run.objective, Describes) and run.objective.describes


def describes_parts(run: Run) -> bool:
    """Whether it has, and its rows are several arrays, so that one can be drawn from what is said of another."""
    return bool(run.source.spec.parts) and describes(run)


def describe(evaluator: Evaluator, params: Params, data: np.ndarray, known: Sequence[str] = (), turn: int = 0) -> np.ndarray:
    """Captions int32 [n, S] of data [n, ...], by a model that has learned both; of rows of several arrays, of all or of those that are `known`.

    Another `turn` draws with other numbers.
    """
    spec = evaluator.run.source.spec
    given: dict[str, np.ndarray] = {spec.key: data}
    if known:
        given["mask"] = np.broadcast_to(np.any([edits.read_region(name, spec) for name in known], axis=0), data.shape)
    return evaluator.draw(params, len(data), given=given, describe=True, turn=turn).data


def measure(evaluator: Evaluator, params: Params, count: int) -> dict[str, Described]:
    """The words for the first `count` held-out examples, against their captions; if a row has several arrays, for all and for each, by its own words.

    Of these it is also told what the model reads in arrays that it draws for the captions.
    """
    source, rows = evaluator.run.source, held_out(evaluator.run.source, count)
    data, captions, names = rows[source.spec.key], rows["caption"], [part.name for part in source.spec.parts]
    found = {ALL: compare(describe(evaluator, params, data), captions)}
    found |= {name: compare(describe(evaluator, params, data, [name]), captions, words_of(source, [name])) for name in names}
    if names:
        drawn = evaluator.draw(params, len(data), given={"caption": captions}).data
        found |= {f"{name} drawn": compare(describe(evaluator, params, drawn, [name], turn=1), captions, words_of(source, [name])) for name in names}
    return found


def compare(said: np.ndarray, expected: np.ndarray, words: np.ndarray | None = None) -> Described:
    """Words that were said, int [n, S], against captions [n, S]; None: all words, else those alone of which something can be known."""
    kept = lambda caption: caption[(caption != 0) & (True if words is None else np.isin(caption, words))]
    both = [(kept(mine), kept(theirs)) for mine, theirs in zip(said, expected, strict=True)]
    return Described(
        share(np.array([np.array_equal(mine, theirs) for mine, theirs in both])),
        share(np.concatenate([np.isin(theirs, mine) for mine, theirs in both])),
    )


def words_of(source: Source, names: Sequence[str]) -> np.ndarray:
    """The numbers of the words that the captions of all the named parts of a source know."""
    assert source.words is not None and isinstance(source.medium, Several)
    known = [{*part.words.known} for part in source.medium.parts if part.spec.name in names and part.words is not None]
    return np.flatnonzero([all(word in each for each in known) for word in source.words.known])


@dataclasses.dataclass(frozen=True)
class Describer:
    """A trained model that puts the data of another into words: data [n, ...] -> n texts."""

    say: Callable[[np.ndarray], list[str]]

    @classmethod
    def load(cls, path: str | Path, drawer: Run) -> Describer:
        """That of a run's directory; UsageError where it says nothing, or not of these data."""
        require(drawer.captioned, f"--describer is for models that are told of captions, and this one of {drawer.source.spec.name} is not")
        trained = load(path, {})
        run, evaluator, asks = trained.run, Evaluator(trained.run), trained.run.source.questions
        if describes(run):
            language = _language(run.source)
            drawn = drawer.source.plain.spec
            same = run.source.spec.shape == drawn.shape and run.source.spec.levels == drawn.levels
            require(same, f"--describer: the model of {path} is of {run.source.spec.name}, and this one of {drawer.source.spec.name}")
            return cls(lambda data: [language.decode(caption) for caption in describe(evaluator, trained.params, drawer.source.decoded(data))])
        if asks is None:
            raise UsageError(f"--describer: the model of {path} puts nothing into words: train one on said:... or shapes_answers:<tier>/task=caption")
        require(drawer.source.plain.spec.shape in asks.shapes, f"--describer: the model of {path} looks at no data of {drawer.source.spec.name}")
        try:  # before anything is measured: a model that answers questions is not asked any here
            asks.ask(drawer.source.decoded(held_out(drawer.source, 1)[drawer.source.spec.key])[0], "")
        except UsageError as error:
            raise UsageError(f"--describer: the model of {path} does not describe what it looks at by itself: {error}") from None

        def say(data: np.ndarray) -> list[str]:
            assert asks is not None
            asked = [asks.ask(one, "") for one in drawer.source.decoded(data)]
            rows: Arrays = {name: np.concatenate([row[name] for row in asked]) for name in asked[0]}
            return [asks.decode(answer) for answer in questions.answer(evaluator, trained.params, rows)]

        return cls(say)


class Returned(NamedTuple):
    """Of each of n held-out examples.

    Attributes:
      said: bool [n], whether what was said is true of it.
      back: the verdicts on what was drawn from what was said, by its own caption.
      by_chance: bool [n], whether its own caption is true of the next.
    """

    said: np.ndarray
    back: Verdicts
    by_chance: np.ndarray


def returned(evaluator: Evaluator, params: Params, describer: Describer, count: int) -> Returned:
    """The first `count` held-out examples, put into words and drawn again."""
    source = evaluator.run.source
    require(evaluator.run.captioned and source.prompts is not None, f"--describer: no oracle judges the captions of {source.spec.name}")
    assert source.prompts is not None
    rows = held_out(source, count)
    data, captions = rows[source.spec.key], rows["caption"]
    asked = np.stack([_encoded(source.prompts, text, captions.shape[1]) for text in describer.say(data)])
    understood = asked.any(axis=1)
    drawn = evaluator.draw(params, len(data), given={"caption": asked}).data
    said = np.zeros(len(data), bool)
    if understood.any():
        said[understood] = source.prompts.judge(asked[understood], data[understood]).follow
    return Returned(said, source.prompts.judge(captions, drawn), source.prompts.judge(captions, np.roll(data, -1, axis=0)).follow)


def round_trip(evaluator: Evaluator, params: Params, describer: Describer, count: int) -> RoundTrip:
    """How often that goes well."""
    found = returned(evaluator, params, describer, count)
    return RoundTrip(share(found.said), share(found.back.follow), share(found.back.strict), share(found.by_chance))


def read(evaluator: Evaluator, params: Params, describer: Describer, count: int) -> dict[str, Described]:
    """What a describer reads in what is drawn for the first `count` held-out captions, in the held-out data, and by chance: in those that stand half
    of them away, since neighbours are often alike.

    Words that are all one, because they are rare, are not counted.
    """
    source = evaluator.run.source
    assert source.words is not None, "captions of no oracle are of words"
    counted = np.array([place for place in range(1, len(source.words.known)) if place != source.words.rare])
    rows, number = held_out(source, count), {word: place for place, word in enumerate(source.words.known)}
    data, captions = rows[source.spec.key], rows["caption"]
    of_data = describer.say(data)
    said = {"drawn": describer.say(evaluator.draw(params, len(data), given={"caption": captions}).data), "held_out": of_data}
    said["by_chance"] = [*of_data[len(data) // 2 :], *of_data[: len(data) // 2]]
    unknown, longest = len(number), max(1, *(len(text.split()) for texts in said.values() for text in texts))
    places = {
        name: np.array([[number.get(word, unknown) for word in text.split()] + [0] * (longest - len(text.split())) for text in texts])
        for name, texts in said.items()
    }
    return {name: compare(numbers, captions, counted) for name, numbers in places.items()}


def lines(found: Described | RoundTrip) -> list[str]:
    """A measurement for people."""
    called = {
        "right": "described by the words of their caption",
        "words": "words of captions that are said",
        "said": "put into words that are true",
        "back": "drawn again as their caption says",
        "strict": "and showing nothing but what there is",
        "by_chance": "another example is as their caption says",
    }
    rows = found._asdict().items()
    return [
        f"    {called[name]:<42} {100 * part.value:5.1f} % [{100 * part.low:5.1f}, {100 * part.high:5.1f}] of {part.count}" for name, part in rows
    ]


def record(found: Described | RoundTrip) -> dict[str, dict[str, float]]:
    """A measurement as JSON."""
    return {name: part._asdict() for name, part in found._asdict().items()}


def _language(source: Source) -> Language:
    assert source.language is not None, "what has words has a language"
    return source.language


def _encoded(language: Language, text: str, length: int) -> np.ndarray:
    """The caption of a text, or none where it is none."""
    try:
        return language.encode(text)
    except UsageError:
        return np.zeros(length, np.int32)
