"""C18: can diffusion be given a reference picture?

python scripts/claims.py --name=c18_reference
"""


def get_config(config, variant):
    config.number = "C18"
    config.aspect = "the objects of a reference picture, drawn elsewhere"
    config.statement = "A diffusion model cannot be given a picture as a reference; a multimodal language model can."
    config.hypothesis = "Told of a reference as of words, masked diffusion draws its objects as often as next-token prediction does, within 5 points."
    config.if_supported = "Not so: diffusion takes a reference as well."
    config.if_refuted = "The families differ: {more} draws them more often."
    config.confounds = "The reference is given as words of a scene, not as a picture."
    config.compare = "configs/compare/reference.py"
    config.training = "train.duration='1000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512"
    config.first = "masked_diffusion"
    config.second = "next_token"
    config.metric = "follow(samples=500)"
    config.seeds = 5
    config.direction = "equal"
    config.margin = 0.05
    config.family = "shapes"
    return config
