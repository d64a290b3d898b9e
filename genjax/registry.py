"""One look-up for the tables name -> function, so that every wrong name, option or value is refused with the same sentence.

An option is a keyword with a default; its annotation says what it may be: `def ddim(eta: Fraction = 0.0)`.
"""

from __future__ import annotations

import functools
import inspect
import math
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple, TypeVar

from genjax.errors import UsageError, did_you_mean

T = TypeVar("T")


class Range(NamedTuple):
    """The values of an option: at_least <= value <= at_most and value > above, whole where `whole`."""

    at_least: float = -math.inf
    at_most: float = math.inf
    above: float = -math.inf
    whole: bool = False

    def __contains__(self, value: object) -> bool:
        number = isinstance(value, int | float) and not math.isnan(value) and (not self.whole or value == int(value))
        return number and self.at_least <= value <= self.at_most and value > self.above

    def __str__(self) -> str:
        bounds = [f"at least {self.at_least:g}"] * (self.at_least > -math.inf) + [f"above {self.above:g}"] * (self.above > -math.inf)
        bounds += [f"at most {self.at_most:g}"] * (self.at_most < math.inf)
        return " ".join(["a whole number" if self.whole else "a number", " and ".join(bounds)]).strip()


Number = Annotated[float, Range()]
NonNegative = Annotated[float, Range(at_least=0)]
Positive = Annotated[float, Range(above=0)]
Fraction = Annotated[float, Range(at_least=0, at_most=1)]
Count = Annotated[int, Range(at_least=1, whole=True)]
Natural = Annotated[int, Range(at_least=0, whole=True)]


def pick(table: Mapping[str, T], name: str, what: str) -> T:
    """The entry `name` of a table of `what`; raises UsageError that names the nearest entry and all of them."""
    if name in table:
        return table[name]
    raise UsageError(f"there is no {what} '{name}'{did_you_mean(name, table) or '.'} Known: {', '.join(table)}.")


def options(function: Callable) -> dict[str, Range]:
    """The options of a table's entry: the keywords with a default whose annotation holds a Range."""
    annotations = typing.get_type_hints(getattr(function, "func", function), include_extras=True)  # of a partial: what it is of
    ranges = {name: [part for part in getattr(hint, "__metadata__", ()) if isinstance(part, Range)] for name, hint in annotations.items()}
    defaults = [p.name for p in inspect.signature(function).parameters.values() if p.default is not p.empty]
    return {name: ranges[name][0] for name in defaults if ranges.get(name)}


def bind(table: Mapping[str, Callable], choice: tuple[str, Mapping[str, Any]], what: str) -> Callable:
    """The entry of (name, options) with its options bound; UsageError for a name, an option or a value that cannot be."""
    name, given = choice
    function = pick(table, name, what)
    known = options(function)
    for option, value in given.items():
        if option not in known:
            raise UsageError(f"the {what} '{name}' has no option '{option}'{did_you_mean(option, known) or '.'} It has {', '.join(known) or 'none'}.")
        if value not in known[option]:
            raise UsageError(f"the option '{option}' of the {what} '{name}' must be {known[option]}, not {value:g}.")
    return functools.partial(function, **given)
