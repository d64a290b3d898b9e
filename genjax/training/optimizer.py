"""The optimizer of a config, as one optax transformation. What it does to a parameter is decided by the names of the parameter's axes."""

from __future__ import annotations

from typing import Any

import jax
import optax

from genjax.types import PyTree

# Does an axis of this name mark a parameter that decays? A parameter decays when all of its axes do. Every axis must be listed.
DECAYS = {
    "layers": True,
    "embed": True,
    "heads": True,
    "head": True,
    "mlp": True,
    "vocab": True,
    "class": True,
    "patch": True,
    "conv": True,
    "frequency": True,
    "cond": True,
    "modulation": True,
    "place": True,
    "norm": False,
    "bias": False,
    "frozen": False,
}


def build(config: Any, axes: PyTree, *, warmup: int, total: int) -> optax.GradientTransformation:
    """AdamW (arXiv:1711.05101) with clipping, over `total` steps; `axes` has a tuple of axis names in place of every parameter."""
    transforms = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm is not None else []
    decayed = jax.tree.map(lambda names: all(DECAYS[name] for name in names), axes, is_leaf=lambda leaf: isinstance(leaf, tuple))
    transforms += [
        optax.scale_by_adam(config.b1, config.b2),
        optax.add_decayed_weights(config.weight_decay, mask=decayed),
        optax.scale_by_learning_rate(schedule(config, warmup=warmup, total=total)),
    ]
    return optax.chain(*transforms)


def schedule(config: Any, *, warmup: int, total: int) -> optax.Schedule:
    """The learning rate of a step: a linear warm-up, then constant or a cosine to zero at `total`."""
    # The first step already moves: a rate of exactly 0 would waste it.
    rise = optax.linear_schedule(config.learning_rate / (warmup + 1), config.learning_rate, warmup)
    fall = {
        "cosine": optax.cosine_decay_schedule(config.learning_rate, max(1, total - warmup)),
        "constant": optax.constant_schedule(config.learning_rate),
    }[config.schedule]
    return optax.join_schedules([rise, fall], [warmup])
