"""Coloured shapes at three budgets, each spent on four widths, by both families: which size for which compute, and who needs less of it.

  python scripts/compare.py --config=configs/compare/isoflop.py --workdir=runs/isoflop --workers=2
  python scripts/isoflop.py --workdir=runs/isoflop

Hardware: 2 CPU cores, 25 minutes a seed; three seeds or more for intervals.
"""

WIDTHS = (32, 48, 64, 96)
BUDGETS = (1.0, 2.0, 4.0)


def get_config(config, variant):
    config.title = "Which size for which compute?"
    config.question = (
        "At each budget four sizes are trained to the end of a schedule of their own. Where is the best, and how does it move with compute?"
    )
    objectives = ("next_token", "noise_prediction")
    cells = {f"{objective} {width} x{budget:g}": (objective, width, budget) for objective in objectives for width in WIDTHS for budget in BUDGETS}
    config.arms = {name: f"configs/shapes.py:{objective} --config.model.width={width}" for name, (objective, width, _) in cells.items()}
    config.reference = "next_token 64 x1"
    config.budget = {name: budget for name, (_, _, budget) in cells.items() if budget != 1.0}
    config.varies = "objective, data.source, model.width, parameters, trunk_parameters, examples, supervised_targets"
    return config
