"""Check that training works on this machine: versions, devices, sums over devices, writing and locking, the compile cache, a step of each family.

  python scripts/doctor.py
  python scripts/doctor.py --folder=/shared/runs

Prints a line for every check, to be pasted into a question. Exit codes: 0 all is well, 1 something is not.
"""

from genjax import cli

FLAGS = [cli.Flag("folder", "where runs are to be written; default: the folder of temporary files")]


def main(args):
    from genjax.errors import GenjaxError
    from genjax.evaluation import doctor

    failed = doctor.check(args.folder)
    if failed:
        raise GenjaxError(f"not well: {', '.join(failed)}")


if __name__ == "__main__":
    cli.run(main, __doc__, FLAGS, config="none")
