"""Text of known entropy: a model learns all of it and no more."""

import math

import jax
import numpy as np
import pytest

from genjax import config as configs
from genjax.data import markov
from genjax.data.loader import train_batches
from genjax.evaluation.evaluator import Evaluator
from genjax.training.setup import Run

VALUES = {
    "data.source": "markov",
    "data.tokenizer": "char",
    "data.length": 64,
    "data.batch_size": 32,
    "data.eval_batch_size": 256,
    "model.width": 32,
    "model.depth": 1,
    "model.heads": 4,
    "optimizer.learning_rate": 8e-3,
    "optimizer.weight_decay": 0.0,
    "optimizer.warmup": "50 steps",
    "optimizer.ema": "constant(decay=0.98)",
    "train.duration": "600 steps",
    "train.steps_per_dispatch": 20,
}


def excess(**overrides) -> tuple[float, float]:
    """Bits a symbol above the ideal code for the very same fresh text, and the standard error of this difference, after a training."""
    fields = configs.base_fields()
    values = VALUES | {name.replace("__", "."): value for name, value in overrides.items()}
    config = configs.check(configs.apply(configs.defaults(fields), fields, {name: str(value) for name, value in values.items()}), fields)
    run = Run.build(config)
    state, step, batches = run.create_state(), run.compile_step(), train_batches(run.source, config.data.batch_size, config.seed)
    for _ in range(run.total_steps // config.train.steps_per_dispatch):
        state, _ = step(state, run.parallel.put(batches.take(config.train.steps_per_dispatch), stacked=True))
    batches.close()

    rows = run.source.splits["eval"].rows(np.arange(run.source.spec.eval_size))
    assert run.source.tokenizer is not None
    chain, alphabet = markov.transitions(0), run.source.tokenizer.learnt
    symbols = np.array([markov.LETTERS.index(letter) for letter in alphabet])[rows["tokens"]]
    ideal = np.zeros(rows["tokens"].shape)
    ideal[:, 2:] = -np.log(chain[symbols[:, :-2], symbols[:, 1:-1], symbols[:, 2:]])
    rows["loss_mask"][:, :2] = 0  # of the first window, whose first two symbols nothing is known of
    batch = rows | {"id": np.arange(len(ideal), dtype=np.uint32), "weight": np.ones(len(ideal), np.float32)}
    nats = np.asarray(Evaluator(run).likelihood(state.ema, batch, jax.random.key(0)).nats, np.float64)
    count, best = rows["loss_mask"].sum(), (rows["loss_mask"] * ideal).sum(axis=1)
    assert abs(best.sum() / count / math.log(2) - markov.entropy_rate(chain)) < 0.02
    above = (nats - best) / math.log(2)
    return above.sum() / count, above.std() * math.sqrt(len(above)) / count


@pytest.mark.slow
def test_next_token_reaches_the_entropy_of_its_source_and_never_less():
    """Within 0.01 bits a symbol, and not below beyond the error."""
    value, stderr = excess(objective="next_token")
    print(f"excess of next_token: {value:.4f} ± {stderr:.4f} bits a symbol")
    assert -3 * stderr < value < 0.01


@pytest.mark.slow
def test_the_bound_of_masked_diffusion_lies_above_the_entropy_of_its_source():
    """It approaches the entropy from above, from the 2 bits of four letters or the little less that their frequencies leave."""
    value, stderr = excess(objective="masked_diffusion", model__depth=2, train__duration="1500 steps")
    print(f"excess of masked_diffusion: {value:.4f} ± {stderr:.4f} bits a symbol")
    assert 3 * stderr < value < 0.1
