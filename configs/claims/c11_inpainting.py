"""C11: who fills in what is hidden?

python scripts/claims.py --name=c11_inpainting
"""


def get_config(config, variant):
    config.number = "C11"
    config.aspect = "a hidden cell, against its exact posterior"
    config.statement = "Inpainting and editing are native to diffusion; a language model cannot go back."
    config.hypothesis = (
        "In the first cell of a scene, all others known, masked diffusion is nearer to the exact posterior than next-token prediction, "
        "by at least 0.2 bits."
    )
    config.if_supported = "So for what comes first."
    config.if_refuted = "Not so: what comes first is no nearer to its posterior."
    config.confounds = (
        "A next-token model writes in one order: of a cell that comes first it has seen nothing else, of one that comes last everything."
    )
    config.compare = "configs/compare/shapes.py"
    config.training = "train.duration='1000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512"
    config.first = "masked_diffusion"
    config.second = "next_token"
    config.metric = "hidden_cell(cell=0,samples=1000)"
    config.seeds = 5
    config.direction = "less"
    config.margin = 0.2
    config.family = "shapes"
    return config
