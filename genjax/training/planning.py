"""What a training will need of its devices, from abstract shapes alone: nothing is compiled, allocated or started.

The step is traced for the whole batch, and its values are laid out over the mesh as `training.layouts` says, from the state
(`Parallel.state_shardings`) and the batch (rows). The peak of what lives at once, with the state, is the memory of a device; then

  time         max(operations / peak rate, state traffic / memory bandwidth, collectives / link bandwidth)                          (1)
  MFU ceiling  the model's operations / (peak rate * time)                                                                         (2)

(1) lets everything overlap, so it is a lower bound on the time and (2) an upper bound on the utilisation. Operations are those of
`training.flops`. What a device does has recomputation (model.remat) in it; the model's operations are those of the step without
(arXiv:2204.02311, appendix B), so that computing again what is known does not count as use.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from genjax import config as configs
from genjax import objectives
from genjax.data.base import ArrayRows, Source
from genjax.errors import UsageError
from genjax.training import flops
from genjax.training.layouts import Trace, layout_of, size_of
from genjax.training.parallel import ROWS, Parallel
from genjax.training.setup import Run
from genjax.types import DataSpec, PyTree


class Hardware(NamedTuple):
    """What one device has: operations a second of its matrix units by dtype, bytes of memory, bytes a second of memory and of its links.

    links: of one device, in one direction, to the slowest group that a collective spans.
    kind: a regular expression that is found in what JAX calls such a device, and in no other's name.
    """

    kind: str
    peak: dict[str, float]
    memory: float
    bandwidth: float
    links: float


# Vendors' figures without sparsity. float32 is what JAX computes with by default: TF32 on an H100 or H200, one bfloat16 pass on a TPU.
HARDWARE = {
    "h100": Hardware("H100", {"bfloat16": 989e12, "float32": 494e12}, 80e9, 3.35e12, 50e9),  # SXM; 400 Gbit/s of network a device
    "h200": Hardware("H200", {"bfloat16": 989e12, "float32": 494e12}, 141e9, 4.8e12, 50e9),
    "tpu_v5p": Hardware(r"^TPU v5p?$", {"bfloat16": 459e12, "float32": 459e12}, 95e9, 2.765e12, 300e9),  # 4,800 Gbit/s in both directions
    "tpu_v5e": Hardware(r"^TPU v5(e| lite)", {"bfloat16": 197e12, "float32": 197e12}, 16e9, 0.819e12, 100e9),
}
USABLE = 0.92  # of the memory: the rest is the runtime's own


class Estimate(NamedTuple):
    """Bytes of one device, operations of one step over all devices, bytes that one device sends in a step."""

    parameters: float
    optimizer: float
    averages: float
    batch: float
    activations: float  # everything that lives inside a step, gradients included
    flops: float  # recomputation included
    model_flops: float  # without
    collectives: dict[str, float]

    @property
    def state(self) -> float:
        return self.parameters + self.optimizer + self.averages

    @property
    def memory(self) -> float:
        return self.state + self.batch + self.activations

    def seconds(self, hardware: Hardware, dtype: str, devices: int) -> dict[str, float]:
        """The three terms of equation (1)."""
        return {
            "compute": self.flops / devices / hardware.peak[dtype],
            "memory": 2 * self.state / hardware.bandwidth,
            "links": sum(self.collectives.values()) / hardware.links,
        }


def utilisation(run: Run, steps: int, seconds: float) -> str | None:
    """The share of the devices' peak rate that a training used, with its formula; None on devices that HARDWARE does not know.

    MFU = the model's operations a step * steps / (seconds * devices * peak)      (3)
    """
    kind, dtype = jax.devices()[0].device_kind, run.config.model.dtype
    peak = next((hardware.peak[dtype] for hardware in HARDWARE.values() if re.search(hardware.kind, kind)), None)
    if peak is None or steps == 0:
        return None
    step = model_flops(run)
    used = step * steps / (seconds * jax.device_count() * peak)
    return f"{100 * used:.1f} % = {step:.4g} operations x {steps} steps / ({seconds:.1f} s x {jax.device_count()} devices x {peak:.3g}/s, {dtype})"


def model_flops(run: Run) -> float:
    """Operations of one step that computes nothing twice."""
    config = configs.altered(run.config, {path: spec.default for path, spec in configs.base_fields().items() if spec.recomputes})
    once = dataclasses.replace(run, config=config, objective=objectives.build(config, run.source.spec))
    return flops.count(once.make_step(), once.abstract_state, once.abstract_batch)


def estimate(run: Run) -> Estimate:
    """What one optimizer step of a run needs; `run` may be laid out over an abstract mesh."""
    state, batch = run.abstract_state, run.abstract_batch
    sizes = dict(run.parallel.mesh.shape)

    def local(tree: PyTree) -> float:
        return float(sum(math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree)))

    rows = {name: (frozenset(ROWS), *[frozenset()] * (leaf.ndim - 1)) for name, leaf in batch.items()}
    layouts = [layout_of(leaf.sharding.spec, leaf.ndim) for leaf in jax.tree.leaves(state)] + [rows[name] for name in sorted(batch)]
    jaxpr, out = jax.make_jaxpr(run.make_step(), return_shape=True)(state, batch)
    results = len(jax.tree.leaves(out[0]))
    # What comes out lies where what went in did.
    traced = Trace(sizes).run(jaxpr, layouts, layouts[:results], in_place=results)
    return Estimate(
        parameters=local(state.params),
        optimizer=local(state.opt_state),
        averages=local((state.ema, state.tracked)),
        batch=sum(size_of(leaf, rows[name], sizes) for name, leaf in batch.items()),
        activations=traced.peak,
        flops=flops.count(run.make_step(), state, batch),
        model_flops=model_flops(run),
        collectives=traced.collectives,
    )


def plan(config: Any, spec: DataSpec, mesh: dict[str, int], name: str) -> str:
    """The plan of a training as text: `name` is of HARDWARE, `mesh` has the sizes of data, fsdp and tensor."""
    hardware, devices, dtype = HARDWARE[name], math.prod(mesh.values()), config.model.dtype
    run = _planned(config, spec, mesh)
    need = estimate(run)
    seconds = need.seconds(hardware, dtype, devices)
    step = max(seconds.values())
    slowest = max(seconds, key=lambda term: seconds[term])
    parameters = sum(leaf.size for leaf in jax.tree.leaves(run.abstract_state.params))
    sent = ", ".join(f"{axis} {_bytes(count)}" for axis, count in need.collectives.items() if count) or "none"
    lines = [
        f"{config.objective} on {spec.name}, {parameters:,} parameters, {config.data.batch_size:,} examples a step, {dtype}",
        f"{devices:,} x {name}: " + ", ".join(f"{axis} {size}" for axis, size in mesh.items()),
        "",
        "memory of one device",
        *(f"  {what:<28}{_bytes(getattr(need, what)):>12}" for what in ("parameters", "optimizer", "averages", "batch", "activations")),
        f"  {'together':<28}{_bytes(need.memory):>12}  of {_bytes(hardware.memory)}",
        "",
        "one step",
        f"  {'operations':<28}{need.flops:>12.3g}  {need.flops / devices:.3g} a device, {1 - need.model_flops / need.flops:.0%} of them recomputed",
        f"  {'sent by a device':<28}{_bytes(sum(need.collectives.values())):>12}  {sent}",
        *(f"  {'time of ' + term:<28}{1e3 * value:>9.3g} ms" for term, value in seconds.items()),
        f"  {'at least':<28}{1e3 * step:>9.3g} ms  bound by {slowest}",
        f"  {'examples a second, at most':<28}{config.data.batch_size / step:>12,.0f}",
        f"  {'MFU, at most':<28}{100 * need.model_flops / (devices * hardware.peak[dtype] * step):>10.0f} %",
        "",
        _verdict(config, spec, mesh, need, hardware),
    ]
    return "\n".join(lines)


def _planned(config: Any, spec: DataSpec, mesh: dict[str, int]) -> Run:
    none = ArrayRows({spec.key: np.broadcast_to(np.uint8(0), (1, *spec.shape))})  # a plan reads no data
    source = Source(spec, {"train": none, "eval": none})
    return Run.of(config, source, Parallel.planned(config.data.batch_size, config.train.accumulation, **mesh))


def _verdict(config: Any, spec: DataSpec, mesh: dict[str, int], need: Estimate, hardware: Hardware) -> str:
    if need.memory <= USABLE * hardware.memory:
        return f"It fits, with {_bytes(USABLE * hardware.memory - need.memory)} to spare ({USABLE:.0%} of the memory is taken to be usable)."
    over = f"It does not fit: {_bytes(need.memory)} are needed and {_bytes(USABLE * hardware.memory)} usable."
    for changes, other in _alternatives(config, mesh):
        changed = configs.check(configs.apply(config, configs.base_fields(), changes), configs.base_fields())
        try:
            less = estimate(_planned(changed, spec, other)).memory
        except UsageError:  # rows that do not split
            continue
        if less <= USABLE * hardware.memory:
            flags = " ".join([f"--config.{name}={value}" for name, value in changes.items()] + ([f"--mesh={_mesh(other)}"] if other != mesh else []))
            return f"{over} This would, with {_bytes(less)}: {flags}"
    return f"{over} Neither recomputation, nor micro-batches, nor splitting parameters over all of these devices is enough: use more of them."


def _alternatives(config: Any, mesh: dict[str, int]) -> Iterator[tuple[dict[str, str], dict[str, int]]]:
    """What to try, the cheapest first: recomputation, parameters split over more devices, smaller micro-batches."""
    remat = {"model.remat": "true"}
    split = mesh | {"data": 1, "fsdp": mesh["data"] * mesh["fsdp"]}
    yield remat, mesh
    if split != mesh:
        yield {}, split
        yield remat, split
    for more in (2, 4, 8, 16, 32):
        yield remat | {"train.accumulation": str(more * config.train.accumulation)}, split


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} GB" if count < 1000 else f"{count:,.0f} GB"


def _mesh(sizes: dict[str, int]) -> str:
    return ",".join(f"{axis}:{size}" for axis, size in sizes.items() if size > 1)
