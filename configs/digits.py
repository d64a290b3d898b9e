"""Handwritten digits (scikit-learn, 8x8 pixels, 17 levels), class by class: the smallest real comparison.

  python scripts/train.py --config=configs/digits.py:next_token --workdir=runs/digits_next_token
  python scripts/train.py --config=configs/digits.py:noise_prediction --workdir=runs/digits_noise
  python scripts/train.py --config=configs/digits.py:masked_diffusion --workdir=runs/digits_masked
  python scripts/train.py --config=configs/digits.py:block_diffusion --workdir=runs/digits_blocks

Hardware: 2 CPU cores, about 2 minutes each. Expected on the held-out split, seed 0: next_token 1.74 bits/dim (exact), noise_prediction at
most 2.15 bits/dim (bound), for lengths that cost the same FLOPs. masked_diffusion at most 1.98, block_diffusion (rows of the image) at most
1.87, for 600 passes of 64 images through the trunk, or 300 with every position twice; embedding_diffusion and autoencoder have no figure yet. The
classifier judges samples (evaluate.py --classifier). consistency and mean_flow draw in a few evaluations and have no likelihood (docs/few_steps.md).
"""

VARIANTS = (
    "next_token",
    "noise_prediction",
    "masked_diffusion",
    "block_diffusion",
    "embedding_diffusion",
    "consistency",
    "mean_flow",
    "autoencoder",
    "classifier",
)


def get_config(config, variant):
    config.objective = {"block_diffusion": "masked_diffusion"}.get(variant, variant)
    config.data.source = "digits"

    # A next-token model of 1,438 images overfits within 20 passes; diffusion, which never sees the same input twice, does not.
    config.model.dropout = {"next_token": 0.2, "classifier": 0.2}.get(variant, 0.0)
    rates = {"noise_prediction": 4e-3, "masked_diffusion": 4e-3, "block_diffusion": 4e-3, "embedding_diffusion": 4e-3, "mean_flow": 3e-3}
    config.optimizer.learning_rate = rates.get(variant, 2e-3)
    # In block diffusion every position is there twice.
    steps = {"noise_prediction": 2600, "block_diffusion": 300, "consistency": 1600, "mean_flow": 1600}
    config.train.duration = f"{steps.get(variant, 600)} steps"

    config.classifier.patch_size = 2
    diffusion = config.noise_prediction
    diffusion.patch_size = 2  # 16 positions: four times the steps at equal compute, which is worth more than fine positions
    diffusion.prediction = "edm"
    diffusion.logsnr_min, diffusion.logsnr_max = -8.0, 8.0  # levels are 1/8 apart on [-1, 1]: at 8 the decoder's term is 0.002 bits
    if variant == "block_diffusion":
        config.masked_diffusion.block_size = 8  # a row of the image
        config.masked_diffusion.steps = 8
    if variant in ("consistency", "mean_flow"):
        diffusion.steps = 2
        config.conditioning.drop_rate = 0.0  # there is no guidance
        config.optimizer.ema = "power(sigma_rel=0.1)"
    if variant == "consistency":
        diffusion.time_sampler = "lognormal_sigma(mean=-1.1, std=2)"
    if variant == "mean_flow":
        diffusion.time_sampler = "logit_normal(mean=-0.4)"
    return config
