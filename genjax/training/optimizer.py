"""The optimizer of a config, as one optax transformation. What it does to a parameter is decided by the names of the parameter's axes.

    u = rule(gradient)                       by the parameter's role: a hidden matrix, or anything else          (1)
    p <- p - eta(step) * r * (u + d p)       r the role's share of the learning rate, d its weight decay         (2)

A hidden matrix is what maps features to features inside a block; HIDDEN says which axes it reads and which it writes. All other axes
("layers", a convolution's window) count matrices, so that a stack of layers is treated layer by layer, and a kernel of many heads as the one
matrix that it is.

Width transfer (`base_width`): with Adam's kind of update, of about 1 in every entry, the change of a product with n inputs grows like n. So
parameters that read features learn base_width / width as fast (arXiv:2203.03466); kernels start with variance 1 / inputs and heads at 0, and
scores of normalised queries and keys do not grow, so nothing else is left to scale. Muon's update has a spectral norm that does not depend on
the width and needs no such factor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from optax.contrib import MuonDimensionNumbers, scale_by_muon

from genjax.config import require
from genjax.types import Array, PyTree

Names = tuple[str, ...]  # of a parameter's axes

# Does an axis of this name mark a parameter that decays? A parameter decays when all of its axes do. Every axis must be listed.
DECAYS = {
    "layers": True,
    "embed": True,
    "heads": True,
    "head": True,
    "mlp": True,
    "vocab": True,
    "class": True,
    "patch": True,
    "conv": True,
    "frequency": True,
    "cond": True,
    "modulation": True,
    "place": True,
    "curve": False,
    "norm": False,
    "bias": False,
    "frozen": False,
}

# Axes of a parameter, without those that count matrices -> how many of them are read; the others are written.
COUNTED = ("layers", "conv")
HIDDEN: dict[Names, int] = {("embed", "heads", "head"): 1, ("heads", "head", "embed"): 2, ("embed", "mlp"): 1, ("mlp", "embed"): 1}
TABLES: dict[Names, int] = {("vocab", "embed"): 1, ("embed", "vocab"): 1}

# A parameter whose first axis that is not COUNTED has one of these names reads features, and has the more inputs the wider the model is.
FEATURES = ("embed", "heads", "mlp", "cond")


def build(config: Any, axes: PyTree, *, warmup: int, total: int, decay: int = 0, width: int | None = None) -> optax.GradientTransformation:
    """Equations (1) and (2) with clipping, over `total` steps; `axes` has a tuple of axis names in place of every parameter.

    warmup, decay: steps of the schedule's parts. width: of the model, for `base_width`.
    """
    transforms = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm is not None else []
    shares = _by_names(lambda names: _share(config, names, width), axes)
    transforms += [
        RULES[config.name](config, axes),
        optax.add_decayed_weights(config.weight_decay, mask=_by_names(lambda names: all(DECAYS[name] for name in names), axes)),
        optax.stateless(lambda updates, _: jax.tree.map(jnp.multiply, updates, shares)),
        optax.scale_by_learning_rate(schedule(config, warmup=warmup, total=total, decay=decay)),
    ]
    return optax.chain(*transforms)


class Matrix(NamedTuple):
    """The axes of a parameter that are the inputs, and those that are the outputs, of the matrices that it is made of."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def matrix(names: Names, table: Mapping[Names, int]) -> Matrix | None:
    """How a parameter is made of matrices; None for what is not in the table."""
    kept = [axis for axis, name in enumerate(names) if name not in COUNTED]
    reads = table.get(tuple(names[axis] for axis in kept))
    return None if reads is None else Matrix(tuple(kept[:reads]), tuple(kept[reads:]))


def _share(config: Any, names: Names, width: int | None) -> float:
    """r of equation (2)."""
    if config.name == "muon" and matrix(names, HIDDEN):
        return 1.0
    share = 1.0
    if config.name == "muon" and config.adam_learning_rate is not None:
        share = config.adam_learning_rate / config.learning_rate
    if config.base_width is not None and next((name for name in names if name not in COUNTED), "") in FEATURES:
        assert width is not None, "width transfer needs the width of the model"
        share *= config.base_width / width
    return share


def _by_names(function: Callable[[Names], Any], axes: PyTree) -> PyTree:
    return jax.tree.map(function, axes, is_leaf=lambda leaf: isinstance(leaf, tuple))


# ---- equation (1) --------------------------------------------------------------------------------------------------


def _by_role(
    axes: PyTree,
    table: Mapping[Names, int],
    rule: Callable[[Matrix], optax.GradientTransformation],
    other: optax.GradientTransformation,
) -> optax.GradientTransformation:
    """One rule for the matrices of a table, told which axes are which, and another for all other parameters."""
    labels = _by_names(lambda names: "/".join(names) if matrix(names, table) else "other", axes)
    kinds = {"/".join(names): matrix(names, table) for names in jax.tree.leaves(axes, is_leaf=lambda leaf: isinstance(leaf, tuple))}
    return optax.partition({kind: rule(numbers) for kind, numbers in kinds.items() if numbers} | {"other": other}, labels)


def _adamw(config: Any, axes: PyTree) -> optax.GradientTransformation:
    """arXiv:1711.05101."""
    del axes
    return optax.scale_by_adam(config.b1, config.b2)


def _lion(config: Any, axes: PyTree) -> optax.GradientTransformation:
    """The sign of a momentum (arXiv:2302.06675)."""
    del axes
    return optax.scale_by_lion(config.b1, config.b2)


def _muon(config: Any, axes: PyTree) -> optax.GradientTransformation:
    """For hidden matrices the nearest orthogonal matrix to the momentum, by a Newton-Schulz iteration that brings its singular values near 1
    (arXiv:2502.16982), times sqrt(max(1, outputs / inputs)). Adam for the rest.
    """

    def rule(role: Matrix) -> optax.GradientTransformation:
        def by_shape(updates: PyTree, params: PyTree) -> PyTree:
            del params
            size = lambda x, axes: math.prod(x.shape[axis] for axis in axes)
            return jax.tree.map(lambda x: x * math.sqrt(max(1.0, size(x, role.outputs) / size(x, role.inputs))), updates)

        everywhere = lambda updates: jax.tree.map(lambda _: MuonDimensionNumbers(*role), updates)
        return optax.chain(scale_by_muon(beta=config.momentum, weight_dimension_numbers=everywhere), optax.stateless(by_shape))

    return _by_role(axes, HIDDEN, rule, optax.scale_by_adam(config.b1, config.b2))


class FactoredState(NamedTuple):
    """count int32; rows, columns: running means of the squared gradient of every input and of every output (other axes have size 1)."""

    count: Array
    rows: PyTree
    columns: PyTree


def _adafactor(config: Any, axes: PyTree) -> optax.GradientTransformation:
    """Adam whose squared gradient of a matrix is the outer product of a row and a column (arXiv:1804.04235), for hidden matrices and the tables
    of a vocabulary. There is no momentum of a matrix, and its update has a root mean square of at most 1. Adam for the rest.
    """

    def rule(role: Matrix) -> optax.GradientTransformation:
        inputs, outputs = role

        def init(params: PyTree) -> FactoredState:
            means = [jax.tree.map(lambda p: jnp.zeros_like(jnp.mean(p, axis, keepdims=True)), params) for axis in (outputs, inputs)]  # noqa: B023
            return FactoredState(jnp.zeros((), jnp.int32), *means)

        def update(updates: PyTree, state: Any, params: PyTree = None, **extra: Any) -> tuple[PyTree, FactoredState]:
            del params, extra
            count = state.count + 1
            fresh = count.astype(jnp.float32) ** -0.8

            def mean(old: Array, g: Array, axis: tuple[int, ...]) -> Array:
                return old + fresh * (jnp.mean(jnp.square(g) + 1e-30, axis, keepdims=True) - old)

            rows = jax.tree.map(lambda old, g: mean(old, g, outputs), state.rows, updates)
            columns = jax.tree.map(lambda old, g: mean(old, g, inputs), state.columns, updates)

            def scaled(g: Array, row: Array, column: Array) -> Array:
                u = g * jax.lax.rsqrt(row / jnp.mean(row, inputs, keepdims=True)) * jax.lax.rsqrt(column)
                return u / jnp.maximum(1.0, jnp.sqrt(jnp.mean(jnp.square(u), inputs + outputs, keepdims=True)))

            return jax.tree.map(scaled, updates, rows, columns), FactoredState(count, rows, columns)

        return optax.GradientTransformation(init, update)

    return _by_role(axes, HIDDEN | TABLES, rule, optax.scale_by_adam(config.b1, config.b2))


RULES = {"adamw": _adamw, "muon": _muon, "lion": _lion, "adafactor": _adafactor}


# ---- the learning rate ---------------------------------------------------------------------------------------------


def schedule(config: Any, *, warmup: int, total: int, decay: int = 0) -> optax.Schedule:
    """The learning rate of a step: a linear warm-up, then a curve of SCHEDULES."""
    # The first step already moves: a rate of exactly 0 would waste it.
    rise = optax.linear_schedule(config.learning_rate / (warmup + 1), config.learning_rate, warmup)
    return optax.join_schedules([rise, SCHEDULES[config.schedule](config.learning_rate, warmup, total, decay)], [warmup])


def _cosine(peak: float, warmup: int, total: int, decay: int) -> optax.Schedule:
    """Half a period, to zero at the end."""
    del decay
    return optax.cosine_decay_schedule(peak, max(1, total - warmup))


def _constant(peak: float, warmup: int, total: int, decay: int) -> optax.Schedule:
    del warmup, total, decay
    return optax.constant_schedule(peak)


def _wsd(peak: float, warmup: int, total: int, decay: int) -> optax.Schedule:
    """Warm-up, stable, decay: the peak until `decay` steps before the end, then a line to zero (arXiv:2404.06395)."""
    stable = total - warmup - decay
    require(stable >= 0, f"optimizer.warmup ({warmup} steps) and optimizer.decay ({decay} steps) are longer than the training of {total} steps")
    return optax.linear_schedule(peak, 0.0, max(1, decay), stable)


def _inverse_sqrt(peak: float, warmup: int, total: int, decay: int) -> optax.Schedule:
    """As if the warm-up's peak were on peak sqrt(warmup / step) (arXiv:1706.03762)."""
    del total, decay
    start = max(1, warmup)
    return lambda step: peak * jnp.sqrt(start / (start + step))


SCHEDULES = {"cosine": _cosine, "constant": _constant, "wsd": _wsd, "inverse_sqrt": _inverse_sqrt}
