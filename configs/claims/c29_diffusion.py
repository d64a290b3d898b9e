"""C29: a model that plans and a model that draws, or one that does both (noise prediction)?

python scripts/claims.py --name=c29_diffusion
"""


def get_config(config, variant):
    config.number = "C29"
    config.aspect = "planning by one, drawing by the other, against noise prediction alone"
    config.statement = "Best is both: the language model works out what is asked for, and the diffusion model draws it."
    config.hypothesis = (
        "Of captions of several statements, a next-token model that plans and noise prediction that draws the plan get more scenes wholly right than "
        "noise prediction alone with the compute of both, by at least 5 points."
    )
    config.if_supported = "So against diffusion alone."
    config.if_refuted = "Not so: diffusion alone does as well."
    config.confounds = (
        "Both are near the floor: of a hundred scenes a few are wholly right. Two models have the parameters of two. A gain may be due to the "
        "words of the plan being easier to draw, not to the family of who planned."
    )
    config.compare = "configs/compare/planning.py"
    config.training = "train.duration='4000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512"
    config.first = "drawer --planner=planner"
    config.second = "noise_prediction"
    config.metric = "strict(samples=1000,several=1)"
    config.seeds = 5
    config.direction = "greater"
    config.margin = 0.05
    config.family = "shapes"
    config.tried = 1
    return config
