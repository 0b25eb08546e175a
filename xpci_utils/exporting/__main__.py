"""Export the synthetic frames of a run, or the frames of a film to annotate next, for other programs.

xpci export runs/own_frames nnunet nnUNet_raw/Dataset501_particles --annotated
xpci export runs/own_frames/video/film cvat to_correct
"""

import argparse
import sys
from pathlib import Path

from xpci_utils import paths, stages
from xpci_utils.exporting import FORMATS, ExportSet, export, is_suggested, suggested_set, synthetic_set
from xpci_utils.exporting.formats import renamed
from xpci_utils.importing.base import UNCHECKED


def main(arguments: list[str] | None = None) -> int:
    """Write the folder and say what is in it; 0, or 2 when nothing could be written."""
    options = _parser().parse_args(arguments)
    out, here = Path(options.out).expanduser().absolute(), Path(options.run_root).expanduser().absolute()
    options.run_root = here if here.exists() else options.run_root
    try:
        chosen = _chosen(options)
        export(chosen, options.layout, out)
    except (stages.StageError, FileNotFoundError, FileExistsError, ValueError) as error:
        print(f"error: {error}\nNothing was written.", file=sys.stderr)
        return 2
    description = renamed(chosen).description if options.layout in ("nnunet", "coco") else chosen.description
    print(f"{description}\nwritten: {paths.display(out)}")
    if not all(item.checked for item in chosen):
        print(_about_correcting(options.layout))
    if options.layout == "nnunet" and not is_suggested(options.run_root):
        print(_about_folds(out))
    return 0


def _chosen(options: argparse.Namespace) -> ExportSet:
    if not is_suggested(options.run_root):
        if options.old_proposals:
            raise ValueError(f"--old-proposals is for the folder of a film, not for {paths.display(options.run_root)}")
        return synthetic_set(options.run_root, options.labeller, options.pool, options.annotated, options.count)
    if options.annotated or options.labeller:
        raise ValueError(
            f"{paths.display(options.run_root)} holds frames to annotate next; --annotated and --labeller are for the "
            "folder of a run"
        )
    return suggested_set(options.run_root, options.count, options.old_proposals)


def _about_correcting(layout: str) -> str:
    """How frames with a network's labels come back."""
    mark = {"cvat": f"remove the tag {UNCHECKED!r}", "labelme": f"untick the flag {UNCHECKED!r}"}.get(layout)
    if mark is None:
        return f"{layout} cannot mark what nobody has looked at: give the import only what you corrected, or use cvat"
    return f"correct the labels, {mark} of every frame that is right, and import them with --onto (docs/own_frames.md)"


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
    parser.add_argument(
        "run_root",
        metavar="RUN",
        help="folder of a run, like runs/own_frames, or of a film in it, like runs/own_frames/video/film",
    )
    parser.add_argument("layout", choices=list(FORMATS), help="which program it is for")
    parser.add_argument("out", metavar="OUT", help="the folder to write; it must not exist yet")
    parser.add_argument("--labeller", default="", help="whose labels; needed when there are several")
    parser.add_argument("--pool", default="ddpm", help="which pool of the run")
    parser.add_argument("--count", type=int, default=0, help="the first so many pairs; 0: all")
    parser.add_argument("--annotated", action="store_true", help="add the annotated frames, with their splits")
    parser.add_argument(
        "--old-proposals",
        action="store_true",
        help="export a film's frames to annotate next although the network was trained again since they were proposed",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
