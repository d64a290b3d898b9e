"""shapes as a data set: `shapes:s16` of pictures, `shapes_codes:s16` of the same scenes as codes, both with captions, `shapes_captions:s16` of
these alone, and `shapes_answers:s16` of the codes with something to say of them (`answers`).

An argument is a tier, and after it at most one thing that is held out, and options: `s16`, `s16/comp1`, `s16/p_neg=0`, `s24/neg/p_neg=0.3`.

    p_neg=0.3        the weight of negations
    clauses=1        every caption has so many statements; without it there are one to three
    told=reference   not a caption is told of a scene, but a picture of the same objects elsewhere (`references`); not of shapes_answers
    told=plan        nor a caption, but what is in each cell (`plans`)
    task=caption     of shapes_answers: pictures are described, or (`question`) questions about them are answered, or (`plan`) captions are planned

Row i of a split is a function of i alone, made when it is asked for: nothing is stored and nothing is read.

    held out     train                         eval
    (nothing)    98 % of scenes, by a hash     another 1 %
    test         the same                      the last 1 %
    comp1/2      scenes without ...            scenes with a held-out combination          (`splits`)
    dense        the same as without           one object more                             (`splits`)
    rel, neg, scope                            captions without ..., and with a held-out statement   (`captions`)
    len          captions of 1 to 3 clauses    of 4
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from genjax.data.base import Arrays, Coded, Source
from genjax.data.shapes import answers, captions, counter, language, oracle, plans, posterior, references, scenes, splits
from genjax.data.shapes.answers import Layout, SceneQuestions, Task
from genjax.data.shapes.captions import Speaker
from genjax.data.shapes.plans import Plans
from genjax.data.shapes.prompts import ScenePrompts
from genjax.data.shapes.references import References
from genjax.data.shapes.scenes import CODES, TIERS, Scenes, Tier
from genjax.errors import UsageError, did_you_mean
from genjax.types import Book, DataSpec

TRAIN_SIZE = 2**20  # rows of an epoch; on S16 they are of 5e9 scenes
EVAL_SIZE = 4096
_SEED = 1  # of rows; of splits it is splits.SALT
# The fewest objects of a scene that shows, or can be said, what is held out.
LEAST = {"comp1": 1, "comp2": 2, "len": 1, "rel": 2, "neg": 1, "scope": 1}
HELD_OUT = ("", "test", "comp1", "comp2", "dense", "len", *captions.HELD_OUT)
_BOOK = Book(tuple(map(tuple, scenes.PALETTE[scenes.CODE_BOOK].reshape(CODES, -1).tolist())), 256)  # pixels of a patch, row by row


@dataclasses.dataclass(frozen=True)
class SceneRows:
    """Rows of a split.

    Attributes:
      speaker: draws the captions.
      split: "train", "val", "test" or "all".
      counts: k is uniform on it.
      combination: a name in splits.HELD_OUT; scenes that show it are avoided or, if `seen`, the only ones.
      statement: a name in captions.HELD_OUT that every caption makes, or "".
      size: how many rows.
      told: a name in TOLD, what is told of each scene.
    """

    speaker: Speaker
    split: str
    counts: range
    combination: str
    seen: bool
    statement: str
    size: int
    told: str = "caption"

    def __len__(self) -> int:
        return self.size

    def scenes(self, indices: np.ndarray) -> Scenes:
        """The scenes of rows [n]."""
        said = [(kind, captions.held_out(self.statement, kind)) for kind in range(len(language.TYPES)) if self.statement]
        said = [(kind, which) for kind, which in said if which.any()]

        def wanted(drawn: Scenes) -> np.ndarray:
            right = splits.HELD_OUT[self.combination](drawn) == self.seen
            for start in range(0, len(right), 512) if said else ():
                part = slice(start, start + 512)
                seen = captions.objects(Scenes(drawn.background[part], drawn.contents[part]))
                right[part] &= np.any([captions.true_clauses(self.tier, kind, seen)[:, which].any(axis=1) for kind, which in said], axis=0)
            return right

        return splits.draw(self.tier, self.split, indices, _SEED, self.counts, wanted)

    @property
    def tier(self) -> Tier:
        return self.speaker.tier

    def state(self, indices: np.ndarray) -> np.ndarray:
        """uint64 [n], of what is said of each row."""
        return counter.fold(counter.fold(counter.start(_SEED), 1000 + list(splits.SHARES).index(self.split)), indices)

    def rows(self, indices: np.ndarray) -> Arrays:
        drawn = self.scenes(indices)
        return {
            "image": scenes.image(self.tier, drawn),
            "codes": scenes.codes(self.tier, drawn).astype(np.int32),
            "caption": TOLD[self.told].draw(self, drawn, self.state(indices)),
        }


class Told(NamedTuple):
    """What is told of scenes.

    Attributes:
      words: how many words there are, with the padding 0.
      length: of the longest.
      draw: (rows, scenes, state uint64 [B]) -> int32 [B, length].
      prompts: (tier, whether data are codes) -> how scenes are asked for with it.
    """

    words: int
    length: Callable[[Tier], int]
    draw: Callable[[SceneRows, Scenes, np.ndarray], np.ndarray]
    prompts: Callable[[Tier, bool], ScenePrompts | References | Plans]


TOLD = {
    "caption": Told(
        language.FIRST_CODE, lambda tier: language.LENGTH, lambda rows, drawn, state: rows.speaker.draw(drawn, state, rows.statement), ScenePrompts
    ),
    "reference": Told(
        references.WORDS,
        lambda tier: tier.patches**2,
        lambda rows, drawn, state: references.told(rows.tier, references.draw(rows.tier, drawn, state)),
        References,
    ),
    "plan": Told(language.FIRST_CODE, plans.length, lambda rows, drawn, state: plans.told(rows.tier, drawn), Plans),
}


@dataclasses.dataclass(frozen=True)
class CodeRows:
    """The same rows with the codes as the data."""

    pictures: SceneRows

    def __len__(self) -> int:
        return len(self.pictures)

    def rows(self, indices: np.ndarray) -> Arrays:
        found = self.pictures.rows(indices)
        return {"tokens": found["codes"], "caption": found["caption"]}


@dataclasses.dataclass(frozen=True)
class SaidRows:
    """What is said of the same scenes, as the data."""

    pictures: SceneRows

    def __len__(self) -> int:
        return len(self.pictures)

    def rows(self, indices: np.ndarray) -> Arrays:
        said = self.pictures.rows(indices)["caption"]
        learned = (np.cumsum(said == language.PAD, axis=1) <= 1).astype(np.float32)
        return {"tokens": said, "loss_mask": learned, "num_units": learned.sum(axis=1)}


@dataclasses.dataclass(frozen=True)
class AnswerRows:
    """The same scenes with something to say of them."""

    pictures: SceneRows
    task: Task
    layout: Layout

    def __len__(self) -> int:
        return len(self.pictures)

    def rows(self, indices: np.ndarray) -> Arrays:
        drawn = self.pictures.scenes(indices)
        said = self.task.draw(self.pictures.speaker, drawn, self.pictures.state(indices), self.pictures.statement)
        return self.layout.rows(scenes.codes(self.pictures.tier, drawn), *said)

    def exact_nats(self, rows: Arrays) -> np.ndarray:
        """-log p [n] of the answers given what is asked."""
        assert self.task.log2_prob is not None
        shown = oracle.shown(self.pictures.tier, self.layout.pictures(rows))
        said = [np.pad(words, (0, self.layout.answer - len(words)), constant_values=language.PAD) for words in answers.said_in(rows)]
        return -self.task.log2_prob(self.pictures.speaker, shown, np.array(said)) * math.log(2)


def open_shapes(argument: str, data_dir: str | None = None) -> Source:
    """Pictures uint8 [n, H, W, 3]; `codes` int32 [n, H/2, W/2] and `caption` int32 [n, 24] beside them.

    Raises:
      UsageError: there is no such tier, or nothing of that name can be held out of it.
    """
    train, held_out = _splits(_options("shapes", argument, told="caption"))
    palette = tuple(map(tuple, scenes.PALETTE.tolist()))
    spec = DataSpec("shapes:" + argument, "image", (train.tier.pixels,) * 2 + (3,), 256, palette=palette, **_of_captions(train))
    return Source(spec, {"train": train, "eval": held_out}, prompts=TOLD[held_out.told].prompts(held_out.tier, False), **_worth(held_out, "codes"))


def open_shapes_codes(argument: str, data_dir: str | None = None) -> Source:
    """The codes of the same pictures as `tokens` int32 [n, H/2, W/2], and `caption` int32 [n, 24].

    Raises:
      UsageError: as in `open_shapes`.
    """
    train, held_out = _splits(_options("shapes_codes", argument, told="caption"))
    spec = DataSpec("shapes_codes:" + argument, "tokens", (train.tier.patches,) * 2, CODES, book=_BOOK, **_of_captions(train))
    rows: dict[str, Any] = {"train": CodeRows(train), "eval": CodeRows(held_out)}
    prompts = TOLD[held_out.told].prompts(held_out.tier, True)
    return Source(spec, rows, prompts=prompts, medium=Coded(open_shapes(argument), prompts.pictures), **_worth(held_out, "tokens"))


def open_shapes_captions(argument: str, data_dir: str | None = None) -> Source:
    """The captions of the same scenes alone, `tokens` int32 [n, 24], of which those up to the first padding are learned.

    Raises:
      UsageError: as in `open_shapes`.
    """
    train, held_out = _splits(_options("shapes_captions", argument))
    return Source(
        DataSpec("shapes_captions:" + argument, "tokens", (language.LENGTH,), language.FIRST_CODE, 0, TRAIN_SIZE, EVAL_SIZE, unit="word"),
        {"train": SaidRows(train), "eval": SaidRows(held_out)},
        exact_nats=(lambda rows: _said_nats(held_out, rows["tokens"])) if _is_whole(held_out) and posterior.can_list(held_out.tier) else None,
    )


def open_shapes_answers(argument: str, data_dir: str | None = None) -> Source:
    """The codes of the same scenes, each with its caption or with a question and its answer, as rows of text.

    Raises:
      UsageError: as in `open_shapes`, or there is no such task.
    """
    options = _options("shapes_answers", argument, task="question")
    task = answers.task_of(options.what, options.values["task"])
    pictures = [_with_least(part, task.least) for part in _splits(options)]
    tier, longest = pictures[0].tier, max(task.answer(part.speaker) for part in pictures)
    layout = Layout(tier.patches**2 if task.shows else 0, task.question, longest)
    train, held_out = (AnswerRows(part, task, layout) for part in pictures)
    return Source(
        DataSpec("shapes_answers:" + argument, "tokens", (layout.length,), answers.LEVELS, 0, TRAIN_SIZE, EVAL_SIZE, unit="answer", prompted=True),
        {"train": train, "eval": held_out},
        exact_nats=None if held_out.pictures.statement or task.log2_prob is None else held_out.exact_nats,
        questions=SceneQuestions(tier, options.values["task"], layout, open_shapes_codes(argument.partition("/")[0])),
    )


def _with_least(rows: SceneRows, least: int) -> SceneRows:
    """The rows with at least so many objects each."""
    return dataclasses.replace(rows, counts=range(max(least, rows.counts.start), rows.counts.stop))


def _of_captions(rows: SceneRows) -> dict[str, Any]:
    """What a spec says of rows and of what they are told."""
    told = TOLD[rows.told]
    return {"num_classes": 0, "train_size": TRAIN_SIZE, "eval_size": EVAL_SIZE, "words": told.words, "caption_length": told.length(rows.tier)}


def _is_whole(held_out: SceneRows) -> bool:
    """Whether a split is as all scenes are."""
    return not (held_out.combination or held_out.statement) and held_out.counts == held_out.tier.counts


def _worth(held_out: SceneRows, codes: str) -> dict[str, Any]:
    """What rows are worth whose codes [n, h, w] are under that name, as far as it is known: fields of `Source`.

    Of a scene x and its caption c: -log p(x) is equation (2) of `scenes`, -log p(c | x) equation (2) of `captions`, and

        -log p(x | c) = -log p(x) - log p(c | x) + log sum_x' p(x') p(c | x')                                   (1)

    where all scenes can be listed.
    """
    tier, speaker = held_out.tier, held_out.speaker
    if not _is_whole(held_out):
        return {}

    def alone(rows: Arrays) -> np.ndarray:
        return scenes.bits(tier, scenes.objects_shown(tier, rows[codes])) * math.log(2)

    def joint(rows: Arrays) -> np.ndarray:
        return alone(rows) - speaker.each_log2_prob(oracle.shown(tier, rows[codes]), rows["caption"]) * math.log(2)

    prompts = TOLD[held_out.told].prompts(tier, True)
    if not isinstance(prompts, ScenePrompts):
        return {"exact_nats": alone, "told_nats": lambda rows: prompts.nats(rows["caption"])}
    worth = {"exact_nats": alone, "joint_nats": joint}
    if not posterior.can_list(tier):
        return worth
    said = lambda rows: _said_nats(held_out, rows["caption"])
    return worth | {"caption_nats": said, "told_nats": lambda rows: joint(rows) - said(rows)}


def _said_nats(held_out: SceneRows, said: np.ndarray) -> np.ndarray:
    """-log p(c) [n] of captions [n, S]."""
    return posterior.caption_bits(held_out.speaker, said) * math.log(2)


class Options(NamedTuple):
    """An argument: `what` it is of, for people; a tier; what is held out, or ""; and the values of options by name."""

    what: str
    tier: Tier
    held_out: str
    values: dict[str, str]


def _options(kind: str, argument: str, **more: str) -> Options:
    """The parts of an argument; `more` are options that only this kind has, with their defaults."""
    name, *options = argument.split("/")
    what, held_out = f"data source '{kind}:{argument}'", ""
    values, given = {"p_neg": str(Speaker.p_neg), "clauses": ""} | more, set()
    if name not in TIERS:
        raise UsageError(f"{what}: the tiers are {', '.join(TIERS)}{did_you_mean(name, TIERS)}")
    for option in options:
        key, equals, value = option.partition("=")
        if key in given:
            raise UsageError(f"{what}: {key} is there twice: give it once")
        if equals and key in values:
            values[key] = value
            given.add(key)
        elif option and option in HELD_OUT and not held_out:
            held_out = option
        else:
            known = ", ".join(f"{key}=..." for key in values)
            raise UsageError(f"{what}: after the tier come one of {', '.join(HELD_OUT[1:])}, and {known}{did_you_mean(option, HELD_OUT)}")
    return Options(what, TIERS[name], held_out, values)


def _splits(options: Options) -> tuple[SceneRows, SceneRows]:
    """The rows of the train and of the eval split that an argument names."""
    what, tier, held_out, values = options
    combination = held_out if held_out in splits.HELD_OUT else ""
    statement = held_out if held_out in captions.HELD_OUT else ""
    least = LEAST.get(held_out, 0)
    dense = held_out == "dense"
    if max(least, tier.max_count + dense) > (tier.cells if dense else tier.max_count):
        raise UsageError(f"{what}: {tier.name} has {tier.cells} cells and at most {tier.max_count} objects, too few for '{held_out}'")
    p_neg, clauses = _weight(what, values["p_neg"]), _clauses(what, values["clauses"])
    told = _told(what, values.get("told", "caption"), statement)
    train = SceneRows(Speaker(tier, p_neg, statement, clauses), "train", tier.counts, combination, False, "", TRAIN_SIZE, told)
    return train, SceneRows(
        speaker=Speaker(tier, p_neg, "", 4 if held_out == "len" else clauses),
        split="all" if combination or dense else "test" if held_out == "test" else "val",
        counts=range(tier.max_count + 1, tier.max_count + 2) if dense else range(least, tier.max_count + 1),
        combination=combination,
        seen=bool(combination),
        statement=statement,
        size=EVAL_SIZE,
        told=told,
    )


def _told(what: str, told: str, statement: str) -> str:
    if told not in TOLD:
        raise UsageError(f"{what}: told is {', '.join(TOLD)}, not '{told}'{did_you_mean(told, TOLD)}")
    if told != "caption" and statement:
        raise UsageError(f"{what}: a {told} makes no statements, so '{statement}' cannot be held out of them: leave one of them out")
    return told


def _weight(what: str, value: str) -> float:
    try:
        weight = float(value)
    except ValueError:
        weight = math.nan
    if not 0 <= weight <= 1:
        raise UsageError(f"{what}: p_neg is a number from 0 to 1, not '{value}'")
    return weight


def _clauses(what: str, value: str) -> int | None:
    most = max(captions.CLAUSES)
    if value not in ("", *map(str, captions.CLAUSES)):
        raise UsageError(f"{what}: clauses is a number from 1 to {most}, not '{value}'")
    return int(value) if value else None
