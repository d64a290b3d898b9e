"""From a config to the parts of a run: data, objective, devices, optimizer, step. Nothing is written and no parameter is made here."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from genjax import objectives
from genjax.config import Choice, Duration, leaves
from genjax.data.base import Arrays
from genjax.data.sources import Source, TextFormat, open_source
from genjax.errors import CheckpointError
from genjax.objectives.base import NO_TEXT, Inherits, Objective, Says
from genjax.training import compiling, ema, optimizer, state, step
from genjax.training.parallel import Parallel
from genjax.training.workdir import Workdir
from genjax.types import Batch, PyTree


@dataclasses.dataclass(frozen=True)
class Run:
    """The parts of a run; everything here is a function of the config and of the devices."""

    config: Any
    source: Source
    objective: Objective
    parallel: Parallel
    guide_classes: int = 0  # that a guide knows, where the model itself is not told the class

    @classmethod
    def build(cls, config: Any, folder: Path | None = None) -> Run:
        """Opens the data and checks that config, data and devices fit each other (UsageError, DataError).

        folder: the directory of a run that exists; what it keeps of its data is used again.
        """
        use_compilation_cache()
        source = open_source(config.data.source, config.data.dir, TextFormat.of(config.data), folder)
        return cls.of(config, source, Parallel.build(config.parallel, config.data.batch_size, config.train.accumulation))

    @classmethod
    def of(cls, config: Any, source: Source, parallel: Parallel) -> Run:
        """A run of data that are open, over given devices."""
        run = cls(config, source, objectives.build(config, source.spec), parallel)
        assert run.average and run.widths is not None  # averages that cannot be are refused now
        for _, value in leaves(config):
            if isinstance(value, Duration):
                run.steps(value)  # and a length that cannot be counted
        return run

    @cached_property
    def average(self) -> ema.Beta:
        """Of the parameters that are evaluated and sampled."""
        return ema.average(Choice(self.config.optimizer.ema).parts)

    @cached_property
    def widths(self) -> tuple[float, ...]:
        """sigma_rel of the averages that are tracked beside it."""
        return ema.tracked(Choice(self.config.optimizer.tracked).parts)

    @property
    def classes(self) -> int:
        """Classes that a sample can be asked for; 0 for none."""
        return self.source.spec.num_classes if self.config.conditioning.label else self.guide_classes

    @property
    def captioned(self) -> bool:
        """Whether the model is told of captions."""
        return self.config.conditioning.text != NO_TEXT

    @property
    def exact_nats(self) -> Callable[[Arrays], np.ndarray] | None:
        """-log p [n] of rows of the eval split, of that of which the objective's likelihood is; None where it is not known."""
        if self.classes:
            return None
        if isinstance(self.objective, Says):
            return self.source.joint_nats
        return self.source.told_nats if self.captioned else self.source.exact_nats

    @property
    def exact_terms(self) -> dict[str, Callable[[Arrays], np.ndarray]]:
        """The same of the terms of a likelihood of captions and data, by their names, as far as it is known."""
        halves = {"words": self.source.caption_nats, "picture": self.source.told_nats} if isinstance(self.objective, Says) else {}
        return {name: nats for name, nats in halves.items() if nats is not None}

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole training."""
        return self.steps(self.config.train.duration)

    def steps(self, duration: str) -> int:
        """A duration of this run in optimizer steps."""
        whole = None if duration is self.config.train.duration else self.total_steps
        return Duration(duration).steps(batch_size=self.config.data.batch_size, train_size=self.source.spec.train_size, total=whole)

    @cached_property
    def axes(self) -> PyTree:
        """The names of every parameter's axes."""
        return state.logical_axes(self.objective)

    @cached_property
    def optimizer(self) -> optax.GradientTransformation:
        config = self.config.optimizer
        steps = {"warmup": self.steps(config.warmup), "decay": self.steps(config.decay), "total": self.total_steps}
        return optimizer.build(config, self.axes, width=self.config.model.width, **steps)

    @cached_property
    def abstract_state(self) -> state.TrainState:
        """Shapes, dtypes and shardings of the state; nothing is computed."""
        shapes = jax.eval_shape(self._create, {})
        shardings = self.parallel.state_shardings(shapes, self.axes, self.optimizer)
        return jax.tree.map(lambda shape, sharding: jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=sharding), shapes, shardings)

    @property
    def abstract_batch(self) -> dict[str, jax.ShapeDtypeStruct]:
        """The shapes of a training batch."""
        spec, rows = self.source.spec, self.config.data.batch_size
        shapes = {
            spec.key: ((rows, *spec.shape), np.uint8 if spec.ordered else np.int32),
            "id": ((rows,), np.uint32),
            "weight": ((rows,), np.float32),
        }
        shapes |= {"label": ((rows,), np.int32)} if spec.num_classes else {}
        shapes |= {"caption": ((rows, spec.caption_length), np.int32)} if self.captioned else {}
        return {name: jax.ShapeDtypeStruct(*shape) for name, shape in shapes.items()}

    @property
    def state_shardings(self) -> PyTree:
        return jax.tree.map(lambda leaf: leaf.sharding, self.abstract_state)

    def create_state(self) -> state.TrainState:
        """A fresh state, made where it is to lie."""
        create = jax.jit(self._create, out_shardings=self.state_shardings)
        return compiling.compiled(create.lower(self.inherited))(self.inherited)

    @cached_property
    def inherited(self) -> PyTree:
        """The parameters that come from elsewhere; only a training that begins has need of them."""
        if (folder := self.config.train.init_from) is not None:
            from genjax.training import exported

            return exported.start(Path(folder).expanduser(), self.config, self.abstract_state.params)
        return self.objective.inherit(load_average, self._spread) if isinstance(self.objective, Inherits) else {}

    def compile_step(self, *ahead: dict[str, np.ndarray]) -> step.Step:
        """The step over stacked batches: compiled now for batches like these of this process, for others when they come."""
        return self.parallel.compile_step(self.make_step, self.abstract_state, [self.parallel.like(batches) for batches in ahead])

    @property
    def make_step(self):
        """make_step(add_devices=...) -> the pure step."""
        config = self.config
        return partial(
            step.make_train_step,
            self.objective,
            self.optimizer,
            seed=config.seed,
            accumulation=config.train.accumulation,
            average=self.average,
            tracked=ema.powers(self.widths),
        )

    def _create(self, inherited: PyTree) -> state.TrainState:
        return state.create(self.objective, self.optimizer, self.config.seed, len(self.widths), inherited)

    def _spread(self, count: int) -> Batch:
        train = self.source.splits["train"]
        rows = train.rows(np.unique(np.linspace(0, len(train) - 1, count).astype(int)))
        return {name: jnp.asarray(array) for name, array in rows.items()}


def load_average(path: str, shapes: PyTree) -> PyTree:
    """The averaged parameters of another run's newest checkpoint, which must be of these shapes; CheckpointError where there are none."""
    from genjax.training.checkpoint import Checkpoints  # orbax takes a second to import

    checkpoints = Checkpoints(Workdir(path).checkpoints, keep=None)
    newest = checkpoints.latest()
    if newest is None:
        raise CheckpointError(f"{path} holds no trained run")
    return checkpoints.restore(newest, shapes, part="ema")


def use_compilation_cache() -> Path | None:
    """Keep compiled programs between runs in a folder that only this user can write: whoever can write it can run code as us.

    Returns the folder, or None where there can be no such folder.
    """
    folder = Path(os.environ.get("GENJAX_CACHE_DIR", Path.home() / ".cache" / "genjax")) / "xla"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None  # a read-only home costs compile time, not the run
    if folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o022:
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    return folder
