"""A model that draws what it is told, used to understand: of several captions of a picture the one under which the picture is likeliest.

    argmax_c log p(x | c)                                                                                            (1)

For diffusion -log p is its bound, with the same noise for every caption (Li et al., 2023, arXiv:2303.16203; Clark and Jaini, 2023, arXiv:2303.15233):
the noise belongs to the number of the example. The other captions are those of other held-out examples, and false of this one.
"""

from __future__ import annotations

import numpy as np

from genjax.config import require
from genjax.errors import UsageError
from genjax.evaluation.evaluator import Evaluator
from genjax.types import Params


def candidates(evaluator: Evaluator, examples: int, count: int) -> np.ndarray:
    """Captions [count, n, S] for the first n held-out examples: that of number i mod count is the own of example i, the others are false of it.

    All of them differ. Wherever a model finds no difference, the first is taken: so the own one has no place of its own.

    Raises:
      UsageError: the model is told of no captions, or so few examples have too few captions to choose among.
    """
    source = evaluator.run.source
    require(
        evaluator.run.captioned and source.prompts is not None, "captions are chosen by a model that is told of them: set conditioning.text=tokens"
    )
    assert source.prompts is not None
    held_out = source.splits["eval"]
    n = min(examples, len(held_out))
    rows = held_out.rows(np.arange(n))
    own, data = rows["caption"], rows[source.spec.key]
    chosen = [[caption] for caption in own]
    for turn in range(1, n):
        others = np.roll(own, -turn, axis=0)
        false = ~source.prompts.judge(others, data).follow
        for row in np.flatnonzero(false):
            if len(chosen[row]) < count and not any(np.array_equal(others[row], known) for known in chosen[row]):
                chosen[row].append(others[row])
        if all(len(captions) == count for captions in chosen):
            return np.stack([np.roll(captions, row, axis=0) for row, captions in enumerate(chosen)], axis=1)
    raise UsageError(f"{n} held-out examples have too few captions to choose among {count}: ask for more examples")


def right(evaluator: Evaluator, params: Params, examples: int, count: int) -> np.ndarray:
    """bool [n]: whether equation (1) chooses each example's own caption among `count`."""
    told = candidates(evaluator, examples, count)
    nats = [evaluator.likelihoods(params, told.shape[1], captions=captions).nats for captions in told]
    return np.argmin(np.stack(nats), axis=0) == np.arange(told.shape[1]) % count
