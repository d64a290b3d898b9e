"""What the back end is told: only what it knows, only on a CPU, and nothing that the user has said something of."""

import jax
import jaxlib
import pytest

from genjax.training import compiling


@pytest.fixture(autouse=True)
def afresh():
    compiling.options.cache_clear()
    yield
    compiling.options.cache_clear()


@pytest.mark.skipif(not jaxlib.__version__.startswith("0.10."), reason="the options were measured with jaxlib 0.10")
def test_a_cpu_is_told_what_was_measured_to_help():
    assert compiling.options() == compiling.CPU


def test_an_option_that_this_xla_does_not_know_is_left_out(monkeypatch):
    monkeypatch.setattr(compiling, "CPU", compiling.CPU | {"xla_cpu_no_such_option": "1"})
    assert "xla_cpu_no_such_option" not in compiling.options()


def test_the_users_own_flags_come_first(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", " ".join(f"--{name}=0" for name in compiling.CPU))
    assert compiling.options() == {}


def test_other_back_ends_are_told_nothing(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    assert compiling.options() == {}
