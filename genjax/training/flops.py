"""Floating-point operations of a function, counted from its jaxpr.

XLA's own cost analysis counts the body of a loop once, however often it runs, so it is wrong for scanned layers, accumulation, several
steps a dispatch and every sampler. Here a loop counts as often as it runs. The conventions are XLA's: a product of matrices [m, k] [k, n] is
2 m k n operations, an arithmetic elementwise operation and each element of a reduction is 1, moving data is 0; where there are no loops the two
agree (a test holds them together).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
from jax.extend import core

_ELEMENTWISE = frozenset(
    "add sub mul div rem max min neg abs sign pow integer_pow sqrt rsqrt square exp exp2 log log1p expm1 tanh sin cos logistic erf erf_inv "
    "select_n clamp add_any floor ceil round".split()
)
_REDUCTIONS = frozenset("reduce_sum reduce_max reduce_min reduce_prod argmax argmin cumsum cummax cumlogsumexp cumprod".split())


def count(function: Callable, *args: Any) -> float:
    """Operations of one call of `function`; args may be arrays or ShapeDtypeStructs. A `while_loop` of unknown length counts once."""
    return _count(jax.make_jaxpr(function)(*args).jaxpr)


def _count(jaxpr: core.Jaxpr) -> float:
    return sum(_equation(equation) for equation in jaxpr.eqns)


def _equation(equation: core.JaxprEqn) -> float:
    name, params = equation.primitive.name, equation.params
    if not equation.outvars:  # an assertion or a callback
        return 0.0
    out: Any = equation.outvars[0].aval
    first: Any = equation.invars[0].aval if equation.invars else None
    if name == "dot_general":
        (contracted, _), _ = params["dimension_numbers"]
        return 2.0 * out.size * math.prod(first.shape[axis] for axis in contracted)
    if name == "conv_general_dilated":
        kernel: Any = equation.invars[1].aval
        out_features = kernel.shape[params["dimension_numbers"].rhs_spec[0]]
        return 2.0 * out.size * kernel.size / out_features
    if name == "scan":
        return params["length"] * _count(params["jaxpr"].jaxpr)
    if name == "while":
        return _count(params["body_jaxpr"].jaxpr) + _count(params["cond_jaxpr"].jaxpr)
    if name == "cond":
        return max(_count(branch.jaxpr) for branch in params["branches"])
    if name in _REDUCTIONS:
        return float(first.size)
    for value in params.values():  # pjit, remat, custom_jvp, shard_map, ...: whatever wraps one computation
        if isinstance(value, core.ClosedJaxpr):
            return _count(value.jaxpr)
        if isinstance(value, core.Jaxpr):
            return _count(value)
    is_float = hasattr(out, "dtype") and jax.numpy.issubdtype(out.dtype, jax.numpy.floating)
    return float(out.size) if name in _ELEMENTWISE and is_float else 0.0
