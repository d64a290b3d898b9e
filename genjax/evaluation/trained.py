"""A trained model from its run's directory: the config and the weights are data there, and no config file is executed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from genjax import config as configs
from genjax.config import require
from genjax.errors import CheckpointError, UsageError
from genjax.registry import Positive, bind
from genjax.training import exported, snapshots
from genjax.training.checkpoint import Checkpoints
from genjax.training.setup import Run
from genjax.training.workdir import Workdir
from genjax.types import Params


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
      weights: "ema", the averaged parameters; "raw", those of the last step; or "posthoc(sigma_rel=0.07)", an average made of snapshots.
      step: which checkpoint (of a post-hoc average: after how many updates); None is the newest.

    Raises:
      CheckpointError: there is no such run or checkpoint, or it is damaged.
      UsageError: an override that would change what the model is, or weights that there are not.
    """
    workdir, fields = Workdir(path), configs.base_fields()
    config = workdir.read_config(fields)
    for name in overrides:
        if name in fields and not fields[name].late:
            raise UsageError(configs.not_late(name, fields))
    config = configs.check(configs.apply(config, fields, overrides), fields)
    configs.validate(config)

    if (workdir.path / exported.FILE).exists():
        require(weights == "ema" and step is None, f"{workdir.path} holds exported parameters, of one step: give no --weights and no --step")
        run = Run.build(config, workdir.path)
        trained = Trained(run, *exported.read(workdir.path, run.abstract_state.params))
        return trained if config.sample.guide is None else _guided(trained, load(config.sample.guide, {}))
    trained = bind(WEIGHTS, configs.Choice(weights).parts, "kind of weights")(Run.build(config, workdir.path), workdir, step)
    if config.sample.guide is None:
        return trained
    return _guided(trained, load(config.sample.guide, {}, weights=weights))


# Each: (run, its directory, step or None) -> the parameters of that step.


def _part(run: Run, workdir: Workdir, step: int | None, part: str) -> Trained:
    checkpoints = Checkpoints(workdir.checkpoints, keep=None)
    newest = checkpoints.latest() if step is None else step
    if newest is None:
        raise CheckpointError(f"{workdir.path} has no checkpoint yet: train it with the command in its config, or name another --workdir")
    return Trained(run, checkpoints.restore(newest, getattr(run.abstract_state, part), part=part), newest)


def _ema(run: Run, workdir: Workdir, step: int | None) -> Trained:
    return _part(run, workdir, step, "ema")


def _raw(run: Run, workdir: Workdir, step: int | None) -> Trained:
    return _part(run, workdir, step, "params")


def _posthoc(run: Run, workdir: Workdir, step: int | None, sigma_rel: Positive = 0.1) -> Trained:
    made = snapshots.reconstruct(workdir.snapshots, sigma_rel, run.abstract_state.params, step)
    return Trained(run, made.params, made.step)


WEIGHTS = {"ema": _ema, "raw": _raw, "posthoc": _posthoc}


def _guided(trained: Trained, guide: Trained) -> Trained:
    """A model whose samples are guided by another, and the parameters of both."""
    run = trained.run
    guided_by: Any = getattr(run.objective, "guided_by", None)
    require(guided_by is not None, f"sample.guide is for objective=noise_prediction, not {run.config.objective}")
    objective = guided_by(guide.run.config.objective, guide.run.objective)
    classes = 0 if guide.run.objective.generates else guide.run.source.spec.num_classes
    return Trained(dataclasses.replace(run, objective=objective, guide_classes=classes), trained.params | {"guide": guide.params}, trained.step)
