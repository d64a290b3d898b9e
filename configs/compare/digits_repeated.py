"""Handwritten digits, seen again and again: next-token prediction with and without regularisation, and masked diffusion.

python scripts/compare.py --config=configs/compare/digits_repeated.py --workdir=runs/repeated

The regularisation is the best of configs/sweeps/digits_repeated.py (results/digits_repeated_sweep.csv), on a seed of its own and without the held-out
digits.
"""


def get_config(config, variant):
    config.title = "Handwritten digits: the same few examples again and again"
    config.question = "As many passes over the same examples: who still learns from the hundredth?"
    config.arms = {
        "next_token": "configs/digits.py:next_token --config.model.dropout=0",
        "next_token_regularised": "configs/digits.py:next_token --config.model.dropout=0.05 --config.optimizer.weight_decay=4",
        "masked_diffusion": "configs/digits.py:masked_diffusion --config.model.dropout=0",
    }
    config.reference = "next_token"
    config.match = "examples"
    config.varies = (
        "objective, model.dropout, optimizer.weight_decay, optimizer.learning_rate, parameters, trunk_parameters, train_flops, supervised_targets"
    )
    return config
