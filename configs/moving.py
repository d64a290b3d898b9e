"""Short films of something that moves straight on and bounces: unconditional, and going on from the first frames (docs/modalities.md).

  python scripts/train.py --config=configs/moving.py:next_token --workdir=runs/moving_next_token
  python scripts/train.py --config=configs/moving.py:noise_prediction --workdir=runs/moving_noise
  python scripts/sample.py --workdir=runs/moving_noise --image=held_out --redraw=2,6          (the first two frames are given)
  python scripts/evaluate.py --workdir=runs/moving_noise --config.sample.count=256
  python scripts/train.py --config=configs/moving.py:noise_prediction --config.data.source=moving:digits --workdir=runs/moving_digits
  python scripts/train.py --config=configs/moving.py:hybrid --workdir=runs/moving_hybrid
  python scripts/sample.py --workdir=runs/moving_hybrid --prompt='bright ring sideways'
  python scripts/sample.py --workdir=runs/moving_hybrid --image=held_out --describe             (a film, put into words)

A position of the diffusion model is a patch in space and time, with rotary positions along all three axes. For moving:shapes evaluate.py tells in how
many films the figure keeps its shape, and in how many it moves as it should.

Hardware: 2 CPU cores; noise_prediction 8 minutes on half of one. Seed 0: at most 0.098 +- 0.002 bits a dimension, 61 % of frames show a figure and
7 % of films keep it (docs/modalities.md). The other variants are not yet run to an end.
"""

VARIANTS = ("next_token", "noise_prediction", "hybrid", "classifier")


def get_config(config, variant):
    config.objective = variant
    config.data.source = "moving:shapes"
    config.data.batch_size = 16 if variant == "next_token" else 64
    config.data.eval_batch_size = 64
    config.model.depth = 3
    config.evaluate.examples = 128
    config.sample.count = 64
    config.train.duration = {"next_token": "700 steps", "noise_prediction": "4000 steps", "hybrid": "4000 steps", "classifier": "300 steps"}[variant]
    config.optimizer.name = "muon"
    config.optimizer.learning_rate = 2e-2
    config.optimizer.adam_learning_rate = 4e-3
    config.optimizer.ema = "constant(decay=0.998)"

    if variant == "hybrid":  # one trunk for words and what they are said of, in either order
        config.conditioning.text = "tokens"
        config.conditioning.label = False
        config.hybrid.describes = 0.5

    config.classifier.patch_size = (2, 4, 4)
    diffusion = config.noise_prediction
    diffusion.patch_size = (1, 4, 4)
    diffusion.prediction = "edm"
    diffusion.data_std = 0.97  # most of a frame is -1
    diffusion.logsnr_min, diffusion.logsnr_max = -8.0, 7.0  # levels are 1/2 apart on [-1, 1]
    return config
