"""Tiny Shakespeare by characters: next-token prediction and two ways to diffuse tokens, with the same trunk, data, order, optimizer and steps.

python scripts/compare.py --config=configs/compare/shakespeare.py --workdir=runs/shakespeare
"""


def get_config(config, variant):
    config.title = "Tiny Shakespeare: one character after the other, or all at once?"
    config.question = (
        "nanoGPT's small setting of a character model, and diffusion over the same tokens: masked, or as noisy vectors. The optimizer was chosen "
        "for next-token prediction and is the same for all."
    )
    config.arms = {name: f"configs/shakespeare.py:{name}" for name in ("next_token", "masked_diffusion", "embedding_diffusion")}
    config.reference = "next_token"
    config.match = "examples"
    config.varies = "objective, parameters, trunk_parameters, train_flops, supervised_targets"
    config.seeds = 3
    return config
