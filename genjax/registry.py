"""One look-up for every table name -> function, so that every wrong name or option is refused with the same sentence."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from genjax.errors import UsageError, did_you_mean

T = TypeVar("T")


def pick(table: Mapping[str, T], name: str, what: str) -> T:
    """The entry `name` of a table of `what`; raises UsageError that names the nearest entry and all of them."""
    if name in table:
        return table[name]
    raise UsageError(f"there is no {what} '{name}'{did_you_mean(name, table) or '.'} Known: {', '.join(table)}.")


def bind(table: Mapping[str, Callable], choice: tuple[str, Mapping[str, Any]], what: str) -> Callable:
    """The entry of (name, options) with its options bound; raises UsageError for a name or an option that does not exist."""
    name, options = choice
    function = pick(table, name, what)
    known = [p.name for p in inspect.signature(function).parameters.values() if p.default is not p.empty]
    for option in options:
        if option not in known:
            raise UsageError(f"the {what} '{name}' has no option '{option}'{did_you_mean(option, known) or '.'} It has {', '.join(known) or 'none'}.")
    return functools.partial(function, **options)
