"""Handwritten digits: what a denoiser is asked for, the noise, the velocity or the preconditioned image, with everything else the same.

python scripts/compare.py --config=configs/compare/predictions.py --workdir=runs/predictions
"""


def get_config(config, variant):
    config.title = "Handwritten digits: what should a denoiser predict?"
    config.question = "Three readings of the same output, the same bound as loss, the same budget. All are upper bounds on the same kind of model."
    config.arms = {
        name: f"configs/digits.py:noise_prediction --config.optimizer.learning_rate=2e-3 --config.noise_prediction.prediction={name}"
        for name in ("edm", "eps", "v")
    }
    config.reference = "edm"
    config.match = "train_flops, parameters, examples"
    config.varies = "noise_prediction.prediction"
    return config
