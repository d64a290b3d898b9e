"""C3: and next-token prediction, of codes and of pixels?

python scripts/claims.py --name=c03_next_token
"""


def get_config(config, variant):
    config.number = "C3"
    config.aspect = "codes and pixels, next-token prediction"
    config.statement = "Diffusion is for continuous data such as images, language models are for discrete data such as text."
    config.hypothesis = (
        "The form of the data matters to next-token prediction as well: of the pixels of scenes, as values of 256 levels, it needs at "
        "least 5 bits a scene more above the entropy than of their codes."
    )
    config.if_supported = "In part: next-token prediction, too, does better on codes at equal compute. Of the families this says nothing."
    config.if_refuted = "Not so: next-token prediction does as well on pixels."
    config.confounds = (
        "Codes hold four pixels each, so that the pixels of a scene are twelve times as many positions: at equal compute 22 times fewer scenes are "
        "seen, in 368 steps instead of 8,000, at one learning rate for both. A pixel is one of 256 levels here; that scenes have few colours is "
        "learned."
    )
    config.compare = "configs/compare/pixels.py"
    config.training = (
        "train.duration='8000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512 sample.count=8"
    )
    config.first = "pixels"
    config.second = "codes"
    config.metric = "excess_bits"
    config.seeds = 5
    config.direction = "greater"
    config.margin = 5.0
    config.family = "shapes"
    return config
