"""Handwritten digits (scikit-learn, 8x8 pixels, 17 levels), class by class: the smallest real comparison.

  python scripts/train.py --config=configs/digits.py:next_token --workdir=runs/digits_next_token
  python scripts/train.py --config=configs/digits.py:noise_prediction --workdir=runs/digits_noise
"""

VARIANTS = ("next_token", "noise_prediction")


def get_config(config, variant):
    config.objective = variant
    config.data.source = "digits"
    return config
