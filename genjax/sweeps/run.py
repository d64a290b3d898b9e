"""A sweep from its cells to its table. Its directory holds cells/<name> (each a run of its own), logs/, sweep.json, table.csv and table.html."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from genjax import config as configs
from genjax.config import require
from genjax.errors import GenjaxError, did_you_mean
from genjax.sweeps import launch, table
from genjax.sweeps.cells import Sweep
from genjax.training.workdir import dumps, loads, replace, writing


def run(sweep: Sweep, path: str, *, launcher: str, options: launch.Options, only: str | None, evaluate: Sequence[str] | None, dry_run: bool) -> None:
    """Runs the cells that are not complete, prints the table and writes it.

    Args:
      sweep: from `cells.load`.
      path: the sweep's directory.
      launcher: a name of `launch.LAUNCHERS`.
      options: what launchers are told.
      only: the name of the one cell to run; None runs all.
      evaluate: arguments of scripts/evaluate.py, which then follows every training; None measures nothing more.
      dry_run: print the commands, and write nothing.

    Raises:
      UsageError: the directory holds a cell of the same name and another config.
      GenjaxError: cells failed; the others are done, and the table is written.
      Preempted: asked to stop; what ran is saved.
    """
    root = Path(path).expanduser().resolve()
    names = [cell.name for cell in sweep.cells]
    require(only is None or only in names, f"there is no cell '{only}'{did_you_mean(only or '', names) or '.'} There are {', '.join(names)}.")
    _refuse_other_cells(sweep, root)

    def job(name: str, shown: bool) -> launch.Job:
        cell = next(cell for cell in sweep.cells if cell.name == name)
        python, folder = ("python", Path(path)) if shown else (sys.executable, root)
        commands = [launch.script("train", sweep.command(cell, folder), python)]
        if evaluate is not None:
            commands.append(launch.script("evaluate", [f"--workdir={folder / 'cells' / name}", *evaluate], python))
        return commands

    chosen = [only] if only else names
    waiting = [name for name in chosen if not _complete(root / "cells" / name, evaluate is not None)]
    if dry_run:
        for name in waiting:
            print(" && ".join(shlex.join(command) for command in job(name, shown=True)))
        return
    with writing(root):
        root.mkdir(parents=True, exist_ok=True)
        replace(root / "sweep.json", dumps(_record(sweep) | _known_cells(root, sweep), indent=2).encode())
    print(f"{len(names)} cells of {sweep.recipe}: {len(chosen) - len(waiting)} complete, {len(waiting)} to run", flush=True)
    codes: dict[str, int] = {}
    try:
        if waiting:
            codes = launch.LAUNCHERS[launcher]({name: job(name, shown=False) for name in waiting}, root, options)
    finally:
        rows = table.rows(sweep, root)
        page = table.write(sweep, root, rows, ["python", *sys.argv])
        print(f"\n{table.text(rows)}\n\ntable  {page}\n       {page.with_suffix('.csv')}")
    failed = {name: code for name, code in codes.items() if code}
    for name, code in failed.items():
        reason = table.state(root / "cells" / name)["reason"] or f"see {root / 'logs' / name}.txt"
        print(f"{name}: {launch.describe(code)}: {reason}\n  again  {' && '.join(shlex.join(command) for command in job(name, shown=True))}")
    if failed:
        raise GenjaxError(f"{len(failed)} of {len(names)} cells are not complete; this command runs them again, or --only=NAME one of them")


def _complete(folder: Path, evaluated: bool) -> bool:
    return table.state(folder)["state"] == table.COMPLETE and (not evaluated or any(folder.glob("evaluation_*.json")))


def _record(sweep: Sweep) -> dict:
    return {"recipe": sweep.recipe, "overrides": sweep.overrides}


def _known_cells(root: Path, sweep: Sweep) -> dict:
    """Every cell that the directory has ever been told of, with its config: a sweep may grow."""
    return {"cells": dict(_old_cells(root)) | {cell.name: configs.to_json(cell.config) for cell in sweep.cells}}


def _old_cells(root: Path) -> Mapping:
    try:
        return loads((root / "sweep.json").read_bytes())["cells"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _refuse_other_cells(sweep: Sweep, root: Path) -> None:
    fields = configs.base_fields()
    old = _old_cells(root)
    for cell in sweep.cells:
        changed = configs.difference(cell.config, configs.from_json(old[cell.name], fields)) if cell.name in old else {}
        started = (root / "cells" / cell.name / "config.json").exists()
        listed: Sequence[str] = [f"{name} was {before!r} and is {now!r}" for name, (now, before) in changed.items()]
        require(
            not changed or not started,
            f"{root} has a cell '{cell.name}' of another config ({', '.join(listed[:3])}): a sweep keeps its settings; choose another --workdir",
        )
