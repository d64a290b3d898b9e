"""Handwritten digits (scikit-learn, 8x8 pixels, 17 levels), class by class: the smallest real comparison.

  python scripts/train.py --config=configs/digits.py:next_token --workdir=runs/digits_next_token
  python scripts/train.py --config=configs/digits.py:noise_prediction --workdir=runs/digits_noise

Hardware: 2 CPU cores, about 2 minutes each. Expected on the held-out split, seed 0: next_token 1.74 bits/dim (exact), noise_prediction at
most 2.15 bits/dim (bound), for lengths that cost the same FLOPs. The classifier judges samples (evaluate.py --classifier).
"""

VARIANTS = ("next_token", "noise_prediction", "classifier")


def get_config(config, variant):
    config.objective = variant
    config.data.source = "digits"

    # A next-token model of 1,438 images overfits within 20 passes; noise prediction, which never sees the same input twice, does not.
    config.model.dropout = {"next_token": 0.2, "noise_prediction": 0.0, "classifier": 0.2}[variant]
    config.optimizer.learning_rate = {"next_token": 2e-3, "noise_prediction": 4e-3, "classifier": 2e-3}[variant]
    config.train.duration = {"next_token": "600 steps", "noise_prediction": "2600 steps", "classifier": "600 steps"}[variant]

    config.classifier.patch_size = 2
    diffusion = config.noise_prediction
    diffusion.patch_size = 2  # 16 positions: four times the steps at equal compute, which is worth more than fine positions
    diffusion.prediction = "edm"
    diffusion.logsnr_min, diffusion.logsnr_max = -8.0, 8.0  # levels are 1/8 apart on [-1, 1]: at 8 the decoder's term is 0.002 bits
    return config
