"""C24: does prediction have to be sequential in space?

python scripts/claims.py --name=c24_scattered
"""


def get_config(config, variant):
    config.number = "C24"
    config.aspect = "pixels in a scattered order"
    config.statement = "A language model works sequentially, from left to right."
    config.hypothesis = "Neighbourhood helps a small model: scattered over the image, a value costs at least 0.05 bit more than row by row."
    config.if_supported = "In part: an order that keeps neighbours together is what helps."
    config.if_refuted = "Not so: any order will do."
    config.confounds = "Any order is exact in principle; what is measured is how easily a small model learns it."
    config.compare = "configs/compare/digits_orders.py"
    config.training = "train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "scattered"
    config.second = "raster"
    config.metric = "bits_per_dim"
    config.seeds = 5
    config.direction = "greater"
    config.margin = 0.05
    return config
