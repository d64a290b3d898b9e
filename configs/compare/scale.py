"""Scenes of coloured shapes with once and four times the training compute, for both families.

python scripts/compare.py --config=configs/compare/scale.py --workdir=runs/scale

Hardware: 2 CPU cores, 2 to 8 minutes an arm.
"""


def get_config(config, variant):
    config.title = "Four times the compute"
    config.question = "How many bits nearer to the entropy does four times the training compute bring next-token and noise prediction?"
    config.arms = {
        f"{objective}{longer}": f"configs/shapes.py:{objective}" for objective in ("next_token", "noise_prediction") for longer in ("", "_longer")
    }
    config.reference = "next_token"
    config.budget = {"next_token_longer": 4.0, "noise_prediction_longer": 4.0}
    config.varies = "objective, data.source, parameters, trunk_parameters, examples, supervised_targets"
    return config
