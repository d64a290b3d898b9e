"""Handwritten digits (scikit-learn, 8x8 pixels, 17 levels), class by class: the smallest real comparison.

python scripts/train.py --config=configs/digits.py:next_token --workdir=runs/digits_next_token
python scripts/train.py --config=configs/digits.py:noise_prediction --workdir=runs/digits_noise
"""

VARIANTS = ("next_token", "noise_prediction")


def get_config(config, variant):
    config.objective = variant
    config.data.source = "digits"

    diffusion = config.noise_prediction
    diffusion.patch_size = 2  # 16 positions: four times the steps at equal compute, which is worth more than fine positions
    diffusion.prediction = "edm"
    diffusion.logsnr_min, diffusion.logsnr_max = -8.0, 8.0  # levels are 1/8 apart on [-1, 1]: at 8 the decoder's error is 0.002 bits
    if variant == "noise_prediction":
        config.optimizer.learning_rate = 4e-3
    return config
