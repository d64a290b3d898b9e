"""Captioned scenes of coloured shapes, made as they are needed: the only data here whose entropy is known exactly (docs/shapes.md).

  python scripts/train.py --config=configs/shapes.py:next_token --workdir=runs/shapes_next_token
  python scripts/train.py --config=configs/shapes.py:masked_diffusion --workdir=runs/shapes_masked
  python scripts/train.py --config=configs/shapes.py:noise_prediction --workdir=runs/shapes_noise

The same trunk on the same scenes in the same order: next_token and masked_diffusion on 64 codes, noise_prediction on 64 patches of 2x2 RGB pixels,
whose decoder knows the palette. The entropy is 20.254 bits an image; evaluate.py tells how many more a model needs, scene by scene. One seed, 2000
steps, 6 to 8 minutes each on a core of an AMD EPYC: next_token 0.105 +- 0.005 (exact, 4096 scenes), masked_diffusion at most 2.0 +- 0.2,
noise_prediction at most 46.8 +- 1.0 (1024 scenes, 32 noise levels each). Muon on the hidden matrices is worth much here: AdamW alone, at 2e-3, came
to 0.323 +- 0.010 and at most 112.5 +- 2.2.
Told of captions (--config.conditioning.text=tokens, cross or pooled) it draws what it is asked for:

  python scripts/train.py --config=configs/shapes.py:next_token --config.conditioning.text=tokens --workdir=runs/text
  python scripts/sample.py --workdir=runs/text --prompt='a red circle'

codes is noise prediction of the 64 codes: noise on the pixels that they stand for, and odds of each code (docs/diffusion.md).

hybrid learns the captions as well, by next-token prediction in the same trunk as the noise prediction of the pictures:

  python scripts/train.py --config=configs/shapes.py:hybrid --workdir=runs/hybrid
"""

VARIANTS = ("next_token", "masked_diffusion", "noise_prediction", "hybrid", "codes")
PIXELS = ("noise_prediction", "hybrid")


def get_config(config, variant):
    config.objective = "noise_prediction" if variant == "codes" else variant
    config.data.source = "shapes:s16" if variant in PIXELS else "shapes_codes:s16"
    if variant == "hybrid":  # its words are the captions
        config.conditioning.text = "tokens"
    config.model.depth = 3
    config.evaluate.examples = 1024
    config.train.duration = "2000 steps"

    config.optimizer.name = "muon"
    config.optimizer.learning_rate = 2e-2
    config.optimizer.adam_learning_rate = 4e-3

    diffusion = config.noise_prediction
    diffusion.patch_size = 2
    diffusion.prediction = "v"
    diffusion.decoder = "palette"
    diffusion.logsnr_min, diffusion.logsnr_max = -10.0, 5.0  # the palette's colours are 1.4 apart on [-1, 1]: at log-SNR 5 they are told apart
    if variant == "codes":
        diffusion.patch_size, diffusion.prediction, diffusion.head, diffusion.decoder = 1, "x0", "odds", "levels"
    return config
