"""Handwritten digits with as many passes over the data for both families: what is kept of the training examples is compared at equal passes.

python scripts/compare.py --config=configs/compare/digits_epochs.py --workdir=runs/epochs
"""


def get_config(config, variant):
    config.title = "Handwritten digits: the same examples, as often"
    config.question = "The same number of passes over the training examples, and none of the regularisation that was tuned for one of them."
    config.arms = {
        "next_token": "configs/digits.py:next_token --config.model.dropout=0",
        "noise_prediction": "configs/digits.py:noise_prediction",
    }
    config.reference = "next_token"
    config.match = "examples, supervised_targets"
    config.varies = "objective, optimizer.learning_rate, parameters, train_flops"
    return config
