"""Short films of something that moves straight on and bounces: unconditional, and going on from the first frames (docs/modalities.md).

  python scripts/train.py --config=configs/moving.py:next_token --workdir=runs/moving_next_token
  python scripts/train.py --config=configs/moving.py:noise_prediction --workdir=runs/moving_noise
  python scripts/sample.py --workdir=runs/moving_noise --image=held_out --redraw=2,6          (the first two frames are given)
  python scripts/evaluate.py --workdir=runs/moving_noise --config.sample.count=256
  python scripts/train.py --config=configs/moving.py:noise_prediction --workdir=runs/moving_digits \\
    --config.data.source=moving:digits --config.noise_prediction.patch_size=1,6,6
  python scripts/train.py --config=configs/moving.py:hybrid --workdir=runs/moving_hybrid
  python scripts/sample.py --workdir=runs/moving_hybrid --prompt='bright ring sideways'
  python scripts/sample.py --workdir=runs/moving_hybrid --image=held_out --describe             (a film, put into words)

A position of the diffusion model is a patch in space and time, with rotary positions along all three axes. For moving:shapes evaluate.py tells in how
many films the figure keeps its shape, and in how many it moves as it should. What either family came to: docs/gallery.md.

Hardware: 2 CPU cores; what it took: docs/gallery.md.
"""

VARIANTS = ("next_token", "noise_prediction", "hybrid", "classifier")


def get_config(config, variant):
    config.objective = variant
    config.data.source = "moving:shapes"
    config.data.batch_size = {"next_token": 16, "noise_prediction": 128, "hybrid": 64, "classifier": 64}[variant]
    config.data.eval_batch_size = 64
    config.model.width = 128 if variant == "noise_prediction" else 64
    config.model.depth = 3
    config.evaluate.examples = 128
    config.sample.count = 64
    config.train.duration = {"next_token": "700 steps", "noise_prediction": "6000 steps", "hybrid": "4000 steps", "classifier": "300 steps"}[variant]
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
    diffusion.patch_size = (1, 8, 8)  # a frame: what moves is in one place, and the others say how fast
    diffusion.prediction = "x0"  # films are few and lie apart; the noise in a frame has more dimensions than the network has features
    diffusion.data_std = 0.97  # most of a frame is -1
    diffusion.logsnr_min, diffusion.logsnr_max = -6.0, 5.0  # levels are 1/2 apart on [-1, 1]
    return config
