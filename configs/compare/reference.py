"""A picture as the prompt: draw the same object elsewhere.

python scripts/compare.py --config=configs/compare/reference.py --workdir=runs/reference

Hardware: 2 CPU cores, 2 minutes an arm.
"""


def get_config(config, variant):
    config.title = "The same objects, elsewhere"
    config.question = "A reference picture is told as words are: does either family copy its objects?"
    config.arms = {
        objective: f"configs/shapes.py:{objective} --config.data.source=shapes_codes:s8/told=reference --config.conditioning.text=tokens"
        for objective in ("next_token", "masked_diffusion")
    }
    config.reference = "next_token"
    config.varies = "objective, parameters, trunk_parameters, examples, supervised_targets"
    return config
