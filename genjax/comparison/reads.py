"""Which fields of a config an objective reads.

Where only some of the arms read a field, one value for all of them is no equal treatment: a temperature that is "the same everywhere" is that of the
next-token model alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ml_collections

from genjax import objectives
from genjax.config import require
from genjax.types import DataSpec

# How precisely a bound is measured. It shows in the standard error and favours nobody.
EFFORT = ("noise_prediction.eval_times", "masked_diffusion.eval_times")


class _Noted:
    """A config that notes which of its fields are read."""

    def __init__(self, config: Any, read: set[str], group: str = "") -> None:
        self._config, self._read, self._group = config, read, group

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._config, name)
        if isinstance(value, ml_collections.ConfigDict):
            return _Noted(value, self._read, f"{self._group}{name}.")
        self._read.add(f"{self._group}{name}")
        return value

    def keys(self) -> list[str]:
        """So that a group can be handed on whole: `**config.unet`."""
        return list(self._config.keys())

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


def read_by_objective(config: Any, spec: DataSpec) -> set[str]:
    """The dotted fields that the objective of a config reads when it is built for data like `spec`."""
    read: set[str] = set()
    objectives.build(_Noted(config, read), spec)
    return read


def refuse_one_sided(overrides: Mapping[str, str], reads: Mapping[str, set[str]], recipe: str) -> None:
    """UsageError for an override of a field that some arms' objectives read and others do not, or of an objective that is none of the arms';
    `reads` is by the name of the arm.
    """
    for field in overrides:
        readers = [arm for arm, read in reads.items() if field in read]
        of_objective = field.partition(".")[0] in objectives.OBJECTIVES
        require(bool(readers) or field in EFFORT or not of_objective, f"--config.{field}: none of the arms of {recipe} reads it; leave it out")
        require(
            field in EFFORT or len(readers) in (0, len(reads)),
            f"--config.{field}: of the arms only {', '.join(readers)} read it, so one value for all is no equal treatment; "
            f"write it into the line of the arm in {recipe}, where what differs is declared",
        )
