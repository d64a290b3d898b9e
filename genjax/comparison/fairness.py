"""Whether arms may be compared: what differs between them is matched, declared to vary, or waived with a reason; else nothing is run.

A name is a config field ("optimizer.clip_norm"), a group of them ("optimizer"), or a quantity of the ledger ("parameters"). Pure functions of names
and values; no jax is needed to refuse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from genjax.config import require
from genjax.errors import UsageError, did_you_mean

# Quantities that two arms may not differ in by accident; seconds are known only in the end, and compared where they are to match.
QUANTITIES = ("train_flops", "parameters", "trunk_parameters", "supervised_targets", "examples", "wall_clock")
# Those that the length of a training decides.
LENGTHS = ("train_flops", "wall_clock", "supervised_targets", "examples")


class Rules(NamedTuple):
    """What a comparison declares.

    Attributes:
      match: quantities that are equal.
      varies: names that are meant to differ.
      waive: name -> why it may differ although it should not.
      tolerance: relative difference up to which quantities are equal.
      budget: arm -> how many times the reference's length of training it is given, where that is not once: it is held against two arms together.
    """

    match: tuple[str, ...]
    varies: tuple[str, ...]
    waive: Mapping[str, str]
    tolerance: float
    budget: Mapping[str, float] = MappingProxyType({})

    def status(self, name: str) -> str:
        """Why `name` may differ: "varies", "waived: ...", or nothing."""
        if _covered(name, self.varies):
            return "varies"
        reasons = [reason for waived, reason in self.waive.items() if _covered(name, (waived,))]
        return f"waived: {reasons[0]}" if reasons else ""

    def record(self) -> dict[str, Any]:
        """The rules as JSON."""
        return {**self._asdict(), "waive": dict(self.waive), "budget": dict(self.budget)}

    def matched(self, name: str) -> str:
        """What the ledger says where `name` is to match: "matched", and which arms are given more of it; else nothing."""
        more = self.budget if name in LENGTHS else {}
        return ", ".join(["matched", *(f"{arm} with {times:g} times as much" for arm, times in more.items())]) if name in self.match else ""

    @property
    def sets_length(self) -> str | None:
        """The quantity that lengths of training are set by, or None where every arm keeps its own."""
        return next((name for name in self.match if name in LENGTHS), None)


def read_waivers(lines: Iterable[str]) -> dict[str, str]:
    """{name: reason} of lines "name: reason"."""
    waived = {}
    for line in lines:
        name, _, reason = str(line).partition(":")
        require(bool(reason.strip()), f"the waiver '{line}' has no reason: write 'field: why it may differ'")
        waived[name.strip()] = reason.strip()
    return waived


def check_names(rules: Rules, fields: Iterable[str]) -> None:
    """UsageError where a declared name is neither a field, a group nor a quantity, or where it is declared twice."""
    known = {*QUANTITIES, *fields}
    groups = {name.rpartition(".")[0] for name in known} - {""}
    for name in (*rules.varies, *rules.waive):
        if name not in known | groups:
            hint = ": write commas between names." if " " in name else did_you_mean(name, known) or "."
            raise UsageError(f"'{name}' is declared to differ, and there is no such field or quantity{hint}")
        require(name not in rules.match, f"'{name}' is declared both to match and to differ: choose one")


def check_fields(arms: Mapping[str, Mapping[str, Any]], rules: Rules) -> None:
    """UsageError with all config fields in which arms differ although nothing says that they may.

    arms: name of the arm -> {dotted field: value}.
    """
    undeclared = [name for name in differing(arms) if not rules.status(name) and not (name == "train.duration" and rules.sets_length)]
    _refuse(undeclared, {arm: {name: values.get(name) for name in undeclared} for arm, values in arms.items()})


def check_quantities(arms: Mapping[str, Mapping[str, float]], rules: Rules, slack: Mapping[str, Mapping[str, float]]) -> None:
    """UsageError with all quantities in which arms differ by more than the tolerance although they match, or nothing says that they may differ.

    Lengths are those of an arm that is given the reference's budget once.

    Args:
      arms: name of the arm -> {quantity: value}; the first is what the others are measured against.
      slack: arm -> {quantity: difference that its whole steps make unavoidable}.
    """

    def times(arm: str, name: str) -> float:
        return rules.budget.get(arm, 1.0) if name in LENGTHS else 1.0

    def equal(arm: str, name: str) -> bool:
        value, first = arms[arm][name], times(arm, name) * reference[name]
        return abs(value - first) <= max(rules.tolerance * abs(first), slack.get(arm, {}).get(name, 0.0))

    reference = next(iter(arms.values()))
    unequal = [name for name in reference if not all(equal(arm, name) for arm in arms)]
    missed = [name for name in unequal if name in rules.match]
    if missed:
        raise UsageError(
            f"the arms are to match in {', '.join(missed)} and do not, by more than {rules.tolerance:.0%}: {_listed(missed, arms)}. "
            "Change the arms, or say in `varies` or `waive` that they differ"
        )
    _refuse([name for name in unequal if not rules.status(name)], arms)


def differing(arms: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The names whose values are not the same in every arm."""
    names = dict.fromkeys(name for values in arms.values() for name in values)
    return [name for name in names if len({repr(values.get(name)) for values in arms.values()}) > 1]


def _refuse(names: Sequence[str], arms: Mapping[str, Mapping[str, Any]]) -> None:
    if names:
        raise UsageError(
            f"the arms differ in what the comparison does not declare: {_listed(names, arms)}. Make them equal, or name them in `varies` "
            "(meant to differ) or `waive` (with the reason)"
        )


def _listed(names: Sequence[str], arms: Mapping[str, Mapping[str, Any]]) -> str:
    def text(value: Any) -> str:
        return f"{value:.6g}" if isinstance(value, float) else str(value)

    return "; ".join(f"{name} ({', '.join(f'{arm} {text(values[name])}' for arm, values in arms.items())})" for name in names)


def _covered(name: str, declared: Iterable[str]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in declared)
