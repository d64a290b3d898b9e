"""Points of a known distribution: how far each family is from it, exactly (docs/modalities.md).

  python scripts/train.py --config=configs/points.py:next_token --workdir=runs/points_next_token
  python scripts/train.py --config=configs/points.py:noise_prediction --workdir=runs/points_noise
  python scripts/train.py --config=configs/points.py:noise_prediction --config.data.source=points:torus/n=64 --workdir=runs/torus_noise
  python scripts/evaluate.py --workdir=runs/points_next_token

Also points:moons, points:spirals and points:sphere. evaluate.py tells the bits above the exact entropy, which are the Kullback-Leibler
divergence of a next-token model and a bound of that of noise_prediction, and how the samples lie.

Hardware: 2 CPU cores, 1 to 3 minutes each. Seed 0: next_token 0.003 +- 0.001 bits a point above the entropy (exact), noise_prediction at most
0.682 +- 0.061 (docs/modalities.md).
"""

VARIANTS = ("next_token", "noise_prediction")


def get_config(config, variant):
    config.objective = variant
    config.data.source = "points:mixture"
    config.data.batch_size = 256
    config.data.eval_batch_size = 1024
    config.model.depth = 3
    config.evaluate.examples = 4096
    config.sample.count = 2048
    config.train.duration = "2000 steps"
    config.optimizer.ema = "constant(decay=0.998)"

    diffusion = config.noise_prediction
    diffusion.prediction = "edm"
    diffusion.logsnr_min, diffusion.logsnr_max = -8.0, 10.0  # levels are 1/32 apart on [-1, 1]
    return config
