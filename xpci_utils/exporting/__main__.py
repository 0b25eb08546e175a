"""Export the synthetic frames of a run, with their labels, to a layout that other programs read.

xpci export runs/own_frames nnunet nnUNet_raw/Dataset501_particles --annotated
"""

import argparse
import sys
from pathlib import Path

from xpci_utils import paths, stages
from xpci_utils.exporting import FORMATS, export, synthetic_set
from xpci_utils.exporting.formats import renamed


def main(arguments: list[str] | None = None) -> int:
    """Write the folder and say what is in it; 0, or 2 when nothing could be written."""
    options = _parser().parse_args(arguments)
    out = Path(options.out).expanduser().absolute()
    try:
        chosen = synthetic_set(options.run_root, options.labeller, options.pool, options.annotated, options.count)
        export(chosen, options.layout, out)
    except (stages.StageError, FileNotFoundError, FileExistsError, ValueError) as error:
        print(f"error: {error}\nNothing was written.", file=sys.stderr)
        return 2
    told = renamed(chosen).told if options.layout in ("nnunet", "coco") else chosen.told
    print(f"{told}\nwritten: {paths.display(out)}")
    if options.layout == "nnunet":
        print(_about_folds(out))
    return 0


def _about_folds(out: Path) -> str:
    """What nnU-Net will validate on, and what to do about it."""
    if (out / "splits_final.json").is_file():
        return (
            "fold 0 validates on annotated frames alone: after nnUNetv2_plan_and_preprocess copy splits_final.json to "
            f"nnUNet_preprocessed/{out.name}/, and train fold 0"
        )
    return (
        "no splits_final.json: without annotated validation frames (--annotated) nnU-Net validates on synthetic "
        "frames, and its scores say little"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="xpci export", description=__doc__.splitlines()[0])
    parser.add_argument("run_root", metavar="RUN", help="folder of a run, like runs/own_frames")
    parser.add_argument("layout", choices=list(FORMATS), help="which program it is for")
    parser.add_argument("out", metavar="OUT", help="the folder to write; it must not exist yet")
    parser.add_argument("--labeller", default="", help="whose labels; needed when there are several")
    parser.add_argument("--pool", default="ddpm", help="which pool of the run")
    parser.add_argument("--count", type=int, default=0, help="the first so many pairs; 0: all")
    parser.add_argument("--annotated", action="store_true", help="add the annotated frames, with their splits")
    return parser


if __name__ == "__main__":
    sys.exit(main())
