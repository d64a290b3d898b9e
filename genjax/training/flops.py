"""Floating-point operations of a function, counted from its jaxpr.

XLA's own cost analysis counts the body of a loop once, however often it runs, so it is wrong for scanned layers, accumulation, several
steps a dispatch and every sampler. Here a loop counts as often as it runs. The conventions are XLA's: a product of matrices [m, k] [k, n] is
2 m k n operations, an arithmetic elementwise operation and each element of a reduction is 1, moving data is 0; where there are no loops the two
agree (a test holds them together).

Beside the count stands the formula of the field, for what a transformer does in products of matrices alone, forward and twice as much backward:

    3 (2 sum_k N_k u_k + 4 L T^2 D)                                                                 (1)

with kernels of N_k numbers that are used u_k times an example (T, once for those of the conditioning), L layers, T positions, width D: the
6 N T of arXiv:2001.08361 with attention. It leaves out everything elementwise, so that it lies below the count, the less the wider the model.

A count is dense, whatever a kernel leaves out (`layers.every_pair`). Mask-aware, the pairs of positions that attention may not see are taken from
its two products: what a kernel that skips them all would do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax.extend import core

from genjax.models.layers import every_pair
from genjax.types import PyTree

_ELEMENTWISE = frozenset(
    "add sub mul div rem max min neg abs sign pow integer_pow sqrt rsqrt square exp exp2 log log1p expm1 tanh sin cos logistic erf erf_inv "
    "select_n clamp add_any floor ceil round".split()
)
_REDUCTIONS = frozenset("reduce_sum reduce_max reduce_min reduce_prod argmax argmin cumsum cummax cumlogsumexp cumprod".split())


class Operations(NamedTuple):
    """Operations of a function: all of them; those in products of matrices; of these, those of attention."""

    total: float
    products: float
    attention: float

    def plus(self, other: Operations, times: float = 1.0) -> Operations:
        return Operations(*(mine + times * theirs for mine, theirs in zip(self, other, strict=True)))

    def mask_aware(self, visible: float) -> float:
        """The total without what attention does for the share 1 - visible of pairs that it may not see."""
        return self.total - (1 - visible) * self.attention


NONE = Operations(0.0, 0.0, 0.0)


def count(function: Callable, *args: Any) -> float:
    """All operations of one call, as in `operations`."""
    return operations(function, *args).total


def operations(function: Callable, *args: Any) -> Operations:
    """Operations of one call of `function`; args may be arrays or ShapeDtypeStructs. A `while_loop` of unknown length counts once."""
    with every_pair():
        # A function of its own, so that no trace from elsewhere is found again.
        return _count(jax.make_jaxpr(lambda *args: function(*args))(*args).jaxpr)


def formula(params: PyTree, axes: PyTree, *, positions: int, depth: int, width: int) -> float:
    """Equation (1), for one example.

    Args:
      params: the model's parameters, abstract or not; its kernels are the leaves that are named so.
      axes: the names of every parameter's axes, a tuple in place of each.
      positions: T.
      depth, width: L, D.
    """
    leaves = jax.tree_util.tree_leaves_with_path(params)
    names = jax.tree.leaves(axes, is_leaf=lambda leaf: isinstance(leaf, tuple))
    linear = 0.0
    for (path, leaf), axis in zip(leaves, names, strict=True):
        if path[-1] == jax.tree_util.DictKey("kernel"):
            linear += leaf.size * (1 if ONCE & set(axis) else positions)
    return 3.0 * (2 * linear + 4 * depth * positions**2 * width)


ONCE = frozenset({"cond", "frequency"})  # input axes of kernels that see an example's conditioning, not its positions


def _count(jaxpr: core.Jaxpr) -> Operations:
    total = NONE
    for equation in jaxpr.eqns:
        total = total.plus(_equation(equation))
    return total


def _equation(equation: core.JaxprEqn) -> Operations:
    name, params = equation.primitive.name, equation.params
    if not equation.outvars:  # an assertion or a callback
        return NONE
    out: Any = equation.outvars[0].aval
    first: Any = equation.invars[0].aval if equation.invars else None
    if name == "dot_general":
        (contracted, _), (rows, _) = params["dimension_numbers"]
        made = 2.0 * out.size * math.prod(first.shape[axis] for axis in contracted)
        # Weights are the same for every row; only attention multiplies what belongs to a row with what belongs to it.
        return Operations(made, made, made if rows else 0.0)
    if name == "conv_general_dilated":
        kernel: Any = equation.invars[1].aval
        out_features = kernel.shape[params["dimension_numbers"].rhs_spec[0]]
        made = 2.0 * out.size * kernel.size / out_features
        return Operations(made, made, 0.0)
    if name == "scan":
        return NONE.plus(_count(params["jaxpr"].jaxpr), params["length"])
    if name == "while":
        return _count(params["body_jaxpr"].jaxpr).plus(_count(params["cond_jaxpr"].jaxpr))
    if name == "cond":
        return max(_count(branch.jaxpr) for branch in params["branches"])
    if name in _REDUCTIONS:
        return Operations(float(first.size), 0.0, 0.0)
    for value in params.values():  # pjit, remat, custom_jvp, shard_map, ...: whatever wraps one computation
        if isinstance(value, core.ClosedJaxpr):
            return _count(value.jaxpr)
        if isinstance(value, core.Jaxpr):
            return _count(value)
    is_float = hasattr(out, "dtype") and jax.numpy.issubdtype(out.dtype, jax.numpy.floating)
    return Operations(float(out.size), 0.0, 0.0) if name in _ELEMENTWISE and is_float else NONE
