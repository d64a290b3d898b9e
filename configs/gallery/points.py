"""Points of a known distribution, in the plane and in space, by both families: how far each is from it is exact, or a bound."""

VARIANTS = tuple(f"{what}_{objective}" for what in ("mixture", "sphere") for objective in ("next_token", "noise_prediction"))


def get_config(config, variant):
    what, _, objective = variant.partition("_")
    config.shows = {"mixture": "points of a mixture of eight normals", "sphere": "points near a sphere"}[what] + f", {objective.replace('_', ' ')}"
    config.medium = "points"
    config.train = f"configs/points.py:{objective} --config.data.source=points:{what}"
    config.sample = "--config.sample.count=2048"
    config.figures = "chamfer=figures.samples.chamfer, bits a point under the truth=figures.samples.bits a point"
    return config
