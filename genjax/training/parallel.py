"""Devices: the only file that knows there are any.

Under `jit` a mesh has the axes `data` and `fsdp`, which split a batch's rows, and `fsdp` and `tensor`, which split parameters. A
parameter's split follows from the logical names of its axes (RULES); an axis that does not divide evenly is left whole. `pmap` compiles
the same step for devices that each hold all parameters.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from genjax.config import require
from genjax.training import compiling
from genjax.training.step import Step, several
from genjax.types import Array, Batch, PyTree

# The order matters: with rows over ("data", "fsdp"), the partitioner of jax 0.10.2 computes a product of matrices wrongly on a mesh where data,
# fsdp and tensor are all above 1 (tests/training/test_parallel.py would show it). The mesh has the same order, so that a process's rows lie together.
ROWS = ("fsdp", "data")

# Logical axis of a parameter -> axis of the mesh that splits it; None leaves it whole. Every axis must be listed.
RULES: dict[str, str | None] = {
    "layers": None,
    "embed": "fsdp",
    "heads": "tensor",
    "head": None,
    "mlp": "tensor",
    "vocab": "tensor",
    "class": None,
    "patch": None,
    "conv": None,
    "frequency": None,
    "cond": None,
    "modulation": None,
    "place": None,
    "curve": None,
    "norm": None,
    "bias": None,
    "frozen": None,
}


def _check_rows(rows: int, batch_size: int, accumulation: int) -> None:
    micro = batch_size // accumulation
    require(
        micro % rows == 0,
        f"a micro-batch of {micro} rows (data.batch_size / train.accumulation) does not split over {rows} devices: "
        f"use data.batch_size={max(1, micro // rows) * rows * accumulation}",
    )


def _divide_cpu(count: int) -> None:
    """So many devices of this process's CPU, each of which works through its rows by itself. Once jax has begun they stay as they are
    (UsageError where these are others).
    """
    with contextlib.suppress(RuntimeError):  # it has begun
        jax.config.update("jax_num_cpu_devices", count)
    here = jax.local_device_count()
    require(
        jax.default_backend() != "cpu" or here == count,
        f"parallel.cpu_devices={count}, and this process works with {here} already: give it the same number for all its runs, or set "
        f"XLA_FLAGS=--xla_force_host_platform_device_count={count} before it begins (of several processes the only way)",
    )


def _bits(x: Array) -> Array:
    """A fingerprint of an array's bits that any single flip changes: their sum modulo 2^32, and their sum weighted by odd numbers."""
    raw = jax.lax.bitcast_convert_type(x, {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32}[x.dtype.itemsize]).astype(jnp.uint32).ravel()
    return jnp.stack([raw.sum(), (raw * (2 * jnp.arange(raw.size, dtype=jnp.uint32) + 1)).sum()])


@dataclasses.dataclass(frozen=True)
class Parallel:
    """How a run is laid out over devices: mode "jit" or "pmap", and a mesh with the axes data, fsdp, tensor."""

    mode: str
    mesh: Mesh | AbstractMesh

    @classmethod
    def build(cls, config: Any, batch_size: int, accumulation: int) -> Parallel:
        """The mesh of `config.parallel` over all devices; UsageError where the numbers do not fit."""
        if config.cpu_devices is not None:
            _divide_cpu(config.cpu_devices)
        devices, split = jax.device_count(), config.fsdp * config.tensor
        data = devices // split if config.data == -1 else config.data
        require(
            data * split == devices,
            f"parallel.data={config.data}, parallel.fsdp={config.fsdp} and parallel.tensor={config.tensor} "
            f"do not multiply to the {devices} devices here",
        )
        require(config.mode == "jit" or jax.process_count() == 1, "parallel.mode=pmap runs in one process: use parallel.mode=jit")
        axes = {"fsdp": config.fsdp, "data": data, "tensor": config.tensor}
        _check_rows(data * config.fsdp, batch_size, accumulation)
        return cls(config.mode, jax.make_mesh(tuple(axes.values()), tuple(axes), axis_types=(AxisType.Auto,) * 3))

    @classmethod
    def planned(cls, batch_size: int, accumulation: int, *, data: int, fsdp: int, tensor: int) -> Parallel:
        """A layout over devices that are not here: it has shapes and shardings, and nothing can run on it."""
        _check_rows(data * fsdp, batch_size, accumulation)
        return cls("jit", AbstractMesh((fsdp, data, tensor), ("fsdp", "data", "tensor"), axis_types=(AxisType.Auto,) * 3))

    @property
    def replicated(self) -> NamedSharding:
        """Whole on every device."""
        return NamedSharding(self.mesh, P())

    @property
    def row_count(self) -> int:
        """Devices that a batch's rows are split over."""
        return self.mesh.shape["data"] * self.mesh.shape["fsdp"]

    def parameter_shardings(self, shapes: PyTree, axes: PyTree) -> PyTree:
        """A sharding for every parameter, from the names of its axes."""

        def sharding(shape: jax.ShapeDtypeStruct, names: tuple[str, ...]) -> NamedSharding:
            split = [RULES[name] for name in names]
            whole = [mesh_axis is None or size % self.mesh.shape[mesh_axis] for mesh_axis, size in zip(split, shape.shape, strict=True)]
            return NamedSharding(self.mesh, P(*[None if w else mesh_axis for w, mesh_axis in zip(whole, split, strict=True)]))

        return jax.tree.map(sharding, shapes, axes)

    def state_shardings(self, state: PyTree, axes: PyTree, optimizer: optax.GradientTransformation) -> PyTree:
        """A sharding for every leaf of an abstract TrainState; what the optimizer keeps for a parameter lies where the parameter does."""
        params = self.parameter_shardings(state.params, axes)

        def sharding(kept: Any, param: jax.ShapeDtypeStruct, own: NamedSharding) -> Any:
            if isinstance(kept, optax.MaskedNode):  # another rule's parameter
                return kept
            return own if kept.shape == param.shape else self.replicated  # the row of a factored matrix is whole

        opt_state = optax.tree_utils.tree_map_params(
            optimizer.init,
            sharding,
            state.opt_state,
            state.params,
            params,
            transform_non_params=lambda _: self.replicated,
            is_leaf=lambda leaf: isinstance(leaf, optax.MaskedNode),
        )
        return type(state)(step=self.replicated, params=params, ema=params, opt_state=opt_state, tracked=(params,) * len(state.tracked))

    def put(self, batch: dict[str, np.ndarray], *, stacked: bool = False) -> Batch:
        """This process's rows [B, ...] (or [k, B, ...] when stacked) as global arrays, split over the devices."""
        sharding = NamedSharding(self.mesh, P(None, ROWS) if stacked else P(ROWS))
        return {name: jax.make_array_from_process_local_data(sharding, np.asarray(rows)) for name, rows in batch.items()}

    def put_whole(self, arrays: dict[str, np.ndarray]) -> Batch:
        """Rows that every process holds, as global arrays split over the devices."""
        sharding = NamedSharding(self.mesh, P(ROWS))
        return {name: jax.make_array_from_callback(rows.shape, sharding, lambda at, rows=rows: rows[at]) for name, rows in arrays.items()}

    def gather(self, x: Array) -> Array:
        """x whole on every device, so that every process can read it."""
        return jax.device_put(x, self.replicated)

    def like(self, batches: dict[str, np.ndarray]) -> PyTree:
        """Shapes, dtypes and shardings of what `put` makes of this process's stacked batches [k, B, ...]."""
        rows, whole = NamedSharding(self.mesh, P(None, ROWS)), jax.process_count()
        return {
            name: jax.ShapeDtypeStruct((array.shape[0], whole * array.shape[1], *array.shape[2:]), array.dtype, sharding=rows)
            for name, array in batches.items()
        }

    def compile_step(self, make_step: Callable[..., Step], state: PyTree, ahead: Sequence[PyTree] = ()) -> Step:
        """The step over stacked batches [k, B, ...], compiled for the devices; the state is donated.

        Args:
          make_step: make_step(add_devices=...) makes the step, so that both modes compile the same function.
          state: abstract, with shardings.
          ahead: abstract stacked batches for which `jit` compiles it now; for others, and by `pmap`, it is compiled when it is called.
        """
        if self.mode == "pmap":
            return self._pmap(several(make_step(add_devices=partial(jax.lax.psum, axis_name="rows"))))
        shardings = (jax.tree.map(lambda leaf: leaf.sharding, state), self.replicated)
        jitted = jax.jit(several(make_step()), donate_argnums=0, out_shardings=shardings, compiler_options=compiling.options(compiling.STEPS))
        step = compiling.Ahead(jitted, self.layout)
        for batches in ahead:
            step.prepare(state, batches)
        return step

    def _pmap(self, step: Step) -> Step:
        mapped = jax.pmap(step, axis_name="rows", in_axes=(None, 1), out_axes=(None, None), donate_argnums=0)

        def split(x: Array) -> Array:
            return x.reshape(x.shape[0], self.row_count, x.shape[1] // self.row_count, *x.shape[2:])

        def run(state: PyTree, batches: Batch) -> tuple[PyTree, dict[str, Array]]:
            # What comes out of pmap lies on a mesh of its own; put back on this one, the next call finds what this one compiled.
            return jax.device_put(mapped(state, jax.tree.map(split, batches)), self.replicated)

        return run

    def compile(self, function: Callable[..., PyTree]) -> Callable[..., PyTree]:
        """A function of arrays laid out by this object, compiled; its results are whole on every device."""
        return self._laid_out(jax.jit(function, out_shardings=self.replicated, compiler_options=compiling.options(compiling.LOOPS)))

    def compile_drifted(self, shardings: PyTree) -> Callable[[PyTree], dict[str, Array]]:
        """A function of a tree of these shardings: leaf -> whether devices that hold the same part of it differ in any bit."""

        def drifted(tree: PyTree) -> dict[str, Array]:
            pairs = zip(jax.tree.leaves_with_path(tree), jax.tree.leaves(shardings), strict=True)
            return {jax.tree_util.keystr(path, simple=True, separator="/"): self._differs(leaf, own.spec) for (path, leaf), own in pairs}

        return jax.jit(drifted, out_shardings=self.replicated)

    def _differs(self, x: Array, spec: P) -> Array:
        split = [axis for axis in spec if axis is not None]
        alike = tuple(axis for axis in self.mesh.axis_names if axis not in split)

        def differs(part: Array) -> Array:
            bits = _bits(part)
            here = jnp.any(jax.lax.pmax(bits, alike) != jax.lax.pmin(bits, alike))
            return jax.lax.pmax(here.astype(jnp.int32), tuple(self.mesh.axis_names)) > 0

        return jax.shard_map(differs, mesh=self.mesh, in_specs=spec, out_specs=P(), check_vma=False)(x)

    def _laid_out(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with the rows of every activation split as the batch's are (`models.layers.by_rows`)."""

        def run(*args: Any) -> Any:
            with self.layout():
                return function(*args)

        return run

    @contextlib.contextmanager
    def layout(self) -> Iterator[None]:
        """A context in which models that are traced lay their activations out over this mesh."""
        assert isinstance(self.mesh, Mesh), "nothing runs on devices that are only planned"
        with jax.set_mesh(self.mesh), nn.logical_axis_rules((("rows", ROWS),)):
            yield
