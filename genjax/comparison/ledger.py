"""The ledger: what every arm is given, what its training and one of its samples cost, and which of it was made equal.

FLOPs are given four ways, because each answers another question: counted from the jaxpr of the step (dense; the budget), the same for a kernel that
skips what attention may not see (mask-aware), XLA's cost analysis of the step without loops, and the formula of the field (`training.flops`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import ml_collections
import numpy as np

from genjax import config as configs
from genjax.comparison import fairness
from genjax.comparison.fairness import Rules
from genjax.data.shapes.prompts import SceneData
from genjax.data.sources import Source
from genjax.training import flops
from genjax.training.setup import Run

if TYPE_CHECKING:
    from genjax.comparison.run import Arm


class Account(NamedTuple):
    """What one training of an arm is given, known before it is run.

    Attributes:
      steps, examples: optimizer steps, and examples seen in them.
      unique: training examples that there are; passes are examples over unique.
      positions, targets: positions of the trunk processed, and values supervised, in all steps.
      flops, mask_aware_flops, product_flops, xla_flops, formula_flops: see above, and what of them is in products of matrices, as the formula has it;
        the formula is None where the network is not the trunk.
      parameters: component -> numbers.
    """

    steps: int
    examples: int
    unique: int
    positions: float
    targets: float
    flops: float
    mask_aware_flops: float
    product_flops: float
    xla_flops: float
    formula_flops: float | None
    parameters: dict[str, int]

    @property
    def quantities(self) -> dict[str, float]:
        """What `fairness` compares."""
        return {
            "train_flops": self.flops,
            "parameters": sum(self.parameters.values()),
            "trunk_parameters": sum(count for part, count in self.parameters.items() if part == "trunk"),
            "supervised_targets": self.targets,
            "examples": self.examples,
        }


class Step(NamedTuple):
    """What one step of a training costs, whatever the training's length: counted, and by XLA."""

    operations: flops.Operations
    xla_flops: float

    @classmethod
    def of(cls, run: Run) -> Step:
        """Of a run; nothing is computed."""
        return cls(flops.operations(run.make_step(), run.abstract_state, run.abstract_batch), xla_step_flops(run.config))

    def quantities(self, run: Run) -> dict[str, float]:
        """What a step adds to each quantity that the length of a training decides, but for seconds."""
        batch = run.config.data.batch_size
        return {"train_flops": self.operations.total, "supervised_targets": batch * run.objective.work().targets, "examples": batch}


def account(run: Run, step: Step) -> Account:
    """The account of a run's training."""
    config = run.config
    work, steps, batch, model = run.objective.work(), run.total_steps, config.data.batch_size, config.model
    params = run.abstract_state.params
    formula = flops.formula(params, run.axes, positions=work.positions, depth=model.depth, width=model.width) if work.positions else None
    examples = steps * batch
    return Account(
        steps=steps,
        examples=examples,
        unique=run.source.spec.train_size,
        positions=examples * work.positions,
        targets=examples * work.targets,
        flops=steps * step.operations.total,
        mask_aware_flops=steps * step.operations.mask_aware(work.visible),
        product_flops=steps * step.operations.products,
        xla_flops=steps * step.xla_flops,
        formula_flops=None if formula is None else examples * formula,
        parameters={part: sum(leaf.size for leaf in jax.tree.leaves(tree)) for part, tree in params.items()},
    )


def xla_step_flops(config: Any) -> float:
    """XLA's cost analysis of one training step, with the layers unrolled and in one micro-batch: it does not count loops."""
    run = Run.build(with_fields(config, {"model.scan_layers": "false", "train.accumulation": "1"}))
    return float((jax.jit(run.make_step()).lower(run.abstract_state, run.abstract_batch).cost_analysis() or {})["flops"])


def sample_flops(run: Run) -> float:
    """Operations of one sample: a loop as often as it runs, guidance and what a cache saves counted."""
    request = {"id": jax.ShapeDtypeStruct((1,), np.uint32)}
    if run.classes:
        request["label"] = jax.ShapeDtypeStruct((1,), np.int32)
    if run.captioned:
        request["caption"] = jax.ShapeDtypeStruct((1, run.source.spec.caption_length), np.int32)
    return flops.count(run.objective.sample, run.abstract_state.params, request, jax.eval_shape(lambda: jax.random.key(0)))


def likelihood_flops(run: Run) -> float:
    """Operations of one example's likelihood: what an attack by membership costs."""
    one = {name: jax.ShapeDtypeStruct((1, *leaf.shape[1:]), leaf.dtype) for name, leaf in run.abstract_batch.items()}
    return flops.count(run.objective.likelihood, run.abstract_state.params, one, jax.eval_shape(lambda: jax.random.key(0)))


def likelihood_kind(run: Run) -> str:
    """What the likelihood of a model is: "exact", or an "upper_bound" of its bits."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    return jax.eval_shape(run.objective.likelihood, run.abstract_state.params, run.abstract_batch, key).kind


def evaluation_set(source: Source, examples: int | None) -> str:
    """sha256 over the held-out rows that are measured: every array in the order of its name, with its dtype and shape."""
    return _digest(_measured(source, examples))


def evaluated_scenes(source: Source, examples: int | None) -> str | None:
    """sha256 over the pictures of the scenes that are measured, whether data are pictures or codes; None where data show no scenes."""
    if not isinstance(source.prompts, SceneData):
        return None
    return _digest({"pictures": source.prompts.pictures(_measured(source, examples)[source.spec.key])})


def _measured(source: Source, examples: int | None) -> dict[str, np.ndarray]:
    rows = source.splits["eval"]
    return rows.rows(np.arange(len(rows) if examples is None else min(examples, len(rows))))


def _digest(arrays: dict[str, np.ndarray]) -> str:
    found = hashlib.sha256()
    for name in sorted(arrays):
        found.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        found.update(np.ascontiguousarray(arrays[name]).tobytes())
    return found.hexdigest()


def with_fields(config: Any, overrides: Mapping[str, str]) -> ml_collections.FrozenConfigDict:
    """The config with fields changed."""
    fields = configs.base_fields()
    return configs.check(configs.apply(config, fields, overrides), fields)


class Row(NamedTuple):
    """One line of the ledger: a value for every arm, and whether it was made equal.

    Attributes:
      group: the part of the ledger that it belongs to.
      name, cells: what it is, and the text for each arm.
      status: "matched", "the same", "varies", "waived: why"; empty for what follows from the rest.
    """

    group: str
    name: str
    cells: list[str]
    status: str


def table(arms: Sequence[Arm], rules: Rules) -> list[Row]:
    """The ledger of trained arms, in reading order."""
    rows: list[Row] = []

    def add(group: str, name: str, cells: Sequence[str], declared: str = "") -> None:
        """`declared`: the name in the rules; without one nothing had to be equal."""
        same = len(set(cells)) == 1
        status = rules.matched(declared) or ("the same" if same else rules.status(declared) if declared else "")
        rows.append(Row(group, name, list(cells), status or ("within the tolerance" if declared else "")))

    def field(group: str, name: str, path: str) -> None:
        add(group, name, [text(dict(configs.leaves(arm.config))[path]) for arm in arms], path)

    accounts = [arm.account for arm in arms]
    add("training", "FLOPs (counted, dense)", [f"{a.flops:.4g}" for a in accounts], "train_flops")
    add("training", "  mask-aware", [f"{a.mask_aware_flops:.4g}" for a in accounts])
    add("training", "  by XLA's cost analysis", [f"{a.xla_flops:.4g}" for a in accounts])
    add("training", "  in products of matrices", [f"{a.product_flops:.4g}" for a in accounts])
    add("training", "  by the formula 6NT + attention", ["—" if a.formula_flops is None else f"{a.formula_flops:.4g}" for a in accounts])
    add("training", "steps", [f"{a.steps:,}" for a in accounts])
    add("training", "examples seen", [f"{a.examples:,}" for a in accounts], "examples")
    add("training", "  in the training split", [f"{a.unique:,}" for a in accounts])
    add("training", "  passes", [f"{a.examples / a.unique:.1f}" for a in accounts])
    add("training", "positions processed", [f"{a.positions:.4g}" for a in accounts])
    add("training", "supervised targets", [f"{a.targets:.4g}" for a in accounts], "supervised_targets")
    seconds = [f"{np.mean([cell.seconds for cell in arm.cells]):.0f}" for arm in arms]
    add("training", "seconds in training steps", seconds, "wall_clock" if "wall_clock" in rules.match else "")
    field("training", "batch", "data.batch_size")
    field("training", "peak learning rate", "optimizer.learning_rate")
    field("training", "schedule", "optimizer.schedule")

    add("model", "objective", [arm.config.objective for arm in arms], "objective")
    add("model", "  set for it", [learning(arm.config) for arm in arms])
    add("model", "parameters", [f"{sum(a.parameters.values()):,}" for a in accounts], "parameters")
    for part in dict.fromkeys(part for a in accounts for part in a.parameters):
        add("model", f"  {part}", [f"{a.parameters.get(part, 0):,}" for a in accounts], "trunk_parameters" if part == "trunk" else "")
    field("model", "dtype of the computation", "model.dtype")

    field("regularisation", "dropout", "model.dropout")
    field("regularisation", "weight decay", "optimizer.weight_decay")
    field("regularisation", "class hidden in training", "conditioning.drop_rate")
    field("regularisation", "gradient clipped at", "optimizer.clip_norm")
    field("regularisation", "parameter average (EMA)", "optimizer.ema")

    add("sampling", "sampler", [sampler(arm.config) for arm in arms])
    field("sampling", "guidance", "sample.guidance_scale")
    add("sampling", "network evaluations a sample", [f"{arm.drawn.nfe:g}" for arm in arms])
    add("sampling", "  one after the other", [f"{arm.drawn.sequential_depth:g}" for arm in arms])
    add("sampling", "FLOPs a sample", [f"{arm.flops_per_sample:.3g}" for arm in arms])
    add("sampling", f"samples a second, batches of {arms[0].config.data.eval_batch_size}", [f"{arm.samples_per_second:.1f}" for arm in arms])

    add("evaluation", "likelihood", [arm.kind.replace("_", " ") for arm in arms])
    add("evaluation", "held-out examples", [f"{arm.items:,}" for arm in arms])
    add("evaluation", "  sha256 of these rows", [arm.evaluation_set[:16] for arm in arms])
    add("evaluation", "seeds", [", ".join(str(cell.seed) for cell in arm.cells) for arm in arms])
    return rows


def sampler(config: Any) -> str:
    """How a config draws: the fields of its objective that sampling and evaluation may change."""
    return _own(config, lambda spec, value: spec.late)


def learning(config: Any) -> str:
    """What else is set for a config's objective. Where all arms set it alike it is no difference of fields, and yet only this one reads it."""
    return _own(config, lambda spec, value: not spec.late and value != spec.default)


def _own(config: Any, wanted: Callable[[Any, Any], bool]) -> str:
    fields, own = configs.base_fields(), f"{config.objective}."
    used = [(path, value) for path, value in configs.leaves(config) if path.startswith(own) and wanted(fields[path], value)]
    return ", ".join(f"{path.removeprefix(own)}={text(value)}" for path, value in used) or "—"


def config_differences(arms: Mapping[str, Any], rules: Rules) -> list[Row]:
    """The config fields whose values are not the same in every arm, and why they may differ."""
    flat = {name: dict(configs.leaves(config)) for name, config in arms.items()}
    return [
        Row("config", name, [text(values[name]) for values in flat.values()], rules.status(name) or "set by what is matched")
        for name in fairness.differing(flat)
    ]


def text(value: Any) -> str:
    """A config's value for people."""
    return f"{value:g}" if isinstance(value, float) else str(value)
