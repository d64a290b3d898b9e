"""C11: and how often does it show anything?

python scripts/claims.py --name=c11_valid
"""


def get_config(config, variant):
    config.number = "C11"
    config.aspect = "the first cell, hidden: how often something that there is"
    config.statement = "Inpainting and editing are native to diffusion; a language model cannot go back."
    config.hypothesis = (
        "What masked diffusion draws in the first cell is an object or nothing as often as what next-token prediction draws, within 5 points."
    )
    config.if_supported = "Neither is ahead in how often a fill-in shows something that there is."
    config.if_refuted = "{more} fills in something that there is more often."
    config.confounds = (
        "Who writes row by row has to guess whether the background of the first row is black or gray before anything else is seen: half of the time "
        "wrongly, so that 0.5 is the most it can come to. Masked diffusion draws in 64 steps for the whole scene."
    )
    config.compare = "configs/compare/shapes.py"
    config.training = "train.duration='2000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512"
    config.first = "masked_diffusion"
    config.second = "next_token"
    config.metric = "filled_in(cell=0,samples=1000)"
    config.seeds = 5
    config.direction = "equal"
    config.margin = 0.05
    config.family = "shapes"
    return config
