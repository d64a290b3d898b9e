"""Handwritten digits by next-token prediction, in three orders of the pixels.

python scripts/compare.py --config=configs/compare/digits_orders.py --workdir=runs/orders
"""


def get_config(config, variant):
    config.title = "Handwritten digits: in what order?"
    config.question = (
        "Every order gives an exact likelihood of the same images. Row by row, along a curve that stays near where it was, or scattered: "
        "what does it cost?"
    )
    scans = {"raster": "raster", "hilbert": "hilbert", "scattered": "'random(seed=0)'"}
    config.arms = {name: f"configs/digits.py:next_token --config.next_token.scan={scan}" for name, scan in scans.items()}
    config.reference = "raster"
    config.match = "train_flops, parameters, examples"
    config.varies = "next_token.scan"
    return config
