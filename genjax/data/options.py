"""Options in the name of a data source, "kind:argument/option=number/...", which the kinds that have them read by this one rule."""

from __future__ import annotations

import re
from collections.abc import Mapping

from genjax.errors import UsageError, did_you_mean


def read_options(source: str, text: str, defaults: Mapping[str, int]) -> dict[str, int]:
    """The whole numbers of "option=number/option=number", each at least 1, where the others have their defaults; UsageError otherwise."""
    found = dict(defaults)
    for part in filter(None, text.split("/")):
        name, _, number = part.partition("=")
        if name not in defaults:
            raise UsageError(f"data source '{source}': '{name}' is no option of it, only {', '.join(defaults)}{did_you_mean(name, defaults)}")
        if not number.isdecimal() or int(number) < 1:
            raise UsageError(f"data source '{source}': {name} is a whole number of at least 1, as in {name}={defaults[name]}")
        found[name] = int(number)
    return found


def options_before(argument: str) -> tuple[str, str]:
    """The options and the source of "option=number/...+source", or of "source" alone."""
    of = re.sub(r"^[\w=/]+\+", "", argument)  # what stands before a plus is of options alone
    return argument.removesuffix(of).rstrip("+"), of
