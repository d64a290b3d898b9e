"""A trained model from its run's directory: the config and the weights are data there, and no config file is executed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from genjax import config as configs
from genjax.config import require
from genjax.errors import CheckpointError, UsageError
from genjax.training.checkpoint import Checkpoints
from genjax.training.setup import Run
from genjax.training.workdir import Workdir
from genjax.types import Params

WEIGHTS = ("ema", "raw")


class Trained(NamedTuple):
    """A run, the parameters of one of its checkpoints, and the step of that checkpoint."""

    run: Run
    params: Params
    step: int


def load(path: str | Path, overrides: Mapping[str, str], *, weights: str = "ema", step: int | None = None) -> Trained:
    """The model that a run's directory holds.

    Args:
      path: the run's directory.
      overrides: {dotted path: text} for fields that say how a model is used; the others are what it is.
      weights: "ema", the averaged parameters, or "raw", those of the last step.
      step: which checkpoint; None is the newest.

    Raises:
      CheckpointError: there is no such run or checkpoint, or it is damaged.
      UsageError: an override that would change what the model is.
    """
    workdir, fields = Workdir(path), configs.base_fields()
    config = configs.from_json(workdir.read_json("config.json"), fields)
    for name in overrides:
        if name in fields and not fields[name].late:
            late = ", ".join(field for field, spec in fields.items() if spec.late)
            raise UsageError(f"config field '{name}' is part of what was trained and cannot be changed now; these can: {late}")
    config = configs.check(configs.apply(config, fields, overrides), fields)
    configs.validate(config)

    checkpoints = Checkpoints(workdir.checkpoints, keep=None)
    newest = checkpoints.latest() if step is None else step
    if newest is None:
        raise CheckpointError(f"{workdir.path} has no checkpoint yet: train it with the command in its config, or name another --workdir")
    run = Run.build(config)
    name = {"ema": "ema", "raw": "params"}[weights]
    params = checkpoints.restore(newest, getattr(run.abstract_state, name), part=name)
    if config.sample.guide is not None:
        run, params = _guided(run, params, load(config.sample.guide, {}, weights=weights))
    return Trained(run, params, newest)


def _guided(run: Run, params: Params, guide: Trained) -> tuple[Run, Params]:
    """A run whose samples are guided by another, and the parameters of both."""
    guided_by: Any = getattr(run.objective, "guided_by", None)
    require(guided_by is not None, f"sample.guide is for objective=noise_prediction, not {run.config.objective}")
    objective = guided_by(guide.run.config.objective, guide.run.objective)
    classes = 0 if guide.run.objective.generates else guide.run.source.spec.num_classes
    return dataclasses.replace(run, objective=objective, guide_classes=classes), params | {"guide": guide.params}
