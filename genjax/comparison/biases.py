"""How far guidance and inpainting are from the distributions that they are named after, on mixtures where those are known.

Guidance, D = 1. The data are two classes, N(-1, .5^2) and N(1, .5^2), equally often; asked for is the second at guidance scale w. The
distribution that the guided score is often said to sample is

    p_w(x) ~ p(x | c)^w p(x)^(1 - w)                                                                        (1)

and sampling with the guided score of every noise level does not give it: noising (1) and (1) of the noised densities are not the same. A
classifier of clean data asked about x0_hat is to give p(x | c), which is (1) at w = 1.

Inpainting, D = 2. The data are N((-1, -1), .4^2) and N((1, 1), .4^2), equally often; the first value is known to be 0.1, and the second
has a posterior of two modes, known too.

The denoisers are exact, so what is measured is the method and (in the rows `exact`) the solver. KL is from the samples to what is exact,
over bins of equal exact probability, less the (bins - 1) / 2n that n samples of the exact distribution would show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from genjax import rng
from genjax.comparison.record import metric, provenance
from genjax.diffusion import editing, grid, guidance, solvers
from genjax.diffusion.mixture import Mixture
from genjax.diffusion.process import Denoise, Process
from genjax.training.workdir import Workdir
from genjax.types import Array

PROCESS = Process("linear", "vp", -10.0, 10.0)
AXIS = np.linspace(-6.0, 6.0, 24_001)  # where exact densities are tabulated
BINS = 40

CLASSES = Mixture(np.array([0.5, 0.5]), np.array([[-1.0], [1.0]]), np.array([0.5, 0.5]))
ASKED = Mixture(np.ones(1), CLASSES.means[1:], CLASSES.stds[1:])

PAIRS = Mixture(np.array([0.5, 0.5]), np.array([[-1.0, -1.0], [1.0, 1.0]]), np.array([0.4, 0.4]))
KNOWN, PAIRS_STD = 0.1, 1.077  # sqrt(1 + .4^2)


class Case(NamedTuple):
    """A way of sampling D values and the density that it is meant to sample: denoiser, solver, log density of the last value on AXIS up to
    a constant.
    """

    name: str
    dims: int
    denoise: Denoise
    solver: solvers.Solver
    log_exact: np.ndarray


def cases() -> Iterator[Case]:
    """Every row of the table."""
    here = jnp.asarray(AXIS[:, None])
    every, asked = CLASSES.denoiser("vp"), ASKED.denoiser("vp")
    log_every, log_asked = (np.asarray(mixture.log_prob(here), np.float64) for mixture in (CLASSES, ASKED))
    yield Case("class, exact", 1, asked, solvers.heun(), log_asked)
    for scale in (1.5, 2.0, 4.0):
        yield Case(
            f"classifier-free guidance, scale {scale:g}",
            1,
            guidance.classifier_free(asked, every, scale),
            solvers.heun(),
            scale * log_asked + (1 - scale) * log_every,
        )

    def log_class(x0: Array, logsnr: Array) -> Array:
        return jax.nn.log_softmax(CLASSES.terms(x0, jnp.zeros((x0.shape[0], 1)))[0], axis=1)[:, 1]

    yield Case("classifier of x0_hat, scale 1", 1, guidance.by_estimate(every, log_class, 1.0, "vp"), solvers.heun(), log_asked)

    log_pairs = np.asarray(PAIRS.log_prob(jnp.concatenate([jnp.full_like(here, KNOWN), here], axis=1)), np.float64)
    model = PAIRS.denoiser("vp")
    yield Case("inpainting, exact", 2, _given_known(), solvers.ddpm(), log_pairs)
    known, mask = jnp.full((1, 2), KNOWN), jnp.array([[True, False]])
    for resamples in (1, 2, 5, 10, 20):
        name = "replacement" if resamples == 1 else f"repaint, resamples {resamples}"
        yield Case(name, 2, model, editing.repaint(solvers.ddpm(), known, mask, resamples), log_pairs)
    for scale in (0.5, 1.0, 2.0):
        told = editing.dps(model, lambda x0: jnp.where(mask, x0, 0.0), jnp.where(mask, known, 0.0), 0.0, PAIRS_STD, "vp", scale)
        yield Case(f"dps, scale {scale:g}", 2, told, solvers.ddpm(), log_pairs)


def _given_known() -> Denoise:
    """E[x0 | x, first value = KNOWN] of PAIRS: the components' weights given the known value, and the second value by itself."""
    share = PAIRS.weights * np.exp(-0.5 * ((KNOWN - PAIRS.means[:, 0]) / PAIRS.stds) ** 2)
    second = Mixture(share / share.sum(), PAIRS.means[:, 1:], PAIRS.stds).denoiser("vp")

    def denoise(x: Array, logsnr: Array) -> Array:
        return jnp.concatenate([jnp.full_like(x[:, :1], KNOWN), second(x[:, 1:], logsnr)], axis=1)

    return denoise


def measure(case: Case, rows: int, steps: int, seed: int = 0) -> list[dict[str, Any]]:
    """Mean, standard deviation and KL of the last value of `rows` samples, beside what is exact, as rows of a record."""
    keys = rng.rows(rng.stream(seed, "sample"), jnp.arange(rows))
    start = solvers.initial(PROCESS, keys, (case.dims,), 1.0)
    nodes = grid.make("uniform_logsnr", PROCESS, steps)
    found = jax.jit(lambda start, keys: solvers.sample(case.denoise, case.solver, nodes, start, keys))(start, keys)
    return compare(case.name, np.asarray(found.x[:, -1], np.float64), case.log_exact, seed)


def compare(name: str, samples: np.ndarray, log_exact: np.ndarray, seed: int) -> list[dict[str, Any]]:
    """Samples [n] against a log density on AXIS (up to a constant), as rows of a record."""
    n = samples.size
    density = np.exp(log_exact - log_exact.max())
    density /= density.sum()
    mean = density @ AXIS
    std = np.sqrt(density @ (AXIS - mean) ** 2)
    edges = np.interp(np.arange(1, BINS) / BINS, np.cumsum(density), AXIS)
    share = np.bincount(np.searchsorted(edges, samples), minlength=BINS) / n
    ratio = np.log(np.where(share > 0, share, 1.0) * BINS)
    chance = (BINS - 1) / (2 * n)
    kl = share @ ratio - chance
    spread = (samples - samples.mean()) ** 2
    values = {
        "mean": (samples.mean(), samples.std() / np.sqrt(n), mean),
        "std": (samples.std(), spread.std() / (2 * samples.std() * np.sqrt(n)), std),
        "kl": (kl, np.sqrt(max(share @ ratio**2 - (share @ ratio) ** 2, 0.0) / n + chance / n), 0.0),
    }
    unit = {"mean": "data", "std": "data", "kl": "nats"}
    return [
        row
        for what, (value, stderr, exact) in values.items()
        for row in (
            metric(name, what, float(value), unit[what], seed, stderr=float(stderr), kind="estimate"),
            metric(name, f"exact_{what}", float(exact), unit[what], None, kind="exact"),
        )
    ]


def write(path: Path, command: str, rows: int = 20_000, steps: int = 256, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Measures every case, writes the record and returns it."""
    metrics = []
    for case in cases():
        metrics += (found := measure(case, rows, steps))
        say(f"{case.name:<36}" + "  ".join(f"{row['metric']} {row['value']:.4f}" for row in found))
    record = {
        "name": path.stem,
        "title": "Bias of guidance and inpainting on mixtures",
        "command": command,
        **provenance(),
        "seeds": [0],
        "config": {"rows": rows, "steps": steps, "logsnr_min": PROCESS.logsnr_min, "logsnr_max": PROCESS.logsnr_max, "bins": BINS},
        "metrics": metrics,
        "notes": [f"Every row: {rows} samples; the denoisers are exact. The problems are those of genjax/comparison/biases.py."],
    }
    Workdir(path.parent).write_json(path.name, record)
    return record
