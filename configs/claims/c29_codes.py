"""C29: a model that plans and a model that draws, or one that does both (next-token prediction)?

python scripts/claims.py --name=c29_codes
"""


def get_config(config, variant):
    config.number = "C29"
    config.aspect = "planning by one, drawing by the other, against next-token prediction alone"
    config.statement = "Best is both: the language model works out what is asked for, and the diffusion model draws it."
    config.hypothesis = (
        "Of captions of several statements, a next-token model that plans and noise prediction that draws the plan get more scenes wholly right than "
        "next-token prediction alone with the compute of both, by at least 5 points."
    )
    config.if_supported = "So."
    config.if_refuted = "Not so: next-token prediction of codes alone does far better."
    config.confounds = (
        "The drawer paints pixels and next-token prediction writes codes, and what counts is exact shapes, which so short a training of "
        "the drawer hardly ever gives: most of the difference may be that of the form. Two models have the parameters of two."
    )
    config.compare = "configs/compare/planning.py"
    config.training = "train.duration='4000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512"
    config.first = "drawer --planner=planner"
    config.second = "next_token"
    config.metric = "strict(samples=1000,several=1)"
    config.seeds = 5
    config.direction = "greater"
    config.margin = 0.05
    config.family = "shapes"
    config.tried = 1
    return config
