"""Text whose entropy is known (docs/text.md): next-token prediction beside masked diffusion.

python scripts/compare.py --config=configs/compare/grammar.py --workdir=runs/grammar

Hardware: 2 CPU cores, 2 minutes an arm.
"""


def get_config(config, variant):
    config.title = "A grammar of four letters"
    config.question = "A chain of second order writes the text, and what a letter is worth is known: how near does either come?"
    small = "--config.data.source=markov --config.data.length=64 --config.model.depth=2 --config.model.width=64"
    config.arms = {objective: f"configs/shakespeare.py:{objective} {small}" for objective in ("next_token", "masked_diffusion")}
    config.reference = "next_token"
    config.varies = "objective, parameters, trunk_parameters, examples, supervised_targets"
    return config
