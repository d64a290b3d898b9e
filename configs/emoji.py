"""Noto's emoji with their names: pictures that are asked for with words (docs/modalities.md).

  python scripts/train.py --config=configs/emoji.py:noise_prediction --workdir=runs/emoji_noise --config.data.dir=DATA
  python scripts/train.py --config=configs/emoji.py:next_token --workdir=runs/emoji_next_token --config.data.dir=DATA
  python scripts/sample.py --workdir=runs/emoji_noise --prompt='red heart' --config.sample.guidance_scale=2

DATA (or GENJAX_DATA_DIR) holds noto_emoji/png72.zip and captions.json. A next-token model of 3,072 values is for an accelerator: on two cores
take --config.data.source=emoji:side=16.
"""

VARIANTS = ("noise_prediction", "next_token")


def get_config(config, variant):
    config.objective = variant
    config.data.source = "emoji"
    config.data.batch_size = 4 if variant == "next_token" else 32
    config.data.eval_batch_size = 32
    config.conditioning.text = "pooled"
    config.model.width = 96
    config.evaluate.examples = 128
    config.sample.count = 20
    config.train.duration = "400 steps" if variant == "next_token" else "2000 steps"
    config.optimizer.name = "muon"
    config.optimizer.learning_rate = 2e-2
    config.optimizer.adam_learning_rate = 4e-3
    config.optimizer.ema = "constant(decay=0.998)"

    diffusion = config.noise_prediction
    diffusion.patch_size = 4
    diffusion.prediction = "edm"
    diffusion.data_std = 0.8  # most of a picture is white
    diffusion.weighting = "sigmoid(bias=2)"
    diffusion.logsnr_min, diffusion.logsnr_max = -10.0, 11.0
    return config
