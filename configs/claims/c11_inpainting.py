"""C11: who fills in what is hidden?

python scripts/claims.py --name=c11_inpainting
"""


def get_config(config, variant):
    config.number = "C11"
    config.aspect = "the first cell, hidden, against its exact posterior"
    config.statement = "Inpainting and editing are native to diffusion; a language model cannot go back."
    config.hypothesis = (
        "In the first cell of a scene, all others known, masked diffusion is nearer to the exact posterior than next-token prediction, "
        "by at least 0.05 bits; not to see the other cells costs 0.17 bits if all else is right."
    )
    config.if_supported = "So for what comes first: diffusion sees what follows."
    config.if_refuted = "Not so: what comes first is no nearer to its posterior."
    config.confounds = (
        "A next-token model writes the scene row by row: in the first cell it has seen nothing below, in the last one nearly all. "
        "Of fill-ins that show something that there is; how often they do is a claim of its own (c11_valid)."
    )
    config.compare = "configs/compare/shapes.py"
    config.training = "train.duration='2000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512"
    config.first = "masked_diffusion"
    config.second = "next_token"
    config.metric = "hidden_cell(cell=0,samples=1000)"
    config.seeds = 5
    config.direction = "less"
    config.margin = 0.05
    config.family = "shapes"
    config.tried = 1
    return config
