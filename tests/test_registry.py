"""Names and options that do not exist are refused with the nearest that does."""

import pytest

from genjax import registry
from genjax.errors import UsageError

TABLE = {"ddim": lambda eta=0.0: eta, "heun": lambda: None}


def test_pick_and_bind():
    assert registry.pick(TABLE, "ddim", "solver")(eta=0.5) == 0.5
    assert registry.bind(TABLE, ("ddim", {"eta": 0.25}), "solver")() == 0.25


@pytest.mark.parametrize(
    "choice, says",
    [
        (("ddimm", {}), "no solver 'ddimm'.*ddim.*Known: ddim, heun"),
        (("ddim", {"etta": 1.0}), "no option 'etta'.*eta"),
        (("heun", {"eta": 1.0}), "no option 'eta'.*none"),
    ],
)
def test_refusals(choice, says):
    with pytest.raises(UsageError, match=says):
        registry.bind(TABLE, choice, "solver")
