"""Two models for one picture: a model of text plans what a caption leaves open, and a model of pictures draws the plan (`data.shapes.plans`)."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from genjax.config import require
from genjax.data.shapes import language
from genjax.data.shapes.answers import SceneQuestions
from genjax.data.shapes.plans import Plans, length
from genjax.data.shapes.prompts import ScenePrompts
from genjax.evaluation import questions
from genjax.evaluation.evaluator import Evaluator
from genjax.evaluation.trained import load
from genjax.training.setup import Run
from genjax.types import Params


@dataclasses.dataclass(frozen=True)
class Planner:
    """A trained model that plans, for one that draws.

    Attributes:
      prompts: how the data of the one that draws are asked for with captions.
      asks: how a caption is asked.
    """

    evaluator: Evaluator
    params: Params
    prompts: ScenePrompts
    asks: SceneQuestions

    @classmethod
    def load(cls, path: str | Path, drawer: Run) -> Planner:
        """The planner of a run's directory; UsageError where it does not plan, or not for this one that draws."""
        trained = load(path, {})
        asks, plan = trained.run.source.questions, drawer.source.prompts
        plans = isinstance(asks, SceneQuestions) and asks.task == "plan"
        require(plans, f"--planner: the model of {path} plans nothing: train one on data.source=shapes_answers:<tier>/task=plan")
        told = isinstance(plan, Plans) and drawer.captioned
        require(told, "--planner: the model that draws is told of no plans: train it on shapes:<tier>/told=plan with conditioning.text=tokens")
        assert isinstance(asks, SceneQuestions) and isinstance(plan, Plans)
        require(asks.tier == plan.tier, f"--planner: plans of {asks.tier.name}, and the model that draws knows those of {plan.tier.name}")
        return cls(Evaluator(trained.run), trained.params, ScenePrompts(plan.tier, plan.coded), asks)

    def __call__(self, captions: np.ndarray) -> np.ndarray:
        """Plans int32 [n, length] for captions [n, S], padded; plan i is a function of its caption and of i."""
        nothing = np.zeros((len(captions), 0), np.int32)
        rows = self.asks.layout.rows(nothing, captions, nothing)
        longest = length(self.asks.tier)
        null = language.ID_OF["<null>"]
        said = [
            np.where(np.isin(words, list(language.NAME_OF)), words, null)[:longest] for words in questions.answer(self.evaluator, self.params, rows)
        ]
        return np.stack([np.pad(words, (0, longest - len(words))) for words in said]).astype(np.int32)

    def held_out(self, count: int) -> np.ndarray:
        """The captions [n, S] of the first `count` held-out rows."""
        held_out = self.evaluator.run.source.splits["eval"]
        rows = held_out.rows(np.arange(min(count, len(held_out))))
        asked = [self.asks.layout.question_of(tokens) for tokens in rows["tokens"]]
        return np.stack([np.pad(words, (0, self.asks.layout.question - len(words))) for words in asked])
