"""What the back end is told: only what it knows, only on a CPU, and nothing that the user has said something of."""

import contextlib

import jax
import jax.numpy as jnp
import jaxlib
import pytest

from genjax import config as configs
from genjax.data.loader import train_batches
from genjax.training import compiling
from genjax.training.setup import Run


@pytest.mark.skipif(not jaxlib.__version__.startswith("0.10."), reason="the options were measured with jaxlib 0.10")
def test_a_cpu_is_told_what_was_measured_to_help():
    assert compiling.options(compiling.STEPS) == compiling.STEPS


def test_an_option_that_this_xla_does_not_know_is_left_out():
    assert "xla_cpu_no_such_option" not in compiling.options(compiling.STEPS | {"xla_cpu_no_such_option": "1"})


def test_the_users_own_flags_come_first(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", " ".join(f"--{name}={str(value).lower()}" for name, value in compiling.STEPS.items()))
    assert compiling.options(compiling.STEPS) == {}


def test_other_back_ends_are_told_nothing(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    assert compiling.options(compiling.STEPS) == {}


def test_what_is_prepared_is_traced_once_and_computes_what_jit_does():
    traced = []

    @jax.jit
    def square(x):
        traced.append(x.shape)
        return x * x

    ahead = compiling.Ahead(square, contextlib.nullcontext)
    ahead.prepare(jax.ShapeDtypeStruct((3,), jnp.float32))
    assert traced == [(3,)]
    for x in (jnp.arange(3.0), jnp.arange(2.0), jnp.arange(3.0)):
        assert jnp.array_equal(ahead(x), x * x)
    assert traced == [(3,), (2,)]  # another shape when it came, and neither of them twice


def test_a_run_prepares_the_program_that_its_batches_call():
    """What is compiled ahead is for the arrays that come, of every kind of data: else the step would be compiled twice, once for nothing."""
    for recipe in ("configs/digits.py:noise_prediction", "configs/shapes.py:hybrid", "configs/python_stdlib.py", "configs/shapes_answers.py"):
        run = Run.build(configs.load(recipe, configs.base_fields(), {"data.batch_size": "4"}))
        batches = train_batches(run.source, 4, 0)
        ahead, real = run.parallel.like(batches.like(2)), run.parallel.put(batches.take(2), stacked=True)
        batches.close()
        laid_out = [{name: (leaf.shape, leaf.dtype, leaf.sharding) for name, leaf in arrays.items()} for arrays in (ahead, real)]
        assert laid_out[0] == laid_out[1]
