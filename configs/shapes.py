"""Captioned scenes of coloured shapes, made as they are needed: the only data here whose entropy is known exactly (docs/shapes.md).

  python scripts/train.py --config=configs/shapes.py:next_token --workdir=runs/shapes_next_token
  python scripts/train.py --config=configs/shapes.py:noise_prediction --workdir=runs/shapes_noise

Unconditional, S16: next_token on 64 codes, noise_prediction on 64 patches of 2x2 RGB pixels, the same scenes in the same order. The entropy is
20.254 bits an image: 0.3165 bits a code for next_token, 0.0264 bits a value for noise_prediction.
"""

VARIANTS = ("next_token", "noise_prediction")


def get_config(config, variant):
    config.objective = variant
    config.data.source = {"next_token": "shapes_codes:s16", "noise_prediction": "shapes:s16"}[variant]
    config.evaluate.examples = 1024
    config.train.duration = "2000 steps"

    diffusion = config.noise_prediction
    diffusion.patch_size = 2
    diffusion.prediction = "v"
    diffusion.logsnr_min, diffusion.logsnr_max = -10.0, 13.0  # 256 levels are 1/128 apart on [-1, 1]: the data end must resolve them
    return config
