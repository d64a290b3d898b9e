"""One trunk that writes words by next-token prediction and draws pictures by noise prediction, in either order."""

VARIANTS = ("draws", "describes")


def get_config(config, variant):
    shows = {"draws": "'a red circle', drawn", "describes": "a picture, put into words"}[variant]
    config.shows = f"{shows} by one trunk for words and pictures, hybrid"
    config.train = "configs/shapes.py:hybrid --config.data.source=shapes:s8 --config.hybrid.describes=0.5 --config.train.duration='4000 steps'"
    if variant == "draws":
        config.evaluate = "--config.sample.count=500"
        config.sample = "--prompt='a red circle' --config.sample.count=10"
        config.figures = "follow their captions=following.rows.all.follow.value, and show nothing but shapes=following.rows.all.strict.value"
    else:
        config.medium = "text"
        config.evaluate = "--describer=shapes_hybrid_draws --config.sample.count=500"
        config.sample = "--image=held_out --describe --config.sample.count=3"
        config.figures = "words true of the picture=round_trip.said.value, drawn again as its caption says=round_trip.back.value"
    return config
