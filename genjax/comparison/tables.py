"""The tables of README.md and docs/, written from results/*.json: no number there is typed by hand.

A table stands between two comments, `<!-- results/NAME.json -->` and `<!-- end -->`; `rewrite` replaces what is between them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

_PLACE = re.compile(r"(<!-- (results/[\w.-]+\.json) -->\n).*?(<!-- end -->)", re.DOTALL)


def rewrite(text: str, root: Path) -> str:
    """The text with every table made anew from its file under `root`."""
    return _PLACE.sub(lambda match: match[1] + markdown(json.loads((root / match[2]).read_text()), match[2]) + match[3], text)


def markdown(record: dict[str, Any], name: str) -> str:
    """A comparison's record as a table with its protocol beneath it."""
    rows = [row for row in record["metrics"] if row["metric"] == "bits_per_dim"]
    value = {(row["arm"], row["metric"]): row["value"] for row in record["metrics"]}
    lines = ["| | bits/dim | kind | training FLOPs | network evaluations a sample | samples a second |", "|---|---|---|---|---|---|"]
    for row in rows:
        bits = f"{'≤ ' if row['kind'] == 'upper_bound' else ''}{row['value']:.3f}" + (f" ± {row['stderr']:.3f}" if row["stderr"] else "")
        flops, nfe, speed = (value.get((row["arm"], key)) for key in ("train_flops", "network_evaluations_per_sample", "samples_per_second"))
        cells = [
            row["arm"],
            bits,
            row["kind"].replace("_", " "),
            *(f"{v:{form}}" if v else "" for v, form in ((flops, ".3g"), (nfe, "g"), (speed, ".0f"))),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    seeds = ", ".join(map(str, record["seeds"]))
    lines += [
        "",
        f"`{record['command']}`, {record['date'][:10]}, {record['hardware']}, jax {record['versions']['jax']}, seed {seeds}; all of it in `{name}`.",
        "",
    ]
    return "\n".join(lines)
