"""C3: what does a scene cost in codes and in pixels?

python scripts/claims.py --name=c03_shapes
"""


def get_config(config, variant):
    config.number = "C3"
    config.aspect = "the same scenes as codes and as pixels, bits above the entropy"
    config.statement = "Diffusion is for continuous data such as images, language models are for discrete data such as text."
    config.hypothesis = (
        "It is the form of the data: diffusion of codes needs at least 5 bits a scene less above the entropy than diffusion of the "
        "pixels of the same scenes."
    )
    config.if_supported = "In part: what diffusion guarantees depends on the form; its bound is nearer to the entropy on codes than on pixels."
    config.if_refuted = "So for this form: even diffusion does not gain from discrete codes."
    config.confounds = (
        "Objective and form change together (masked diffusion of codes, noise prediction of pixels, which is told the colours that scenes have), "
        "and what is compared is what each of the two bounds guarantees."
    )
    config.compare = "configs/compare/shapes.py"
    config.training = "train.duration='1000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512"
    config.first = "masked_diffusion"
    config.second = "noise_prediction"
    config.metric = "excess_bound"
    config.seeds = 5
    config.direction = "less"
    config.margin = 5.0
    config.family = "shapes"
    return config
