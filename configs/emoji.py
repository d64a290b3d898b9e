"""Noto's emoji with their names: pictures that are asked for with words (docs/modalities.md).

  python scripts/train.py --config=configs/emoji.py:noise_prediction --workdir=runs/emoji_noise --config.data.dir=DATA
  python scripts/train.py --config=configs/emoji.py:next_token --workdir=runs/emoji_next_token --config.data.dir=DATA
  python scripts/train.py --config=configs/emoji.py:masked_diffusion --workdir=runs/emoji_masked --config.data.dir=DATA
  python scripts/train.py --config=configs/emoji.py:codes --workdir=runs/emoji_codes --config.data.dir=DATA
  python scripts/sample.py --workdir=runs/emoji_noise --prompt='red heart' --config.sample.guidance_scale=2

DATA (or GENJAX_DATA_DIR) holds noto_emoji/png72.zip and captions.json. Token models see 256 numbers of patches of 2 x 2 pixels (data.coded), because
3,072 values are for an accelerator: --config.data.source=emoji. `codes` is noise prediction of the same numbers: noise on the pixels that they stand
for, and odds of each number.

Hardware: 2 CPU cores; what it took: docs/gallery.md.
"""

VARIANTS = ("noise_prediction", "next_token", "masked_diffusion", "codes")


def get_config(config, variant):
    tokens = variant != "noise_prediction"
    config.objective = "noise_prediction" if variant == "codes" else variant
    config.data.source = "coded:emoji" if tokens else "emoji"
    config.data.batch_size = 16 if tokens else 32
    config.data.eval_batch_size = 32
    config.conditioning.text = "pooled"
    config.model.width = 128
    config.model.depth = 4 if tokens else 6
    config.evaluate.examples = 128
    config.sample.count = 20
    config.train.duration = "1600 steps" if tokens else "3600 steps"
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
    if variant == "codes":
        diffusion.patch_size, diffusion.prediction, diffusion.head = 1, "x0", "odds"
    if variant == "masked_diffusion":  # the likeliest first would be a white picture
        config.masked_diffusion.steps = 128
        config.masked_diffusion.temperature = 0.7
    return config
