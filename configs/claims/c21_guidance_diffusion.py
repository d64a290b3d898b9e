"""C21: what guidance takes from diffusion.

python scripts/claims.py --name=c21_guidance_diffusion
"""


def get_config(config, variant):
    config.number = "C21"
    config.aspect = "guidance and variety, diffusion"
    config.statement = "Guidance compares the image with the prompt at every step."
    config.hypothesis = "Guidance sharpens a distribution: at scale 3 two samples of a class differ in fewer values, by at least 2 points."
    config.if_supported = "In part: guidance sharpens; it compares two predictions, not image and prompt."
    config.if_refuted = "Not so: guidance does not sharpen."
    config.confounds = (
        "Guidance by a classifier's gradient and classifier-free guidance are two methods; only the second is used, and it compares nothing."
    )
    config.compare = "configs/compare/digits.py"
    config.training = "train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "noise_prediction"
    config.second = "noise_prediction --config.sample.guidance_scale=3"
    config.metric = "disagreement(pairs=100)"
    config.seeds = 5
    config.direction = "greater"
    config.margin = 0.02
    config.tried = 2
    return config
