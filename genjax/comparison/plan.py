"""What is compared: arms, each the command line of one training, and the budget that is made equal. Read and checked before jax."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from typing import Any

import ml_collections

from genjax import config as configs
from genjax.config import require

# Arms may differ in anything but these: then they see the same examples in the same order.
SHARED = ("seed", "data.source", "data.batch_size", "conditioning.label")


@dataclasses.dataclass(frozen=True)
class Plan:
    """A comparison: its own fields (`COMPARISON` in configs/base.py), and the checked config of every arm by name."""

    recipe: str
    config: Any
    arms: dict[str, ml_collections.FrozenConfigDict]


def load(recipe: str, overrides: Mapping[str, str]) -> Plan:
    """The comparison `file.py[:variant]`, with overrides {training field: text} that hold for every arm."""
    fields = configs.base_fields("COMPARISON")
    tree = configs.recipe(recipe, "COMPARISON")
    arms = {name: str(line) for name, line in (tree.get("arms") or {}).items()}
    config = configs.check({name: value for name, value in tree.items() if name != "arms"}, fields)
    require(len(arms) >= 1, f"the comparison '{recipe}' has no arms: set config.arms = {{name: 'configs/digits.py:next_token'}}")
    require(config.reference in arms, f"the comparison '{recipe}' has no arm '{config.reference}' to be its reference: it has {', '.join(arms)}")
    checked = {name: _arm(name, line, overrides) for name, line in arms.items()}
    reference = dict(configs.leaves(checked[config.reference]))
    for name, arm in checked.items():
        for path, value in configs.leaves(arm):
            require(
                path not in SHARED or value == reference[path],
                f"arm '{name}' has {path}={value!r} and arm '{config.reference}' {reference.get(path)!r}: "
                "arms must see the same data in the same order",
            )
    return Plan(recipe, config, checked)


def _arm(name: str, line: str, overrides: Mapping[str, str]) -> ml_collections.FrozenConfigDict:
    recipe, *flags = shlex.split(line)
    require(
        all(flag.startswith("--config.") and "=" in flag for flag in flags), f"arm '{name}': after the recipe come --config.field=value, not '{line}'"
    )
    own = dict(flag.removeprefix("--config.").split("=", 1) for flag in flags)
    config = configs.load(recipe, configs.base_fields(), own | dict(overrides))
    configs.validate(config)
    return config
