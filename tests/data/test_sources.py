"""Names of sources, and the invariants that hold for all of them."""

import numpy as np
import pytest

from genjax.data.base import ArrayRows, Source
from genjax.data.sources import CORPORA, OPENERS, open_source
from genjax.errors import DataError, UsageError


@pytest.mark.parametrize("name, hint", [("digit", "did you mean 'digits'"), ("tdfs:mnist", "did you mean 'tfds'"), ("", ""), ("mnist", "")])
def test_unknown_kind(name, hint):
    with pytest.raises(UsageError, match=f"^data source '{name}': the kinds are {', '.join([*OPENERS, *CORPORA])}.*{hint}"):
        open_source(name)


def test_a_split_has_rows(counting_source):
    source = counting_source(3)
    with pytest.raises(DataError, match="counting: no rows are left for the eval split"):
        Source(source.spec, source.splits | {"eval": ArrayRows({"tokens": np.zeros((0, 1), np.int32)})})
