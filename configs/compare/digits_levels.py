"""Handwritten digits: next-token prediction, noise prediction, and noise prediction that is told which levels there are.

python scripts/compare.py --config=configs/compare/digits_levels.py --workdir=runs/levels
"""


def get_config(config, variant):
    config.title = "Handwritten digits: how much of the difference is that noise prediction does not know of levels?"
    config.question = (
        "The same trunk, data order and training compute: a network that says the noise as a number, one that says which of the 17 levels each "
        "value may have, from all values at once, and one that says the next of them."
    )
    odds = "--config.noise_prediction.prediction=x0 --config.noise_prediction.head=odds"
    config.arms = {
        "next_token": "configs/digits.py:next_token",
        "noise_prediction": "configs/digits.py:noise_prediction",
        "noise_prediction_odds": f"configs/digits.py:noise_prediction {odds}",
    }
    config.reference = "next_token"
    config.varies = (
        "objective, noise_prediction.prediction, noise_prediction.head, model.dropout, optimizer.learning_rate, parameters, examples, "
        "supervised_targets"
    )
    return config
