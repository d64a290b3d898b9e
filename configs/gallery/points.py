"""Points of a known distribution, in the plane and in space, by both families: how far each is from it is exact, or a bound."""

SHOWS = {
    "mixture": "points of a mixture of eight normals",
    "moons": "points of two half moons",
    "spirals": "points of two spirals",
    "sphere": "points near a sphere",
    "torus": "clouds of 64 points each near a ring, all of them at once",
}
OBJECTIVES = ("next_token", "noise_prediction")
VARIANTS = tuple(f"{what}_{objective}" for what in SHOWS for objective in OBJECTIVES)


def get_config(config, variant):
    what, _, objective = variant.partition("_")
    config.shows = f"{SHOWS[what]}, {objective.replace('_', ' ')}"
    config.medium = "points"
    config.train = f"configs/points.py:{objective} --config.data.source=points:{what}"
    config.sample = "--config.sample.count=2048"
    if what == "torus":  # a row is a cloud: a set of 64 to noise prediction, and a sequence of 192 numbers to next-token prediction
        config.train += "/n=64 --config.data.batch_size=32 --config.data.eval_batch_size=64"
        config.train += " --config.model.positions=none" * (objective == "noise_prediction")
        config.evaluate = "--config.evaluate.examples=256 --config.sample.count=64"
        config.sample = "--config.sample.count=8"
    config.figures = "chamfer=figures.samples.chamfer, bits a point under the truth=figures.samples.bits a point"
    return config
