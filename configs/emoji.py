"""Noto's emoji with their names: pictures that are asked for with words (docs/modalities.md).

  python scripts/train.py --config=configs/emoji.py:noise_prediction --workdir=runs/emoji_noise --config.data.dir=DATA
  python scripts/train.py --config=configs/emoji.py:next_token --workdir=runs/emoji_next_token --config.data.dir=DATA
  python scripts/train.py --config=configs/emoji.py:masked_diffusion --workdir=runs/emoji_masked --config.data.dir=DATA
  python scripts/sample.py --workdir=runs/emoji_noise --prompt='red heart'

DATA (or GENJAX_DATA_DIR) holds noto_emoji/png72.zip and captions.json. All see 256 numbers of patches of 2 x 2 pixels (data.coded), because
3,072 values are for an accelerator; noise prediction adds its noise to the pixels that the numbers stand for, and says the odds of each number. Of
all values: --config.data.source=emoji, and for noise prediction patch_size=4, prediction=edm, head=linear besides (--config.noise_prediction.*).

Hardware: 2 CPU cores; what it took: docs/gallery.md.
"""

VARIANTS = ("noise_prediction", "next_token", "masked_diffusion")


def get_config(config, variant):
    config.objective = variant
    config.data.source = "coded:emoji"
    config.data.batch_size = 16
    config.data.eval_batch_size = 32
    config.conditioning.text = "pooled"
    config.model.width = 128
    config.model.depth = 4
    config.evaluate.examples = 128
    config.sample.count = 20
    config.train.duration = "1600 steps"
    config.optimizer.name = "muon"
    config.optimizer.learning_rate = 2e-2
    config.optimizer.adam_learning_rate = 4e-3
    config.optimizer.ema = "constant(decay=0.998)"

    diffusion = config.noise_prediction
    diffusion.patch_size = 1  # a code is a position
    diffusion.prediction, diffusion.head = "x0", "odds"
    diffusion.data_std = 0.8  # most of a picture is white
    diffusion.weighting = "sigmoid(bias=2)"
    diffusion.logsnr_min, diffusion.logsnr_max = -10.0, 11.0
    if variant == "masked_diffusion":  # the likeliest first would be a white picture
        config.masked_diffusion.steps = 128
        config.masked_diffusion.temperature = 0.7
    return config
