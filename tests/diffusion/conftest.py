"""Every test of the maths runs in float64 unless it takes `float32`, and never by silent broadcasting of ranks."""

import jax
import pytest


@pytest.fixture(autouse=True)
def precision(request):
    with jax.enable_x64("float32" not in request.fixturenames), jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture
def float32():
    """Marks a test that runs in jax's default precision."""
