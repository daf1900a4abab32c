"""`python -m pipeline`: the command line, with a way out for Ctrl-C at any moment."""

import sys


def main() -> int:
    """Run the stage named on the command line; return the exit code."""
    try:
        # Imported here: Ctrl-C may come while the libraries are still being loaded.
        from pipeline.cli import main as run_stage

        return run_stage()
    except KeyboardInterrupt:
        print(
            "error: interrupted; the same command goes on from what is finished.", file=sys.stderr
        )
        return 130


if __name__ == "__main__":
    sys.exit(main())
