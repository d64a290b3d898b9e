"""Pictures with something to say of them: their captions, or questions with their answers, as one sequence a row.

    [codes] [question] ASK answer END END ...                                                       (1)

Words, codes of the picture, and the two marks are ids of one vocabulary that do not overlap (`language`; END and ASK are the two after them). The
codes, the question and ASK are context, and the answer is supervised up to the end of a room that is as long for every row: so its length has
to be learned, and whatever reads all of a row at once cannot see it. What comes after that is padding. A plan is asked for with a caption and without
a picture, which is yet to be drawn.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from genjax.data.base import Arrays, Source
from genjax.data.shapes import captions, language, oracle, plans, questions, scenes
from genjax.data.shapes.captions import Speaker
from genjax.data.shapes.language import FIRST_CODE, PAD, VOCABULARY
from genjax.data.shapes.prompts import category
from genjax.data.shapes.scenes import CODES, Scenes, Tier
from genjax.errors import DataError, UsageError, did_you_mean

END, ASK = VOCABULARY, VOCABULARY + 1
LEVELS = VOCABULARY + 2


class Task(NamedTuple):
    """What is said of pictures.

    Attributes:
      question: words of the longest question.
      answer: words of the longest answer that a speaker gives.
      least: objects of a scene of which something can be said.
      draw: (speaker, scenes, state uint64 [B], the name of statements that a caption must make or "") -> tokens of questions
        int32 [B, question] and of answers [B, answer], padded.
      log2_prob: (speaker, scenes of rows, what is said of them) -> log2 p of each answer given its question [B]; None where it is not known.
      shows: whether the picture stands before the question.
    """

    question: int
    answer: Callable[[Speaker], int]
    least: int
    draw: Callable[[Speaker, Scenes, np.ndarray, str], tuple[np.ndarray, np.ndarray]]
    log2_prob: Callable[[Speaker, Scenes, np.ndarray], np.ndarray] | None
    shows: bool = True


def _caption(speaker: Speaker, drawn: Scenes, state: np.ndarray, must: str) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((len(state), 0), np.int32), speaker.draw(drawn, state, must)[:, : speaker.longest]


def _question(speaker: Speaker, drawn: Scenes, state: np.ndarray, must: str) -> tuple[np.ndarray, np.ndarray]:
    asked = questions.draw(speaker.tier, drawn, state)
    return asked.question, asked.answer[:, None]


def _plan(speaker: Speaker, drawn: Scenes, state: np.ndarray, must: str) -> tuple[np.ndarray, np.ndarray]:
    return speaker.draw(drawn, state, must), plans.told(speaker.tier, drawn)


TASKS = {
    "caption": Task(0, lambda speaker: speaker.longest, 0, _caption, Speaker.each_log2_prob),
    "question": Task(questions.LENGTH, lambda speaker: 1, 1, _question, lambda speaker, shown, said: np.zeros(len(said))),
    "plan": Task(language.LENGTH, lambda speaker: plans.length(speaker.tier), 0, _plan, None, shows=False),
}


def task_of(what: str, name: str) -> Task:
    """The task of a name; UsageError with `what` it is about, where there is none."""
    if name not in TASKS:
        raise UsageError(f"{what}: the tasks are {', '.join(TASKS)}{did_you_mean(name, TASKS)}")
    return TASKS[name]


@dataclasses.dataclass(frozen=True)
class Layout:
    """How rows lie: equation (1).

    Attributes:
      codes: of a picture; 0 where none is shown.
      question: words of the longest question.
      answer: words of the longest answer.
    """

    codes: int
    question: int
    answer: int

    @property
    def length(self) -> int:
        """Tokens of a row."""
        return self.codes + self.question + 1 + self.answer + 1

    def rows(self, codes: np.ndarray, question: np.ndarray, answer: np.ndarray) -> Arrays:
        """The keys of text in `types.Batch`: of codes [n, h, w], and tokens of questions [n, question] and answers [n, <= answer], padded.

        Codes are left out where no picture is shown.
        """
        n, count = len(answer), self.answer + 1
        answer = np.pad(answer, ((0, 0), (0, count - answer.shape[1])), constant_values=PAD)
        parts = [codes.reshape(n, -1)[:, : self.codes] + FIRST_CODE, question, np.full((n, 1), ASK), np.where(answer == PAD, END, answer)]
        real = np.concatenate([np.ones((n, self.codes), bool), question != PAD, np.ones((n, 1 + count), bool)], axis=1)
        order = np.argsort(~real, axis=1, kind="stable")  # what is not there comes last
        real = np.take_along_axis(real, order, axis=1)
        tokens = np.take_along_axis(np.concatenate(parts, axis=1), order, axis=1)
        return {
            "tokens": np.where(real, tokens, 0).astype(np.int32),
            "segment_ids": real.astype(np.int32),
            "positions": np.where(real, np.arange(self.length), 0).astype(np.int32),
            "loss_mask": (real & (order >= self.length - count)).astype(np.float32),
            "num_units": np.ones(n, np.float32),
        }

    def pictures(self, rows: Arrays) -> np.ndarray:
        """The codes [n, h, w] of rows."""
        side = round(self.codes**0.5)
        return rows["tokens"][:, : self.codes].reshape(-1, side, side) - FIRST_CODE

    def question_of(self, tokens: np.ndarray) -> np.ndarray:
        """The words of a row's question, int [<= question]."""
        return tokens[self.codes : int(np.argmax(tokens == ASK))]


def said_in(rows: Arrays) -> list[np.ndarray]:
    """The answer of each row, as words."""
    return [tokens[supervised & (tokens != END)] for tokens, supervised in zip(rows["tokens"], rows["loss_mask"] > 0, strict=True)]


@dataclasses.dataclass(frozen=True)
class SceneQuestions:
    """See `data.base.Questions`; `codes` is the source of the pictures' codes."""

    tier: Tier
    task: str
    layout: Layout
    codes: Source

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((self.tier.pixels, self.tier.pixels, 3),) if TASKS[self.task].shows else ()

    def ask(self, image: np.ndarray | None, text: str) -> Arrays:
        if not TASKS[self.task].shows:
            if image is not None:
                raise UsageError("this model plans what is yet to be drawn, and looks at no picture: leave out --image")
            asked = language.to_tokens(language.caption_words(language.parse(text)))
            return self.layout.rows(np.zeros((1, 0), np.int32), asked[None], np.zeros((1, 0), np.int32))
        if image is None:
            raise UsageError(f"this model speaks of pictures: give --image with '{text}'")
        numbers = np.asarray(oracle.nearest(jnp.asarray(image)))[None]
        codes = scenes.encode(np.minimum(numbers, len(scenes.PALETTE) - 1)) if (numbers < len(scenes.PALETTE)).all() else np.array([-1])
        if (codes < 0).any():
            raise DataError(f"the picture has 2x2 pixels that are none of the {CODES} of shapes: its colours are those of docs/shapes.md")
        asked = np.zeros((1, self.layout.question), np.int32)
        if self.task == "question":
            kind, number = questions.parse(text)
            asked = questions.question_tokens(kind)[number][None]
        elif text:
            raise UsageError(f"--question='{text}': this model describes pictures and answers no questions; leave it out")
        return self.layout.rows(codes, asked, np.zeros((1, 0), np.int32))

    def decode(self, answer: np.ndarray) -> str:
        words = [token if token != PAD and token in language.NAME_OF else language.ID_OF["<null>"] for token in answer.tolist()]
        return language.to_text(np.array(words, int))

    def asked(self, rows: Arrays) -> list[str]:
        return [language.to_text(self.layout.question_of(tokens)) for tokens in rows["tokens"]]

    def looked(self, rows: Arrays) -> list[tuple[Source, np.ndarray]]:
        return [(self.codes, self.layout.pictures(rows))] if TASKS[self.task].shows else []

    def groups(self, rows: Arrays) -> list[tuple[str, ...]]:
        if not TASKS[self.task].shows:
            return [(kind,) for kind in self._kinds(rows)]
        objects = scenes.objects_shown(self.tier, self.layout.pictures(rows))
        return [(kind, "1 object" if count == 1 else f"{count} objects") for kind, count in zip(self._kinds(rows), objects, strict=True)]

    def judge(self, rows: Arrays, answers: list[np.ndarray]) -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
        return JUDGES[self.task](self, rows, answers)

    def _kinds(self, rows: Arrays) -> list[str]:
        return [KINDS[self.task](question) for question in self.asked(rows)]


def _right(task: SceneQuestions, rows: Arrays, answers: list[np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Whether an answer is the right one, to the letter."""
    right = np.array([np.array_equal(mine, theirs) for mine, theirs in zip(answers, said_in(rows), strict=True)])
    return {"right": (right, np.ones(len(right)))}


def _true(task: SceneQuestions, rows: Arrays, answers: list[np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Whether a caption is of the language and true, and how many of the facts that it states are; what is no caption states one, and it is wrong."""
    seen = captions.objects(oracle.shown(task.tier, task.layout.pictures(rows)))
    strict, right, stated = (np.zeros(len(answers), int) for _ in range(3))
    for row, answer in enumerate(answers):
        mine = captions.Objects(*(part[row : row + 1] for part in seen))
        try:
            caption = language.parse(task.decode(answer))
        except UsageError:
            stated[row] = 1
            continue
        facts = [bool(captions.holds(task.tier, np.array([clause]), mine)[0]) for clause in caption.clauses]
        facts += [] if caption.background is None else [caption.background == mine.background[0]]
        strict[row], right[row], stated[row] = all(facts), sum(facts), len(facts)
    return {"strict": (strict, np.ones(len(answers))), "exact facts": (right, stated)}


def _followed(task: SceneQuestions, rows: Arrays, answers: list[np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Whether an answer is a plan, and the caption is true of what it shows."""
    longest = plans.length(task.tier)
    planned, right = plans.objects(task.tier, np.stack([np.pad(words[:longest], (0, longest - len(words[:longest]))) for words in answers]))
    asked = captions.ask([language.parse(language.to_text(task.layout.question_of(tokens))) for tokens in rows["tokens"]])
    return {"follows": (right & np.asarray(captions.follows(task.tier, asked, planned)), np.ones(len(answers)))}


JUDGES: dict[str, Callable[..., Mapping[str, tuple[Any, Any]]]] = {"caption": _true, "question": _right, "plan": _followed}
# What kind of question a text is.
KINDS: dict[str, Callable[[str], str]] = {
    "caption": lambda text: "caption",
    "question": lambda text: questions.TYPES[questions.parse(text)[0]].name,
    "plan": category,
}
