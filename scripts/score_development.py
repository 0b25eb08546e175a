"""Score every finished labeller and network of a run on its development frames, on which choices are made.

    python scripts/score_development.py runs/laptop [--frames 400] [--again] [--threads 1]

Development frames are simulated once, like the frames of the run, from sequences that no stage trains or tests on
(`simulation/roles.py`). Labellers get the true masks, as in Table 5. What is scored already is left as it is, so that
the command can be given after every new cell. The table is RUN_ROOT/development/scores.csv, and it is printed.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from xpci_utils.development import METRICS, SCORES_FILE, score_run
from xpci_utils.simulation import DEVELOPMENT_FRAMES
from xpci_utils.stages import StageError
from xpci_utils.training import set_threads


def main() -> int:
    """Score and print; exit code 1 with a sentence if the run or its table cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run_root", type=Path, help="folder of the run, such as runs/laptop")
    parser.add_argument("--frames", type=int, default=DEVELOPMENT_FRAMES, help="development frames (default: 400)")
    parser.add_argument("--again", action="store_true", help="score what was made again since, instead of refusing it")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    options = parser.parse_args()
    set_threads(options.threads)
    try:
        scores = score_run(options.run_root, options.frames, options.again)
    except (StageError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(printed(scores))
    print(f"table: {options.run_root / SCORES_FILE}")
    return 0


def printed(scores: pd.DataFrame) -> str:
    """One line per labeller or network, one column per metric."""
    if scores.empty:
        return "no labeller and no network of this run is finished"
    wide = scores.pivot_table(index=["row", "labeller", "seed"], columns="metric", values="value", sort=False)
    return wide[[*METRICS]].round(4).to_string()


if __name__ == "__main__":
    sys.exit(main())
