"""Scenes of coloured shapes: how many bits more than their exact -log2 p three ways of learning need, with the same trunk and training compute.

python scripts/compare.py --config=configs/compare/shapes.py --workdir=runs/shapes          (or shapes.py:s24, shapes.py:s32)
"""

VARIANTS = ("s16", "s24", "s32")


def get_config(config, variant):
    config.title = "Coloured shapes: bits above the entropy"
    config.question = (
        "The same scenes of a known entropy as codes and as patches of pixels, one trunk, one training budget: "
        "what of the gap between next-token and noise prediction is the objective, and what is the data type?"
    )
    forms = {"next_token": "shapes_codes", "masked_diffusion": "shapes_codes", "noise_prediction": "shapes"}
    config.arms = {name: f"configs/shapes.py:{name} --config.data.source={form}:{variant or 's16'}" for name, form in forms.items()}
    config.reference = "next_token"
    # What is learned, and of which form of the data: codes or pixels of the same scenes. Embeddings and heads differ with it, and a trunk that is
    # told of the noise level has the maps of that besides.
    config.varies = "objective, data.source, parameters, trunk_parameters, examples, supervised_targets"
    return config
