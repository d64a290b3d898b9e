"""The pictures of docs/shapes.md."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from genjax.config import require
from genjax.data.base import Verdicts
from genjax.data.shapes import bayes, counter, language, scenes
from genjax.data.shapes.captions import Speaker
from genjax.data.shapes.prompts import EMPTY, ScenePrompts, category
from genjax.data.shapes.scenes import CODE_BOOK, COLOUR_NAMES, PALETTE, SHAPE_NAMES, TIERS, Scenes
from genjax.evaluation.evaluator import Evaluator
from genjax.evaluation.trained import load


def write(folder: Path) -> list[Path]:
    """Writes every picture and returns their paths."""
    import matplotlib

    matplotlib.use("Agg")
    drawings = {"captions": _captions, "tiers": _tiers, "objects": _objects, "codes": _codes, "noise": _noise, "masked": _masked}
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in drawings.items():
        path = folder / f"{name}.png"
        figure = draw()
        figure.savefig(path, dpi=100)
        written.append(path)
    return written


def drawn(runs: Sequence[str], path: Path, prompts: int = 9) -> Path:
    """What trained models draw for the same prompts, a row a run, with the oracle's verdict; the first row is the scene that the caption is of.

    The prompts are the first held-out captions of scenes with an object, none twice; for each the first picture is shown, none is chosen.
    """
    import matplotlib

    matplotlib.use("Agg")
    trained = [load(run, {}) for run in runs]
    asks = [opened.source.prompts for opened, _, _ in trained]
    for run, ask, (opened, _, _) in zip(runs, asks, trained, strict=True):
        require(isinstance(ask, ScenePrompts) and opened.captioned, f"--drawn: the model of {run} is told of no captions of scenes")
    ways = [ask for ask in asks if isinstance(ask, ScenePrompts)]
    require(len({ask.tier for ask in ways}) == 1, "--drawn compares models of scenes of one size: give runs of one tier")
    source, first = trained[0].run.source, ways[0]
    rows = source.splits["eval"].rows(np.arange(200))
    said = [first.decode(caption) for caption in rows["caption"]]
    shown = [row for row, text in enumerate(said) if text not in said[:row] and category(text) != EMPTY][:prompts]
    captions = rows["caption"][shown]
    figure, axes = _axes(1 + len(runs), prompts, (1.2 * prompts, 1.45 + 1.3 * len(runs)))
    table: list[tuple[str, np.ndarray, Verdicts | None]] = [("true scene", first.pictures(rows[source.spec.key][shown]), None)]
    for ask, (opened, params, _) in zip(ways, trained, strict=True):
        data = Evaluator(opened).draw(params, len(shown), given={"caption": captions}).data
        table.append((opened.config.objective.replace("_", " "), ask.pictures(data), ask.judge(captions, data)))
    for line, (name, images, verdicts) in zip(axes, table, strict=True):
        line[0].text(-0.12, 0.5, name, rotation=90, va="center", ha="right", fontsize=8, transform=line[0].transAxes)
        for column, (ax, picture) in enumerate(zip(line, images, strict=True)):
            ax.imshow(picture)
            if verdicts is None:
                ax.set_title(textwrap.fill(said[shown[column]], 19), fontsize=7)
            else:
                error = "" if verdicts.error[column] == "none" else verdicts.error[column]
                ax.set_title(error, fontsize=7, color="#b00020", y=-0.06, va="top")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    return path


def _axes(rows: int, columns: int, size: tuple[float, float]):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    return figure, axes


def _captions():
    tier = TIERS["s16"]
    drawn = scenes.sample(tier, 60, seed=21)
    drawn = Scenes(*(part[drawn.k > 0][:12] for part in drawn))
    said = Speaker(tier, p_neg=0.3).draw(drawn, counter.fold(counter.start(5), np.arange(12)))
    figure, axes = _axes(2, 6, (10.5, 4.9))
    for ax, picture, caption in zip(axes.flat, scenes.image(tier, drawn), said, strict=True):
        ax.imshow(picture)
        ax.set_title(textwrap.fill(language.to_text(caption), 24), fontsize=7.5, y=-0.06, va="top")
    return figure


def _tiers():
    figure, axes = _axes(1, 4, (9.5, 2.9))
    for ax, tier in zip(axes.flat, TIERS.values(), strict=True):
        drawn = scenes.sample(tier, 200, seed=4)
        row = np.flatnonzero(drawn.k == max(1, tier.max_count - 1))[0]
        ax.imshow(scenes.image(tier, Scenes(drawn.background[[row]], drawn.contents[[row]]))[0])
        ax.set_title(f"{tier.name.upper()}: {tier.pixels}x{tier.pixels}, 0 to {tier.max_count} objects\n{scenes.entropy(tier):.3f} bits", fontsize=9)
    return figure


def _objects():
    figure, axes = _axes(2, 8, (9.5, 2.9))
    for column, name in enumerate(SHAPE_NAMES):
        axes[0, column].imshow(PALETTE[scenes.cell(0, column, 6, 1, 1)])
        axes[0, column].set_title(name, fontsize=9)
    for column, name in enumerate(COLOUR_NAMES):
        axes[1, column].imshow(PALETTE[scenes.cell(1, 0, column, 1, 1)])
        axes[1, column].set_title(name, fontsize=9)
    return figure


def _codes():
    patches = np.pad(PALETTE[CODE_BOOK], ((0, 3), (0, 1), (0, 1), (0, 0)), constant_values=255).reshape(8, 26, 3, 3, 3)
    figure, axes = _axes(1, 1, (9.5, 3.0))
    axes[0, 0].imshow(patches.swapaxes(1, 2).reshape(24, 78, 3))
    return figure


def _pick():
    """One scene of four different objects."""
    contents = [[scenes.content(5, 0, 1), scenes.content(2, 3, 2), scenes.content(1, 5, 0), scenes.content(7, 1, 3)]]
    return Scenes(np.zeros(1, int), np.array(contents))


def _noise():
    tier, levels = TIERS["s16"], (6.0, 3.0, 1.0, 0.0, -1.0, -2.0, -3.0, -5.0)
    clean = bayes.to_unit(scenes.image(tier, _pick()).astype(np.float32))
    noise = np.random.default_rng(0).standard_normal(clean.shape).astype(np.float32)
    figure, axes = _axes(2, len(levels), (10.5, 3.0))
    denoise = jax.jit(lambda y, logsnr: bayes.denoise(tier, y, logsnr))
    for column, level in enumerate(levels):
        y = clean + np.exp(-level / 2) * noise
        ideal = np.asarray(denoise(jnp.asarray(y, jnp.float32), jnp.full(1, level)))
        for row, picture in enumerate((y / np.sqrt(1 + np.exp(-level)), ideal)):
            axes[row, column].imshow(np.clip((picture[0] + 1) / 2, 0, 1))
        axes[0, column].set_title(f"log-SNR {level:g}", fontsize=9)
    return figure


def _masked():
    """Codes revealed in raster order, and where the ideal model expects what: the mean picture under its marginals."""
    tier, shown = TIERS["s16"], (0, 4, 9, 12, 20, 28, 40, 64)
    codes = scenes.codes(tier, _pick()).astype(np.int32)
    figure, axes = _axes(2, len(shown), (10.5, 3.0))
    marginals = jax.jit(lambda known: bayes.marginals(tier, jnp.asarray(codes), known))
    book = PALETTE[CODE_BOOK].astype(float)
    for column, number in enumerate(shown):
        known = (np.arange(64) < number).reshape(1, 8, 8)
        mean = np.einsum("hwv,vabc->hawbc", np.asarray(marginals(known))[0], book).reshape(16, 16, 3)
        seen = np.where(np.kron(known[0], np.ones((2, 2), bool))[..., None], scenes.image(tier, _pick())[0], 255)
        axes[0, column].imshow(seen.astype(np.uint8))
        axes[1, column].imshow(np.round(mean).astype(np.uint8))
        axes[0, column].set_title(f"{number} of 64 codes", fontsize=9)
    return figure
