"""How the values of a traced step lie on a mesh, followed from operation to operation: what they take, and what has to be sent.

Every value gets a layout: for each of its dimensions, the axes of the mesh that split it. Layouts start at the arguments and follow as XLA's
partitioner lets them: an elementwise operation joins those of its operands, a product of matrices keeps those of its free dimensions. Then

  bytes        A value lives from the operation that makes it to the last that uses it. Elementwise values that only feed elementwise operations
               and reductions are fused into these and have no memory. What is gathered (below) lives whole, beside its parts, from the first
               operation that takes it so to the last of the same computation: with recomputation, a layer's matrices from its second forward pass
               to their gradients. A sum of parts that is split again is whole where it is made.
  collectives  An axis that splits rows cannot also split a matrix that the rows are multiplied with: that matrix is gathered, (n-1)/n of it over
               the links, once for a computation. A contraction over a split dimension leaves partial sums: 2 (n-1)/n of the result where
               everybody needs it, half of that where it is split again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend import core

Layout = tuple[frozenset[str], ...]


def layout_of(spec: Any, ndim: int) -> Layout:
    axes = [frozenset() if part is None else frozenset(part if isinstance(part, tuple) else (part,)) for part in spec]
    return (*axes, *[frozenset()] * (ndim - len(axes)))


def _ways(layout: Layout, sizes: dict[str, int]) -> int:
    return math.prod(sizes[axis] for split in layout for axis in split)


def size_of(aval: Any, layout: Layout, sizes: dict[str, int]) -> float:
    itemsize = 8 if jax.dtypes.issubdtype(aval.dtype, jax.dtypes.prng_key) else aval.dtype.itemsize
    return math.prod(aval.shape) * itemsize / _ways(layout, sizes)


_CHEAP = frozenset(
    "add sub mul neg max min select_n convert_element_type broadcast_in_dim reshape iota and or not xor eq ne lt le gt ge sign abs copy "
    "stop_gradient integer_pow square squeeze expand_dims add_any slice is_finite clamp pjit random_wrap random_unwrap shift_right_logical "
    "shift_left transpose rev floor round copy_p reduce_precision split concatenate pad optimization_barrier".split()
)
_DEAR = frozenset("div exp exp2 log log1p expm1 tanh logistic rsqrt sqrt sin cos pow erf erf_inv rem random_bits threefry2x32".split())
_FUSED = _CHEAP | _DEAR
_REDUCTIONS = frozenset("reduce_sum reduce_max reduce_min reduce_and reduce_or argmax argmin reduce_prod".split())
_CALLS = (
    "pjit",
    "jit",
    "closed_call",
    "custom_jvp_call",
    "custom_vjp_call",
    "remat",
    "checkpoint",
    "remat2",
    "custom_lin",
    "core_call",
    "custom_vjp_call_jaxpr",
)


class _Value:
    """A value of the flat trace."""

    __slots__ = ("aval", "gathered", "layout", "partial")

    def __init__(self, aval: Any, layout: Layout) -> None:
        self.aval, self.layout = aval, layout
        self.partial: frozenset[str] = frozenset()  # axes over which it is a sum of parts when it is made
        self.gathered: list[tuple[_Value, frozenset[str]]] = []  # what had to be put together to make it, over which axes


class _Operation(NamedTuple):
    name: str
    params: dict[str, Any]
    inputs: list[_Value]
    outputs: list[_Value]


class _Copy(NamedTuple):
    """A value that is put together over some axes, and the first and the last operation that take it so."""

    source: _Value
    axes: frozenset[str]
    first: int
    last: int


class Traced(NamedTuple):
    peak: float
    collectives: dict[str, float]
    inputs: list[Layout]
    outputs: list[Layout]


class Trace:
    """Layouts, lifetimes and collectives of a jaxpr."""

    def __init__(self, sizes: dict[str, int]) -> None:
        self.sizes = sizes

    def run(self, closed: core.ClosedJaxpr, layouts: Sequence[Layout], results: Sequence[Layout] = (), *, in_place: int = 0) -> Traced:
        """`layouts` of the arguments; `results` are layouts that the first outputs are given; the memory of `in_place` of them is the arguments'."""
        operations: list[_Operation] = []
        inputs = [_Value(var.aval, layout) for var, layout in zip(closed.jaxpr.invars, layouts, strict=True)]
        outputs = self._flatten(closed, inputs, operations)
        self.inner: dict[int, tuple[float, dict[str, float]]] = {}
        for operation in operations:
            self._forward(operation)
        for value, layout in zip(outputs, results, strict=False):
            self._take(value, layout)
        for operation in reversed(operations):
            self._backward(operation)
        kept = {id(value) for value in inputs} | {id(value) for value in outputs[:in_place]}
        peak = self._peak(operations, kept, {id(value) for value in outputs})
        return Traced(peak, self._collectives(operations), [value.layout for value in inputs], [value.layout for value in outputs])

    def _flatten(self, closed: core.ClosedJaxpr, inputs: Sequence[_Value], operations: list[_Operation]) -> list[_Value]:
        """Appends the operations with calls inlined, and returns the outputs."""
        jaxpr = closed.jaxpr
        known: dict[Any, _Value] = dict(zip(jaxpr.invars, inputs, strict=True))
        for var in jaxpr.constvars:
            known[var] = _Value(var.aval, (frozenset(),) * len(var.aval.shape))

        def read(atom: Any) -> _Value:
            if isinstance(atom, core.Literal):
                return _Value(atom.aval, (frozenset(),) * np.ndim(atom.val))
            return known[atom]

        for equation in jaxpr.eqns:
            name, arguments = equation.primitive.name, [read(atom) for atom in equation.invars]
            body = next((value for value in equation.params.values() if isinstance(value, core.ClosedJaxpr | core.Jaxpr)), None)
            if body is not None and name not in ("scan", "while", "cond"):
                body = body if isinstance(body, core.ClosedJaxpr) else core.ClosedJaxpr(body, ())
                made = self._flatten(body, arguments[-len(body.jaxpr.invars) :] if body.jaxpr.invars else [], operations)
            else:
                made = [_Value(var.aval, (frozenset(),) * len(getattr(var.aval, "shape", ()))) for var in equation.outvars]
                operations.append(_Operation(name, equation.params, arguments, made))
            known.update(zip(equation.outvars, made, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    # Layouts.

    def _take(self, value: _Value, layout: Layout) -> None:
        """Splits a value further, where it divides and the axis is free."""
        used = {axis for split in value.layout for axis in split}
        made = []
        for size, old, new in zip(value.aval.shape, value.layout, layout, strict=True):
            more = frozenset(axis for axis in new - used)
            ways = math.prod(self.sizes[axis] for axis in old | more)
            made.append(old | more if size % ways == 0 else old)
            used |= made[-1]
        value.layout = tuple(made)

    def _forward(self, operation: _Operation) -> None:
        name, params, inputs, outputs = operation
        out = outputs[0] if outputs else None
        if out is None:
            return
        if name == "dot_general":
            (lc, rc), (lb, rb) = params["dimension_numbers"]
            left, right = inputs
            lfree = [d for d in range(left.aval.ndim) if d not in (*lc, *lb)]
            rfree = [d for d in range(right.aval.ndim) if d not in (*rc, *rb)]
            batch = [left.layout[a] | right.layout[b] for a, b in zip(lb, rb, strict=True)]
            order = ([left.layout[d] for d in lfree], [right.layout[d] for d in rfree])
            big = left.aval.size >= right.aval.size  # the larger operand keeps its split where both want the same axis
            used = {axis for split in [*batch, *order[not big]] for axis in split}
            order[big][:] = [split - used for split in order[big]]
            self._take(out, (*batch, *order[0], *order[1]))
            present = {axis for split in out.layout for axis in split}
            contracted = {axis for d in lc for axis in left.layout[d]} | {axis for d in rc for axis in right.layout[d]}
            out.partial = frozenset(contracted - present)
            place = dict(zip(lfree, out.layout[len(lb) :], strict=False)), dict(zip(rfree, out.layout[len(lb) + len(lfree) :], strict=True))
            for value, free, summed, kept in ((left, lfree, lc, place[0]), (right, rfree, rc, place[1])):
                lost = {axis for d in free for axis in value.layout[d] - kept[d]} | {axis for d in summed for axis in value.layout[d] & present}
                if lost:
                    out.gathered.append((value, frozenset(lost)))
        elif name == "transpose":
            self._take(out, tuple(inputs[0].layout[d] for d in params["permutation"]))
        elif name == "broadcast_in_dim":
            layout = [frozenset()] * out.aval.ndim
            for source, target in enumerate(params["broadcast_dimensions"]):
                layout[target] = inputs[0].layout[source] if inputs[0].aval.shape[source] == out.aval.shape[target] else frozenset()
            self._take(out, tuple(layout))
        elif name == "reshape":
            self._take(out, _reshaped(inputs[0].aval.shape, out.aval.shape, inputs[0].layout))
        elif name == "squeeze":
            self._take(out, tuple(split for d, split in enumerate(inputs[0].layout) if d not in params["dimensions"]))
        elif name in _REDUCTIONS:
            for each in outputs:
                self._take(each, tuple(split for d, split in enumerate(inputs[0].layout) if d not in params["axes"]))
                each.partial = frozenset(axis for d in params["axes"] for axis in inputs[0].layout[d])
        elif name == "gather":
            offset = params["dimension_numbers"].offset_dims
            rest = iter(inputs[1].layout[:-1])
            self._take(out, tuple(frozenset() if d in offset else next(rest) for d in range(out.aval.ndim)))
            alike = params["dimension_numbers"].operand_batching_dims
            whole = frozenset(axis for d, split in enumerate(inputs[0].layout) if d not in alike for axis in split)
            if whole:
                out.gathered.append((inputs[0], whole))
        elif name.startswith("scatter"):
            numbers, layout = params["dimension_numbers"], list(inputs[0].layout)
            for target, source in zip(numbers.operand_batching_dims, numbers.scatter_indices_batching_dims, strict=True):
                layout[target] |= inputs[1].layout[source]
            self._take(out, tuple(layout))
            out.partial = frozenset(axis for split in inputs[1].layout for axis in split) - {axis for split in out.layout for axis in split}
        elif name == "scan":
            self._scan(operation)
        elif name in ("while", "cond"):
            self._body(operation)
        elif name == "conv_general_dilated":
            numbers = params["dimension_numbers"]
            layout = [frozenset()] * out.aval.ndim
            layout[numbers.out_spec[0]] = inputs[0].layout[numbers.lhs_spec[0]]
            self._take(out, tuple(layout))
            out.partial = frozenset(inputs[0].layout[numbers.lhs_spec[1]] & inputs[1].layout[numbers.rhs_spec[1]])
            whole = frozenset(axis for split in inputs[1].layout for axis in split) - out.partial
            if whole:
                out.gathered.append((inputs[1], whole))
        else:
            for each in outputs:
                for value in inputs:
                    shape, other = getattr(value.aval, "shape", ()), each.aval.shape
                    if len(shape) == len(other):
                        same = zip(shape, other, value.layout, strict=True)
                        self._take(each, tuple(split if size == now else frozenset() for size, now, split in same))
                    elif shape and other and shape[0] == other[0]:
                        self._take(each, (value.layout[0], *[frozenset()] * (len(other) - 1)))

    def _scan(self, operation: _Operation, results: Sequence[Layout] = ()) -> None:
        params, inputs, outputs = operation.params, operation.inputs, operation.outputs
        consts, carries = params["num_consts"], params["num_carry"]
        layouts = [value.layout for value in inputs[: consts + carries]] + [value.layout[1:] for value in inputs[consts + carries :]]
        inside = Trace(self.sizes).run(params["jaxpr"], layouts, results)
        if inside.outputs[:carries] != layouts[consts : consts + carries]:  # once more with what this made of the carry
            layouts[consts : consts + carries] = inside.outputs[:carries]
            inside = Trace(self.sizes).run(params["jaxpr"], layouts, results)
        for place, (value, layout) in enumerate(zip(outputs, inside.outputs, strict=True)):
            self._take(value, layout if place < carries else (frozenset(), *layout))
        # What is used inside tells how it is laid out outside, too.
        for place, (value, layout) in enumerate(zip(inputs, inside.inputs, strict=True)):
            self._take(value, layout if place < consts + carries else (frozenset(), *layout))
        self.inner[id(outputs[0])] = inside.peak, {axis: params["length"] * sent for axis, sent in inside.collectives.items()}

    def _body(self, operation: _Operation) -> None:
        params, inputs = operation.params, operation.inputs
        if operation.name == "while":
            body, given = params["body_jaxpr"], inputs[params["cond_nconsts"] :]
        else:
            body, given = params["branches"][-1], inputs[1:]
        inside = Trace(self.sizes).run(body, [value.layout for value in given])
        for value, layout in zip(operation.outputs, inside.outputs, strict=True):
            self._take(value, layout)
        self.inner[id(operation.outputs[0])] = inside.peak, inside.collectives

    def _backward(self, operation: _Operation) -> None:
        """What a value is used as tells how it is laid out, where its making leaves that open: gradients lie as parameters do."""
        if operation.name == "scan":
            carries = operation.params["num_carry"]
            results = [value.layout if place < carries else value.layout[1:] for place, value in enumerate(operation.outputs)]
            self._scan(operation, results)
        if operation.name in _FUSED:
            for out in operation.outputs:
                for value in operation.inputs:
                    if getattr(value.aval, "shape", None) == out.aval.shape and out.aval.ndim:
                        self._take(value, out.layout)
        if operation.name == "broadcast_in_dim":
            value, out = operation.inputs[0], operation.outputs[0]
            places = operation.params["broadcast_dimensions"]
            self._take(
                value, tuple(out.layout[d] if size == out.aval.shape[d] else frozenset() for size, d in zip(value.aval.shape, places, strict=True))
            )
        if operation.name == "transpose":
            order = operation.params["permutation"]
            self._take(operation.inputs[0], tuple(operation.outputs[0].layout[order.index(d)] for d in range(len(order))))
        if operation.name == "reshape":
            value, out = operation.inputs[0], operation.outputs[0]
            self._take(value, _reshaped(out.aval.shape, value.aval.shape, out.layout))

    # Bytes over the links.

    def _collectives(self, operations: Sequence[_Operation]) -> dict[str, float]:
        sent: dict[str, float] = dict.fromkeys(self.sizes, 0.0)
        for operation in operations:
            for value in operation.outputs:
                split = {axis for part in value.layout for axis in part}
                for axis in value.partial:
                    n = self.sizes[axis]
                    whole = size_of(value.aval, value.layout, self.sizes) * (n if axis in split else 1)
                    sent[axis] += (1 if axis in split else 2) * (n - 1) / n * whole
            if operation.outputs and id(operation.outputs[0]) in self.inner:
                for axis, more in self.inner[id(operation.outputs[0])][1].items():
                    sent[axis] += more
        for copy in self._copies(operations):
            for axis in copy.axes:
                sent[axis] += (self.sizes[axis] - 1) * size_of(copy.source.aval, copy.source.layout, self.sizes)
        return sent

    def _copies(self, operations: Sequence[_Operation]) -> list[_Copy]:
        """What is gathered: once for all operations of a computation that take it so."""
        found: dict[tuple[int, frozenset[str]], _Copy] = {}
        for number, operation in enumerate(operations):
            for value in operation.outputs:
                for source, axes in value.gathered:
                    key = id(source), axes
                    found[key] = _Copy(source, axes, found[key].first if key in found else number, number)
        return list(found.values())

    # Lifetimes.

    def _peak(self, operations: Sequence[_Operation], kept: set[int], outputs: set[int]) -> float:
        users: dict[int, list[int]] = {}
        for number, operation in enumerate(operations):
            for value in operation.inputs:
                users.setdefault(id(value), []).append(number)

        fused: set[int] = set()
        for operation in operations:
            if operation.name not in _FUSED:
                continue
            for value in operation.outputs:
                used_by = users.get(id(value), [])
                into = all(operations[user].name in _FUSED | _REDUCTIONS for user in used_by)
                if id(value) not in outputs and into and (operation.name in _CHEAP or len(used_by) <= 1):
                    fused.add(id(value))
        # A fused value is made where it is used, so what it is made of lives until there.
        last: dict[int, int] = {}
        for number in reversed(range(len(operations))):
            ends = [last.get(id(value), number) if id(value) in fused else number for value in operations[number].outputs]
            end = max([number, *ends])
            for value in operations[number].inputs:
                last[id(value)] = max(last.get(id(value), 0), end)
        live, peak, freed = 0.0, 0.0, {}
        copied: dict[int, float] = {}
        for copy in self._copies(operations):
            size = math.prod(self.sizes[axis] for axis in copy.axes) * size_of(copy.source.aval, copy.source.layout, self.sizes)
            copied[copy.first] = copied.get(copy.first, 0.0) + size
            freed.setdefault(copy.last, []).append(size)
        for number, operation in enumerate(operations):
            made = [value for value in operation.outputs if id(value) not in fused | kept]
            live += sum(size_of(value.aval, value.layout, self.sizes) for value in made)
            inside = self.inner[id(operation.outputs[0])][0] if operation.outputs and id(operation.outputs[0]) in self.inner else 0.0
            live += copied.get(number, 0.0)
            for value in operation.outputs:  # a sum that is split again is whole before
                again = value.partial & {axis for split in value.layout for axis in split}
                inside += size_of(value.aval, value.layout, self.sizes) * math.prod(self.sizes[axis] for axis in again) if again else 0.0
            for value in made:
                end = last.get(id(value), number)
                if id(value) not in outputs:
                    freed.setdefault(end, []).append(size_of(value.aval, value.layout, self.sizes))
            ending = sum(freed.pop(number, []))
            # An elementwise result takes the place of what it is made of, where that is not needed any more.
            reused = min(ending, sum(size_of(value.aval, value.layout, self.sizes) for value in made)) if operation.name in _FUSED else 0.0
            peak = max(peak, live + inside - reused)
            live -= ending
        return peak


def _reshaped(old: Sequence[int], new: Sequence[int], layout: Layout) -> Layout:
    """Dimensions that are merged or cut hand their split to the first of the new ones."""
    made: list[frozenset[str]] = [frozenset()] * len(new)
    i = j = 0
    while i < len(old) and j < len(new):
        first_old, first_new, a, b = i, j, old[i], new[j]
        while a != b:
            if a < b:
                i += 1
                a *= old[i]
            else:
                j += 1
                b *= new[j]
        made[first_new] = layout[first_old]
        i, j = i + 1, j + 1
    return tuple(made)
