"""The tables of README.md and docs/, written from results/*.json: no number there is typed by hand.

A table stands between two comments, `<!-- results/NAME.json -->` and `<!-- end -->`; `rewrite` replaces what is between them. `<!-- claims -->`
stands for all records of claims.
"""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

from genjax.comparison import claims

COSTS = {"train_flops": ".3g", "network_evaluations_per_sample": "g", "samples_per_second": ".0f"}
_CLAIMS = re.compile(r"(<!-- claims -->\n).*?(<!-- end -->)", re.DOTALL)
_PLACE = re.compile(r"(<!-- (results/[\w.-]+\.json) -->\n).*?(<!-- end -->)", re.DOTALL)


def rewrite(text: str, root: Path) -> str:
    """The text with every table made anew from its file under `root`."""
    text = _CLAIMS.sub(lambda match: match[1] + claims.markdown(root) + match[2], text)
    return _PLACE.sub(lambda match: match[1] + markdown(json.loads((root / match[2]).read_text()), match[2]) + match[3], text)


def markdown(record: dict[str, Any], name: str) -> str:
    """A comparison's record as a table with its protocol beneath it."""
    rows = [row for row in record["metrics"] if row["metric"] == "bits_per_dim"]
    lines = ["| | bits/dim | kind | training FLOPs | network evaluations a sample | samples a second |", "|---|---|---|---|---|---|"]
    for _, mine in itertools.groupby(rows, key=lambda row: row["arm"]):
        row, *others = mine
        value = {m["metric"]: m["value"] for m in record["metrics"] if m["arm"] == row["arm"]}
        figure = f"{row['value']:.3f}" + (f" ± {row['stderr']:.3f}" if row["stderr"] else "")
        if others:  # seeds: the mean with its interval over seeds and examples
            figure = "{value:.3f} [{low:.3f}, {high:.3f}]".format(**record["intervals"][row["arm"]])
        bits = "≤ " * (row["kind"] == "upper_bound") + figure
        costs = [f"{value[name]:{form}}" if name in value else "" for name, form in COSTS.items()]
        lines.append("| " + " | ".join([row["arm"], bits, row["kind"].replace("_", " "), *costs]) + " |")
    protocol = [
        f"`{record['command']}`",
        record["date"][:10],
        record["hardware"],
        f"jax {record['versions']['jax']}",
        f"seed {', '.join(map(str, record['seeds']))}",
    ]
    return "\n".join([*lines, "", f"{', '.join(protocol)}; all of it in `{name}`.", ""])
