"""What a run refuses before anything of it is written."""

import pytest

from genjax.errors import UsageError
from genjax.training.parallel import Parallel
from genjax.training.setup import Run
from tests.helpers import TOKENS, config, make_source


@pytest.mark.parametrize("field", ["train__duration", "train__log_every", "optimizer__warmup"])
def test_a_length_that_cannot_be_counted_is_refused(field):
    made = config("next_token", **{field: "1e11 epochs"})
    with pytest.raises(UsageError, match="the duration '1e11 epochs' is 156,250,000,000 steps, more than can be counted"):
        Run.of(made, make_source(TOKENS), Parallel.build(made.parallel, made.data.batch_size, 1))
