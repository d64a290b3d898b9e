"""The best model of shapes there can be, exactly: what is to be learned, known beforehand.

Given the background b and the set S of occupied cells, what the cells show is independent. Let phi[b, i, c] be the log-likelihood of whatever
was observed in cell i (noisy pixels, some of the codes) if it shows content c. Then

    log p(observed) = log sum_b 1/2 sum_k 1/(K + 1) 1/C(n, k) e_k(b),                                     (1)
    e_k(b) = sum_{|S| = k} prod_{i in S} L1[b, i] prod_{i not in S} L0[b, i],                             (2)
    L0[b, i] = exp phi[b, i, 0],    L1[b, i] = mean over the 224 objects c of exp phi[b, i, c]

and (2) is an elementary symmetric polynomial: n steps of a recursion over k instead of 2^n sets. The posterior of background and contents is
the gradient of (1),

    P(b, cell i shows c | observed) = d log p / d phi[b, i, c],                                            (3)

and everything else is a mean over it: the ideal denoiser E[x0 | x], the marginals of hidden codes, the distribution of the next one.

All functions are pure jax, for batches; B rows, n cells, images on [-1, 1]. "hidden" codes are those that `known` is false for.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

from genjax.data.shapes import scenes
from genjax.data.shapes.scenes import CELL, CODES, CONTENTS, PATCH, Tier
from genjax.types import Array

_NEVER = -1e30  # a log-probability of zero that gradients can pass
_MISMATCH = -100.0  # nats of a code that a content does not show: less than any scene's prior by e^60, and finite where nothing fits
_SIDE = CELL // PATCH  # codes a side of a cell


def to_unit(levels: np.ndarray) -> np.ndarray:
    """Levels 0 .. 255 as numbers on [-1, 1], as every image of 256 levels is encoded in this project."""
    return levels / 127.5 - 1


# Clean cells on [-1, 1]: [2, 225, 192].
_CLEAN = to_unit(scenes.PALETTE[scenes.TEMPLATES].astype(np.float64)).reshape(2, CONTENTS, -1)
_CODES = scenes.CODE_TEMPLATES.reshape(2, CONTENTS, _SIDE * _SIDE).astype(np.int32)


# ---- the evidence and its gradient ---------------------------------------------------------------------------------


def log_evidence(tier: Tier, phi: Array) -> Array:
    """Equation (1) in nats, [B], for phi [B, 2, n, 225]."""
    empty = phi[..., 0]
    filled = jax.nn.logsumexp(phi[..., 1:], axis=-1) - math.log(CONTENTS - 1)

    def with_cell(log_e: Array, cell: tuple[Array, Array]) -> tuple[Array, None]:
        one_more = jnp.concatenate([jnp.full_like(log_e[..., :1], _NEVER), log_e[..., :-1]], axis=-1)
        return jnp.logaddexp(log_e + cell[0][..., None], one_more + cell[1][..., None]), None

    nothing = jnp.full((*phi.shape[:2], tier.max_count + 1), _NEVER, phi.dtype).at[..., 0].set(0.0)
    log_e, _ = jax.lax.scan(with_cell, nothing, (jnp.moveaxis(empty, -1, 0), jnp.moveaxis(filled, -1, 0)))
    prior = [-math.log(2 * (tier.max_count + 1) * math.comb(tier.cells, k)) for k in tier.counts]
    return jax.nn.logsumexp(log_e + jnp.asarray(prior, phi.dtype), axis=(-2, -1))


def posterior(tier: Tier, phi: Array) -> Array:
    """Equation (3): P(background, content of the cell) [B, 2, n, 225], for phi of the same shape; each cell's sum to one."""
    return jax.grad(lambda phi: jnp.sum(log_evidence(tier, phi)))(phi)


# ---- pictures in noise ---------------------------------------------------------------------------------------------


def noisy_phi(tier: Tier, y: Array, logsnr: Array) -> Array:
    """phi [B, 2, n, 225] of y = x0 + s eps [B, H, W, 3], s^2 = e^-logsnr [B]; what is common to all contents is left out."""
    cells = _cells(tier, y)
    clean = jnp.asarray(_CLEAN, y.dtype)
    fit = jnp.einsum("bnd,kcd->bknc", cells, clean, precision="highest") - 0.5 * jnp.sum(clean**2, axis=-1)[:, None]
    return fit * jnp.exp(logsnr)[:, None, None, None]


def denoise(tier: Tier, y: Array, logsnr: Array) -> Array:
    """E[x0 | y], [B, H, W, 3], of y = x0 + s eps, s^2 = e^-logsnr [B]. A process x = alpha x0 + sigma eps has y = x / alpha."""
    weights = posterior(tier, noisy_phi(tier, y, logsnr))
    return _canvas(tier, jnp.einsum("bknc,kcd->bnd", weights, jnp.asarray(_CLEAN, y.dtype), precision="highest"), (CELL, CELL, 3))


def log_density(tier: Tier, y: Array, logsnr: Array) -> Array:
    """log p(y) in nats, [B], of y = x0 + s eps."""
    dims = math.prod(y.shape[1:])
    rest = 0.5 * jnp.sum(y**2, axis=(1, 2, 3)) * jnp.exp(logsnr) + 0.5 * dims * (math.log(2 * math.pi) - logsnr)
    return log_evidence(tier, noisy_phi(tier, y, logsnr)) - rest


# ---- codes ---------------------------------------------------------------------------------------------------------


def code_phi(tier: Tier, codes: Array, known: Array) -> Array:
    """phi [B, 2, n, 225] of the codes [B, h, w] where `known` bool [B, h, w] is true.

    Codes that no scene shows together are met as well as can be: by the scenes that disagree with the fewest of them.
    """
    cells, seen = _cells(tier, codes[..., None]), _cells(tier, known[..., None])
    wrong = (cells[:, None, :, None] != jnp.asarray(_CODES)[:, None]) & seen[:, None, :, None]
    return _MISMATCH * jnp.sum(wrong, axis=-1).astype(jnp.result_type(float))


def marginals(tier: Tier, codes: Array, known: Array) -> Array:
    """P(code | known codes) of every position, [B, h, w, 205]; one-hot where the code is known and possible."""
    weights = posterior(tier, code_phi(tier, codes, known))
    shows = np.eye(CODES)[_CODES]  # [2, 225, 16, 205]
    cells = jnp.einsum("bknc,kcpv->bnpv", weights, jnp.asarray(shows, weights.dtype), precision="highest")
    return _canvas(tier, cells, (_SIDE, _SIDE, CODES))


def next_code(tier: Tier, codes: Array) -> Array:
    """The ideal next-token model of codes [B, h, w]: P(code | those before it in raster order) of all h w positions, [B, h w, 205]."""
    rows, height, width = codes.shape
    order = jnp.arange(height * width)

    def one(position: Array) -> Array:
        known = jnp.broadcast_to((order < position).reshape(height, width), codes.shape)
        return marginals(tier, codes, known).reshape(rows, -1, CODES)[:, position]

    return jnp.swapaxes(jax.lax.map(one, order), 0, 1)


def next_code_nats(tier: Tier, codes: Array) -> Array:
    """-log P of each of a row's codes [B, h, w] under `next_code`, [B, h w]: its sum over positions is the row's exact -log p."""
    own = codes.reshape(codes.shape[0], -1, 1).astype(jnp.int32)
    return -jnp.log(jnp.take_along_axis(next_code(tier, codes), own, axis=-1)[..., 0])


# ---- cells and canvases --------------------------------------------------------------------------------------------


def _cells(tier: Tier, canvas: Array) -> Array:
    """A canvas [B, H, W, C] cell by cell, [B, n, values of a cell]."""
    rows, height, width, channels = canvas.shape
    a, b = height // tier.side, width // tier.side
    grid = canvas.reshape(rows, tier.side, a, tier.side, b, channels)
    return jnp.swapaxes(grid, 2, 3).reshape(rows, tier.cells, a * b * channels)


def _canvas(tier: Tier, cells: Array, shape: tuple[int, int, int]) -> Array:
    """Cells [B, n, ...], each of `shape` (a, b, C), put together: [B, side * a, side * b, C]."""
    a, b, channels = shape
    grid = cells.reshape(-1, tier.side, tier.side, a, b, channels)
    return jnp.swapaxes(grid, 2, 3).reshape(-1, tier.side * a, tier.side * b, channels)
