"""One object or none, asked for with and without negation: objective by how the words come in.

python scripts/compare.py --config=configs/compare/camel.py --workdir=runs/camel

`data.source=shapes_codes:s8/p_neg=0` for captions that never say "no". Hardware: 2 CPU cores, 2 minutes an arm.
"""


def get_config(config, variant):
    config.title = "The camel: does a model leave out what it is told to leave out?"
    config.question = (
        "Next-token prediction and masked diffusion on the same codes and captions; the words as positions of the sequence, attended to "
        "besides, or as one mean vector: what decides whether 'no circle' keeps circles away?"
    )
    config.arms = {
        f"{objective}_{text}": f"configs/shapes.py:{objective} --config.data.source=shapes_codes:s8 --config.conditioning.text={text}"
        for objective in ("next_token", "masked_diffusion")
        for text in ("tokens", "cross", "pooled")
    }
    config.reference = "next_token_tokens"
    config.varies = "objective, conditioning.text, parameters, trunk_parameters, examples, supervised_targets"
    return config
