"""What a sweep found: one row a setting, one column a metric, with an interval over the seeds.

For n values with mean m and sample standard deviation s, and q the 97.5 % point of Student's t with n - 1 degrees of freedom:

    m ± q s / sqrt(n)      (1)

is the 95 % interval for what another seed would give on average. It says nothing about other data. With one seed there is none.
"""

from __future__ import annotations

import csv
import io
import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from genjax.config import leaves
from genjax.sweeps.cells import REPETITION, Cell, Sweep
from genjax.training.workdir import Workdir, loads, read_rows, replace, writing

RUNNING, COMPLETE = "not complete", "complete"
_BITS = ("held_out/bits_per_", "held_out/excess_bits")


class Value(NamedTuple):
    """Mean over the seeds, half the width of its interval (None for one seed), and how many there are."""

    mean: float
    half: float | None
    count: int

    def __str__(self) -> str:
        if self.half is None:
            return f"{self.mean:.5g}"
        digits = max(0, 1 - math.floor(math.log10(self.half))) if self.half > 0 else 6
        return f"{self.mean:.{digits}f} ± {self.half:.{digits}f}"


class Row(NamedTuple):
    """A setting: its changes without the seed, how many of its cells are complete, its metrics, and the kinds of its bits."""

    changes: dict[str, str]
    done: int
    cells: int
    values: dict[str, Value]
    kinds: set[str]

    @property
    def label(self) -> str:
        return ", ".join(f"{field}={text}" for field, text in self.changes.items()) or "the recipe as it is"


def interval(values: Sequence[float]) -> Value:
    """Equation (1)."""
    from scipy.special import stdtrit  # half a second that the start of a sweep need not wait for

    n, mean = len(values), math.fsum(values) / len(values)
    if n < 2:
        return Value(mean, None, n)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    return Value(mean, float(stdtrit(n - 1, 0.975)) * spread / math.sqrt(n), n)


def state(folder: Path) -> dict[str, Any]:
    """status.json of a cell, or a record that says that it has none."""
    try:
        return loads((folder / "status.json").read_bytes())
    except (OSError, ValueError):
        return {"state": "not started", "step": 0, "exit_code": None, "reason": None}


def measured(folder: Path) -> tuple[dict[str, float], set[str]]:
    """The last numbers of a cell by name, <split>/<metric>, and the kinds of its likelihoods."""
    numbers: dict[str, float] = {}
    kinds = set()
    told = folder / "metrics.jsonl"
    for row in read_rows(told) if told.exists() else []:
        for name, value in row.items():
            if isinstance(value, float | int) and name not in ("step", "stderr", "excess_stderr"):
                numbers[f"{row['split']}/{name}"] = value
        kinds |= {row["kind"]} if "kind" in row else set()
        if row["split"] == "train":
            numbers["seconds"] = row["seconds"]["since_start"]
    for path in sorted(folder.glob("evaluation_*.json"), key=lambda path: path.stat().st_mtime):
        record = Workdir(folder).read_json(path.name)
        parts = {name: part for name, part in record.items() if isinstance(part, Mapping) and name != "config"}
        numbers |= {f"evaluation/{name}": value for name, value in leaves(parts) if isinstance(value, float | int)}
    return numbers, kinds


def rows(sweep: Sweep, root: Path) -> list[Row]:
    """A row for every setting, in the order of the cells; only complete cells are counted in it."""
    groups: dict[tuple[tuple[str, str], ...], list[Cell]] = {}
    for cell in sweep.cells:
        groups.setdefault(tuple((field, text) for field, text in cell.changes.items() if field != REPETITION), []).append(cell)
    made = []
    for changes, cells in groups.items():
        complete = [root / "cells" / cell.name for cell in cells if state(root / "cells" / cell.name)["state"] == COMPLETE]
        found = [measured(folder) for folder in complete]
        names = dict.fromkeys(name for numbers, _ in found for name in numbers)
        values = {name: interval([numbers[name] for numbers, _ in found if name in numbers]) for name in names}
        made.append(Row(dict(changes), len(complete), len(cells), values, set().union(*(kinds for _, kinds in found))))
    return made


def columns(table: Sequence[Row], *, all_of_them: bool) -> list[str]:
    """The metrics of a table; the few that are shown first are those that compare settings."""
    names = list(dict.fromkeys(name for row in table for name in row.values))
    first = [name for name in names if name.startswith((*_BITS, "evaluation/judged.samples.", "train/loss")) or name == "seconds"]
    first.sort(key=lambda name: (name == "seconds", name.startswith("train/")))
    return [*first, *(name for name in names if name not in first)] if all_of_them else first


def cell_text(row: Row, name: str) -> str:
    if name not in row.values:
        return ""
    bound = name.startswith(_BITS) and row.kinds == {"upper_bound"}
    return ("≤ " if bound else "") + str(row.values[name])


def text(table: Sequence[Row]) -> str:
    """The table for a terminal."""
    names = columns(table, all_of_them=False)
    lines = [["", "seeds", *names]] + [[row.label, f"{row.done}/{row.cells}", *(cell_text(row, name) for name in names)] for row in table]
    wide = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    aligned = [[line[0].ljust(wide[0]), *(part.rjust(size) for part, size in zip(line[1:], wide[1:], strict=True))] for line in lines]
    return "\n".join("  ".join(line) for line in aligned)


def as_csv(table: Sequence[Row]) -> str:
    """The whole table: for each metric its mean, half-width and count, as full numbers."""
    fields = list(dict.fromkeys(field for row in table for field in row.changes))
    names = columns(table, all_of_them=True)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*fields, "complete", "cells", *(f"{name}{end}" for name in names for end in ("", " ±95%", " n"))])
    for row in table:
        found = [row.values.get(name) for name in names]
        numbers = [number for value in found for number in (("", "", 0) if value is None else (value.mean, value.half, value.count))]
        writer.writerow([*(row.changes.get(field, "") for field in fields), row.done, row.cells, *("" if n is None else n for n in numbers)])
    return buffer.getvalue()


def write(sweep: Sweep, root: Path, table: Sequence[Row], command: Sequence[str]) -> Path:
    """Writes table.csv and table.html, which is self-contained and escaped, and returns the page's path."""
    names = columns(table, all_of_them=False)
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined)
    page = environment.get_template("table.html.j2").render(
        recipe=sweep.recipe,
        command=shlex.join(command),
        names=names,
        rows=[{"label": row.label, "done": f"{row.done}/{row.cells}", "cells": [cell_text(row, name) for name in names]} for row in table],
        plots=[plot for name in names if (plot := _plot(table, name))],
    )
    with writing(root):
        replace(root / "table.csv", as_csv(table).encode())
        replace(root / "table.html", page.encode())
    return root / "table.html"


def _plot(table: Sequence[Row], name: str) -> dict[str, Any] | None:
    """A metric on one axis: where each setting's dot and interval lie, in parts of the width; None where nothing is measured."""
    found = [(row, row.values[name]) for row in table if name in row.values and math.isfinite(row.values[name].mean)]
    if not found:
        return None
    low = min(value.mean - (value.half or 0.0) for _, value in found)
    high = max(value.mean + (value.half or 0.0) for _, value in found)
    margin = 0.05 * (high - low) or max(abs(high), 1.0) * 0.05
    low, high = low - margin, high + margin

    def at(x: float) -> float:
        return round((x - low) / (high - low), 4)

    dots = [
        {"label": row.label, "at": at(v.mean), "from": at(v.mean - (v.half or 0)), "to": at(v.mean + (v.half or 0)), "text": cell_text(row, name)}
        for row, v in found
    ]
    return {"name": name, "dots": dots, "low": f"{low:.4g}", "high": f"{high:.4g}"}
