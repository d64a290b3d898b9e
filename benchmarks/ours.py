"""genjax on a workload: the step, the loader and the sampler that its scripts use, with the settings that it chooses by itself.

Only what a workload defines is set: sizes, batch, dtype, what was chosen for it, and for images the solver. Everything else is what
`configs/base.py` says.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.workloads import GPT, RECIPE, DiT, UNet, Workload
from genjax import config as configs
from genjax import rng
from genjax.data.base import ArrayRows, Source
from genjax.data.loader import TrainBatches, train_batches
from genjax.data.sources import TextFormat, open_source
from genjax.evaluation.evaluator import Evaluator
from genjax.evaluation.provenance import versions
from genjax.training import flops
from genjax.training.parallel import Parallel
from genjax.training.setup import Run, use_compilation_cache
from genjax.training.step import several
from genjax.types import DataSpec

MADE_UP = "made up"
ROWS = 1024  # training examples, made up: what they say costs nothing


def fields_of(workload: Workload) -> dict[str, Any]:
    """The config fields that a workload sets."""
    model, fields = workload.model, {"data.batch_size": workload.batch, "model.dtype": workload.dtype, "train.duration": "1M steps"}
    fields |= dict(choice.split("=", 1) for choice in workload.chosen.split())
    if isinstance(model, GPT):
        return fields | {
            "objective": "next_token",
            "data.length": model.context,
            "model.width": model.width,
            "model.depth": model.layers,
            "model.heads": model.heads,
            "model.tied_head": True,  # as the peers'
        }
    fields |= {"objective": "noise_prediction", "noise_prediction.solver": "ddim", "noise_prediction.steps": max(1, workload.length - 1)}
    if isinstance(model, DiT):
        return fields | {
            "model.width": model.width,
            "model.depth": model.layers,
            "model.heads": model.heads,
            "model.mlp_ratio": model.mlp_ratio,
            "noise_prediction.patch_size": model.patch,
        }
    return fields | {
        "noise_prediction.network": "unet",
        "unet.channels": model.features,
        "unet.multipliers": ",".join(map(str, model.multipliers)),
    }


def spec_of(model: GPT | DiT | UNet) -> DataSpec:
    """The data of a workload."""
    if isinstance(model, GPT):
        return DataSpec(MADE_UP, "tokens", (model.context,), model.vocab, 0, ROWS, 1)
    return DataSpec(MADE_UP, "image", (model.side, model.side, model.channels), 256, model.classes, ROWS, 1)


def source_of(spec: DataSpec) -> Source:
    """Random rows of a spec, in memory."""
    random = np.random.default_rng(0)

    def rows(count: int) -> ArrayRows:
        dtype = np.uint8 if spec.key == "image" else np.int32
        arrays = {spec.key: random.integers(0, spec.levels, (count, *spec.shape)).astype(dtype)}
        return ArrayRows(arrays | ({"label": random.integers(0, spec.num_classes, count).astype(np.int32)} if spec.num_classes else {}))

    return Source(spec, {"train": rows(spec.train_size), "eval": rows(spec.eval_size)})


def run_of(workload: Workload, overrides: dict[str, Any] | None = None) -> Run:
    """The run of a workload, over all devices; `overrides` are further config fields."""
    fields = configs.base_fields()
    values = {name: str(value) for name, value in (fields_of(workload) | (overrides or {})).items()}
    if workload.task == "learn":
        text = {"data.source": f"text:{os.environ['GENJAX_BENCH_TEXT']}", "data.eval_stride": values["data.length"]}
        values = {"optimizer.warmup": "5 percent"} | values | text | {"train.duration": f"{workload.length} steps"}
        config = configs.load(RECIPE, fields, values)
        configs.validate(config)
        return Run.build(config)
    config = configs.check(configs.apply(configs.defaults(fields), fields, values), fields)
    configs.validate(config)
    parallel = Parallel.build(config.parallel, config.data.batch_size, config.train.accumulation)
    return Run.of(config, source_of(spec_of(workload.model)), parallel)


class SameBatch:
    """One batch over and over, where the loader's library is not installed."""

    def __init__(self, run: Run) -> None:
        rows = run.config.data.batch_size
        given = {"id": np.arange(rows, dtype=np.uint32), "weight": np.ones(rows, np.float32)}
        self.batch = run.source.splits["train"].rows(np.arange(rows)) | given

    def take(self, k: int) -> dict[str, np.ndarray]:
        return {name: np.stack([rows] * k) for name, rows in self.batch.items()}

    like = take


def batches_of(run: Run) -> TrainBatches | SameBatch:
    """The training batches of a run."""
    if importlib.util.find_spec("grain") is None:
        return SameBatch(run)
    return train_batches(run.source, run.config.data.batch_size, run.config.seed)


@dataclasses.dataclass
class System:
    """What both tasks say of themselves."""

    run: Run
    calls: int

    def __call__(self, calls: int) -> None:
        raise NotImplementedError

    def operations(self) -> float:
        """Of one call, in products of matrices."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        shapes = jax.eval_shape(self.run._create, {}).params
        config = self.run.config
        return {
            "parameters": sum(leaf.size for leaf in jax.tree.leaves(shapes)),
            "flops": self.operations(),
            "versions": versions(("jax", "jaxlib", "flax", "optax")),
            "settings": {
                "steps_per_dispatch": config.train.steps_per_dispatch,
                "scan_layers": config.model.scan_layers,
                "devices": jax.device_count(),
                "device": jax.devices()[0].device_kind,
                "XLA_FLAGS": os.environ.get("XLA_FLAGS", ""),
            },
        }


class Training(System):
    """The loop of `training.loop` without what is done every so often: the metrics of a dispatch are read when the next one is under way."""

    def __init__(self, run: Run) -> None:
        super().__init__(run, run.config.train.steps_per_dispatch)
        # Before jax 0.7 there is no jax.set_mesh; on one device there is nothing to lay out.
        self.batches = batches_of(run)
        self.step = (
            run.compile_step(self.batches.like(self.calls)) if hasattr(jax, "set_mesh") else jax.jit(several(run.make_step()), donate_argnums=0)
        )
        self.state = run.create_state()

    def __call__(self, calls: int) -> None:
        waiting = None
        for _ in range(calls // self.calls):
            batch = self.run.parallel.put(self.batches.take(self.calls), stacked=True)
            self.state, metrics = self.step(self.state, batch)
            if waiting is not None:
                np.asarray(waiting["loss"])
            waiting = metrics
        assert waiting is not None and np.all(np.isfinite(waiting["loss"]))

    def operations(self) -> float:
        return flops.operations(self.run.make_step(), self.run.abstract_state, self.run.abstract_batch).products


class Learning(Training):
    """Training on a text, whose held-out part is measured with the averaged parameters, as `evaluate.py` does."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self.evaluator = Evaluator(run)

    def held_out(self) -> float:
        found = self.evaluator.likelihoods(self.state.ema)
        return float(found.nats.sum() / found.units.sum())


class Loading(System):
    """Batches of a source at the batch size and context of a workload, without a step."""

    def __init__(self, run: Run, source: str, workload: Workload) -> None:
        super().__init__(run, 16)
        text = TextFormat.of(run.config.data)
        self.batches = train_batches(run.source if source == MADE_UP else open_source(source, None, text), workload.batch, run.config.seed)

    def __call__(self, calls: int) -> None:
        self.batches.take(calls)

    def describe(self) -> dict[str, Any]:
        return {}


class Drawing(System):
    """A batch of samples, new ones with every call."""

    def __init__(self, run: Run, workload: Workload) -> None:
        super().__init__(run, 1)
        self.request: dict[str, np.ndarray] = {"id": np.arange(workload.batch, dtype=np.uint32)}
        if run.classes:
            self.request["label"] = (np.arange(workload.batch) % run.classes).astype(np.int32)
        self.params, self.drawn = run.create_state().params, 0
        objective: Any = run.objective
        if isinstance(workload.model, GPT):
            nothing = np.zeros((workload.batch, 0), np.int32)

            def draw(params, request, key):
                return objective.complete(params, jnp.asarray(nothing), jnp.ones(nothing.shape, bool), request, key, length=workload.length).tokens

        else:

            def draw(params, request, key):
                found = objective.sample(params, request, key)
                assert found.cost.nfe == workload.length, f"{found.cost.nfe} evaluations, not {workload.length}"
                return found.data

        self.function = draw
        self.draw = run.parallel.compile(draw)

    def __call__(self, calls: int) -> None:
        for _ in range(calls):
            self.drawn += 1
            jax.block_until_ready(self.draw(self.params, self.request, rng.stream(0, "sample", self.drawn)))

    def operations(self) -> float:
        return flops.operations(self.function, self.params, self.request, rng.stream(0, "sample")).products


def build(system: str, workload: Workload, device: str) -> System:
    """genjax on a workload, with further config fields as "genjax field=value ..."; or, as "loader SOURCE", its data alone."""
    use_compilation_cache()
    kind, *options = system.split()
    loader = kind == "loader"
    overrides = {} if loader else dict(option.split("=", 1) for option in options)
    run = run_of(workload, overrides)  # before the back end is asked for, since it may say how many devices there are
    assert jax.default_backend() == device, f"jax is on {jax.default_backend()}, not on {device}"
    if loader:
        return Loading(run, system.removeprefix("loader "), workload)
    if workload.task == "learn":
        return Learning(run)
    return Training(run) if workload.task == "train" else Drawing(run, workload)
