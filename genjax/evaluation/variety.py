"""How many different scenes a model draws, where every scene can be listed and its probability is known (`shapes:s8` has 450).

Beside each figure stands what as many independent draws of the data would have: kinds seen, pairs of the same kind (the birthday problem), and the
divergence of the shares from the known probabilities, which a few draws have as well (see `diversity`). Samples that show no scene are counted, and
left out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from genjax.config import require
from genjax.data.shapes import posterior, scenes
from genjax.data.shapes.prompts import SceneData
from genjax.evaluation import diversity
from genjax.evaluation.evaluator import Evaluator
from genjax.evaluation.statistics import Share, share
from genjax.training.setup import Run
from genjax.types import Params


class Found(NamedTuple):
    """Of samples: (measured, expected of as many draws of the data).

    Attributes:
      valid: how many of the samples are scenes; the rest is about these.
      kinds: different scenes among them.
      pairs: pairs of the same scene.
      bits: divergence of the shares of all scenes from their probabilities.
    """

    valid: Share
    kinds: tuple[float, float]
    pairs: tuple[float, float]
    bits: tuple[float, float]


def check(run: Run) -> SceneData:
    """The scenes of a run; UsageError where they are too many to be listed."""
    prompts = run.source.prompts
    require(
        isinstance(prompts, SceneData) and posterior.can_list(prompts.tier),
        f"--variety: scenes are listed of shapes:s8 and shapes_codes:s8, and this model draws {run.source.spec.name}",
    )
    assert isinstance(prompts, SceneData)
    return prompts


def measure(evaluator: Evaluator, params: Params, count: int) -> Found:
    """Of `count` samples; of a model that is told of captions, of those of held-out scenes."""
    prompts = check(evaluator.run)
    shown = prompts.scenes(evaluator.draw(params, count).data)
    valid = shown.contents[:, 0] >= 0
    require(bool(valid.any()), f"none of {count} samples is a scene: train longer before you ask how varied they are")
    kinds = shown.background[valid] * scenes.CONTENTS + shown.contents[valid, 0]
    everything = scenes.enumerate_all(prompts.tier)
    probabilities = 2.0 ** -scenes.bits(prompts.tier, everything.k)
    ideal = np.random.default_rng(0).choice(len(probabilities), len(kinds), p=probabilities)
    return Found(
        share(valid),
        diversity.coverage(kinds, probabilities),
        diversity.duplicates(kinds, probabilities),
        (diversity.kl_bits(kinds, probabilities), diversity.kl_bits(ideal, probabilities)),
    )


def lines(found: Found) -> list[str]:
    """The measurement as a table for people."""
    valid = f"{100 * found.valid.value:.1f} % [{100 * found.valid.low:.1f}, {100 * found.valid.high:.1f}]"
    rows = {"different scenes": found.kinds, "pairs of the same scene": found.pairs, "bits from their probabilities": found.bits}
    return [f"  variety: {valid} of the samples are scenes; of these"] + [
        f"    {mine:<10.4g} {name:<30} independent draws {expected:.4g}" for name, (mine, expected) in rows.items()
    ]


def record(found: Found) -> dict:
    """The measurement as JSON."""
    return found._asdict() | {"valid": found.valid._asdict()}
