"""Toys that the tests share: tiny configs, specs, batches, and parameters that are random in every leaf.

A fresh model proves little: its heads and its conditioning start at zero, so that it is causal, cached and guided rightly whatever the
code does. Hence `random_params`.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from genjax import config as configs
from genjax import objectives, rng
from genjax.data.base import ArrayRows, Source
from genjax.models import masks
from genjax.objectives.base import Objective
from genjax.types import Batch, DataSpec, Params

TOKENS = DataSpec("toy tokens", "tokens", (4,), 3, 2, 100, 10)
IMAGES = DataSpec("toy images", "image", (4, 4, 1), 5, 3, 100, 10)

TINY = {
    "model.width": 16,
    "model.depth": 1,
    "model.heads": 2,
    "model.mlp_ratio": 2.0,
    "noise_prediction.patch_size": 2,
    "noise_prediction.steps": 4,
    "noise_prediction.eval_times": 2,
    "masked_diffusion.steps": 4,
    "masked_diffusion.eval_times": 2,
    "embedding_diffusion.steps": 4,
    "embedding_diffusion.eval_times": 2,
    "optimizer.warmup": 2,
    "train.duration": 20,
    "sample.count": 8,
    "checkpoint.keep": 2,
}


def config(objective: str, **overrides: Any) -> Any:
    """A tiny config; an override's dots are written as two underscores: model__width=8."""
    fields = configs.base_fields()
    values = {"objective": objective} | TINY | {name.replace("__", "."): value for name, value in overrides.items()}
    checked = configs.check(configs.apply(configs.defaults(fields), fields, {name: str(value) for name, value in values.items()}), fields)
    configs.validate(checked)
    return checked


def build(objective: str, spec: DataSpec, **overrides: Any) -> Objective:
    return objectives.build(config(objective, **overrides), spec)


def random_params(init: Callable[[jax.Array], Any], seed: int = 0, scale: float = 0.5) -> Params:
    """Unboxed parameters of an initialiser's shapes, N(0, scale^2) in every leaf, around 1 for the scales of norms."""

    def leaf(path, shape):
        name = jax.tree_util.keystr(path)
        noise = np.random.default_rng([seed, zlib.crc32(name.encode())]).normal(size=shape.shape)
        return (scale * noise + ("scale" in name)).astype(shape.dtype)

    return jax.tree_util.tree_map_with_path(leaf, nn.unbox(jax.eval_shape(init, jax.random.key(0))))


@functools.cache
def fresh_params(objective: Objective) -> Params:
    """The parameters that training starts from."""
    return jax.jit(lambda: nn.unbox(objective.init(rng.stream(0, "init"))))()


def make_batch(spec: DataSpec, rows: int, seed: int = 0, first: int = 0) -> Batch:
    """Random rows of a spec, with ids first, first + 1, ... and weight 1."""
    random = np.random.default_rng(seed)
    batch = {
        spec.key: random.integers(0, spec.levels, (rows, *spec.shape)).astype(np.int32),
        "id": np.arange(first, first + rows, dtype=np.uint32),
        "weight": np.ones(rows, np.float32),
    }
    return batch | ({"label": random.integers(0, spec.num_classes, rows).astype(np.int32)} if spec.num_classes else {})


def make_source(spec: DataSpec, seed: int = 0) -> Source:
    """A data set of random rows in memory."""

    def rows(count: int, seed: int) -> ArrayRows:
        batch = make_batch(spec, count, seed)
        return ArrayRows({name: batch[name] for name in (spec.key, "label") if name in batch})

    return Source(spec, {"train": rows(spec.train_size, seed), "eval": rows(spec.eval_size, seed + 1)})


def prefix_lm(prefix: Any, length: int) -> masks.AttentionIds:
    """The first prefix[b] positions see each other; what follows is causal. prefix: int32 [B]."""
    ids = masks.causal(len(prefix), length)
    return ids._replace(block_ids=jnp.maximum(ids.block_ids - jnp.asarray(prefix)[:, None] + 1, 0))


def assert_trees_close(got: Any, expected: Any, *, rtol: float, atol: float) -> None:
    """Equal structure, and every leaf close."""
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=atol, err_msg=jax.tree_util.keystr(path))


def assert_trees_equal(got: Any, expected: Any) -> None:
    """Equal structure, and every leaf the same to the last bit."""
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), err_msg=jax.tree_util.keystr(path))
