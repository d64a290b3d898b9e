"""Next-token prediction of scenes of coloured shapes, as codes and value by value: the fourth cell of family x form.

python scripts/compare.py --config=configs/compare/pixels.py --workdir=runs/pixels

The other three are in configs/compare/shapes.py.
"""


def get_config(config, variant):
    config.title = "Next-token prediction of codes and of pixels"
    config.question = (
        "The same scenes as 64 codes and as 768 values of 256 levels: what does next-token prediction lose on the form of the data "
        "that noise prediction has?"
    )
    # Small batches: of pixels some twenty times fewer scenes are seen at equal compute, and many steps are to be left of them.
    recipe = "configs/shapes.py:next_token --config.data.batch_size=8"
    config.arms = {"codes": recipe, "pixels": f"{recipe} --config.data.source=shapes:s16"}
    config.reference = "codes"
    config.varies = "data.source, parameters, examples, supervised_targets"
    return config
