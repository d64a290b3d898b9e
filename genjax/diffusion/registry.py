"""One look-up for the tables name -> function of this package, so that every wrong name is refused with the same sentence."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TypeVar

from genjax.errors import UsageError

T = TypeVar("T")


def pick(table: Mapping[str, T], name: str, what: str) -> T:
    """The entry `name` of a table of `what`; raises UsageError that names the nearest entry and all of them."""
    if name in table:
        return table[name]
    nearest = difflib.get_close_matches(str(name), table, n=1)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    raise UsageError(f"There is no {what} {name!r}.{hint} Known: {', '.join(table)}.")
