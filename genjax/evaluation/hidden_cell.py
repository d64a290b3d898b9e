"""What a model draws in a hidden cell of a scene of `shapes`, beside the posterior that is known exactly.

The fill-in of a cell is one of 225 contents: whether an object is there, its shape, its colour, its offset. In the posterior these parts are
independent, and only the probability of the first depends on the other cells, by how many objects k they show. So with q(.) the shares of what
was drawn,

    occupied: sum_k q(k) KL(q(occupied | k) || p(occupied | k)),    a part: q(occupied) KL(q(part | occupied) || uniform)       (1)

add up to the divergence of the whole if q has the parts independent too; else that is larger. A share of N draws
of m values is off by itself by about (m - 1) / 2N nats: the same figure of as many exact draws stands beside. Fill-ins that show nothing that
there is are counted, and left out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from genjax.config import require
from genjax.data.shapes import posterior, scenes
from genjax.data.shapes.prompts import SceneData
from genjax.data.shapes.scenes import Scenes, Tier
from genjax.evaluation.evaluator import Evaluator
from genjax.evaluation.statistics import Share, share
from genjax.training.setup import Run
from genjax.types import Params

PARTS = {"shape": scenes.SHAPES, "colour": scenes.OBJECT_COLOURS, "offset": scenes.OFFSETS}


class Found(NamedTuple):
    """Of the fill-ins of a cell.

    Attributes:
      kept: how often all that was known is as it was, to the level.
      valid: how often the cell shows something that there is on the scene's background.
      bits: equation (1) in bits, by part.
      exact: the same of as many draws of the posterior.
    """

    kept: Share
    valid: Share
    bits: dict[str, float]
    exact: dict[str, float]

    @property
    def divergence(self) -> float:
        """All parts together, less what as many exact draws have: about 0 for the posterior itself."""
        return sum(self.bits.values()) - sum(self.exact.values())


def check(run: Run, cell: int) -> SceneData:
    """The scenes of a run; UsageError where the posterior of this cell is not known of them."""
    source, prompts = run.source, run.source.prompts
    require(isinstance(prompts, SceneData), f"--hidden_cell: the posterior is known of scenes of shapes, not of {source.spec.name}")
    assert isinstance(prompts, SceneData)
    require(not run.captioned, "--hidden_cell: the posterior is known of scenes of which nothing is told: train with conditioning.text=none")
    tier = prompts.tier
    require(0 <= cell < tier.cells, f"--hidden_cell={cell}, but the cells of {tier.name} are 0 to {tier.cells - 1}")
    return prompts


def measure(evaluator: Evaluator, params: Params, count: int, cell: int) -> Found:
    """Of the first `count` held-out scenes, one fill-in each."""
    source, prompts = evaluator.run.source, check(evaluator.run, cell)
    tier, key = prompts.tier, source.spec.key
    held_out = source.splits["eval"]
    known = held_out.rows(np.arange(min(count, len(held_out))))[key]
    hidden = prompts.cell(cell)
    drawn = evaluator.draw(params, len(known), given={key: known, "mask": np.broadcast_to(~hidden, known.shape)}).data
    kept = np.all((drawn == known) | hidden, axis=tuple(range(1, known.ndim)))
    before, after = prompts.scenes(known), prompts.scenes(drawn)
    valid = (after.contents[:, cell] >= 0) & (after.background == before.background)
    rows = Scenes(before.background[valid], before.contents[valid])
    chance = posterior.hidden_cell(tier, rows, cell)
    ideal = (np.random.default_rng(0).random(len(chance))[:, None] > np.cumsum(chance, axis=1)).sum(axis=1)
    contents = after.contents[valid, cell]
    return Found(share(kept), share(valid), divergences(tier, rows, cell, contents), divergences(tier, rows, cell, ideal))


def divergences(tier: Tier, rows: Scenes, cell: int, contents: np.ndarray) -> dict[str, float]:
    """Equation (1) in bits, of the contents [n] that were drawn for a cell of scenes."""
    if not len(contents):
        return dict.fromkeys(("occupied", *PARTS), 0.0)
    others = (np.delete(rows.contents, cell, axis=1) > 0).sum(axis=1)
    occupied, chance = contents > 0, 1 - posterior.hidden_cell(tier, rows, cell)[:, 0]
    bits = {"occupied": 0.0}
    for k in set(others.tolist()):
        here = others == k
        p = chance[here][0]
        bits["occupied"] += float(np.mean(here)) * divergence(np.array([(~occupied[here]).sum(), occupied[here].sum()]), np.array([1 - p, p]))
    numbers = np.unravel_index(contents[occupied] - 1, tuple(PARTS.values()))
    for (name, size), values in zip(PARTS.items(), numbers, strict=True):
        bits[name] = float(np.mean(occupied)) * divergence(np.bincount(values, minlength=size), np.full(size, 1 / size))
    return bits


def divergence(counts: np.ndarray, p: np.ndarray) -> float:
    """KL(shares of counts || p) in bits; infinite where something was drawn that cannot be."""
    q = counts / max(counts.sum(), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.sum(np.where(q > 0, q * np.log2(q / p), 0.0)))


def lines(found: Found) -> list[str]:
    """The measurement as a table for people."""
    percent = lambda part: f"{100 * part.value:.1f} % [{100 * part.low:.1f}, {100 * part.high:.1f}]"
    table = [f"  hidden cell: all around it is kept in {percent(found.kept)}, what it shows is an object or nothing in {percent(found.valid)}"]
    table += [f"    bits from the exact posterior   {name:<10} {found.bits[name]:.4f}   exact draws {found.exact[name]:.4f}" for name in found.bits]
    return table


def record(found: Found) -> dict:
    """The measurement as JSON."""
    return found._asdict() | {"kept": found.kept._asdict(), "valid": found.valid._asdict()}
