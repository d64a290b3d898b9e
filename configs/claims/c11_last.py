"""C11: and where all else came before?

python scripts/claims.py --name=c11_last
"""


def get_config(config, variant):
    config.number = "C11"
    config.aspect = "the last cell, hidden, against its exact posterior"
    config.statement = "Inpainting and editing are native to diffusion; a language model cannot go back."
    config.hypothesis = (
        "In the last cell of a scene, all others known, the two are as near to the exact posterior, within 0.05 bits: it is the order that "
        "decides, not the family."
    )
    config.if_supported = "In part: where what is known comes first, a language model fills in as well."
    config.if_refuted = "The families differ even where what is known comes first."
    config.confounds = "Of fill-ins that show something that there is; how often they do in the first cell is a claim of its own (c11_valid)."
    config.compare = "configs/compare/shapes.py"
    config.training = "train.duration='2000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512"
    config.first = "masked_diffusion"
    config.second = "next_token"
    config.metric = "hidden_cell(cell=3,samples=1000)"
    config.seeds = 5
    config.direction = "equal"
    config.margin = 0.05
    config.family = "shapes"
    return config
