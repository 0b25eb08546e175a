"""Bring frames and annotations of any known format into a folder that notebook 01 reads.

xpci import film.tif masks.zip data/my_frames
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from xpci_utils import paths
from xpci_utils.frames import FolderError
from xpci_utils.frames.faults import CHANNELS
from xpci_utils.importing.apart import MOST
from xpci_utils.importing.checkup import check_up_folder
from xpci_utils.importing.convert import import_frames
from xpci_utils.importing.indices import CHOICES
from xpci_utils.importing.marked import EMPTY
from xpci_utils.importing.matching import PAIR_BY
from xpci_utils.importing.onto import AGAIN
from xpci_utils.importing.request import Request

FORMATS = """\
IMAGES  a folder of PNG or TIFF files or of such folders, a TIFF stack, HDF5 (/exchange/data), .mraw or .cine
MASKS   class indices, binary or instance masks as PNG, TIFF or /exchange/labels; CVAT "Segmentation mask 1.1" or "CVAT
        for images 1.1" (.zip); COCO .json; a folder of labelme or X-AnyLabeling; RoiSet.zip of Fiji; GeoJSON of QuPath
"""


def main(arguments: list[str] | None = None) -> int:
    """Import, say what was found, look it over; 0 when the folder was written, 2 when something was wrong."""
    given = vars(_parser().parse_args(arguments))
    options: dict[str, Any] = {name: _here(value) if name in PATHS else value for name, value in given.items()}
    request = Request(**options)
    try:
        record = import_frames(request)
    except (FolderError, ValueError, OSError) as error:
        print(f"error: {error}\nNothing was written.", file=sys.stderr)
        return 2
    print("\n".join(record["told"]))
    print("corrections:", "; ".join(record["corrections"]) or "none")
    print(f"written: {paths.display(request.out)}\n\n{check_up_folder(request.out)}")
    return 0


PATHS = ("images", "masks", "out", "classes", "flats", "darks", "sequences", "splits", "instance_classes", "onto")


def _here(value: str | None) -> Path | None:
    """Paths typed at a prompt count from where one stands."""
    return Path(value).expanduser().absolute() if value else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="xpci import",
        description=__doc__.splitlines()[0],
        epilog=FORMATS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("images", metavar="IMAGES", help="a film or a folder of frames, in any of the formats below")
    parser.add_argument("masks", metavar="MASKS", help="their annotations, in any of the formats below")
    parser.add_argument("out", metavar="OUT", help="the folder to write; it must not exist yet")
    parser.add_argument("--classes", help="names and colours, like data/classes.yaml; else the annotation tool's own")
    parser.add_argument("--flats", help="reference frames of the open beam, in any of the formats")
    parser.add_argument("--darks", help="reference frames without beam")
    parser.add_argument(
        "--correct",
        choices=["auto", "references", "median", "none"],
        default="auto",
        help="flat field: by reference frames, by the film's median over time, or none; auto: where there are flats",
    )
    parser.add_argument("--sequences", help="CSV name,sequence: frames that belong together stay in one split")
    parser.add_argument("--splits", help="folder with train.txt, val.txt and test.txt")
    parser.add_argument(
        "--unlabelled",
        type=_count,
        default=MOST,
        metavar="N",
        help="keep at most N of the frames without annotation, evenly spaced, in OUT/unlabelled (default: %(default)s)",
    )
    parser.add_argument("--annotated-only", action="store_true", help="leave out frames without annotation")
    parser.add_argument(
        "--given-frames-only", action="store_true", help="leave out annotations of frames that are not in IMAGES"
    )
    parser.add_argument(
        "--pair-by",
        choices=PAIR_BY,
        default="auto",
        help="which annotation belongs to which frame: by equal names, by the number in the names as it is or counted "
        "from one, in the order of the names; auto: the rule that names and pixels allow; otherwise the import asks",
    )
    parser.add_argument(
        "--grey",
        choices=["shown", "stored", *CHANNELS],
        default="shown",
        help="grey levels: as programs show them, as stored (behind a palette or a calibration), or computed from "
        "a colour picture",
    )
    parser.add_argument(
        "--onto", metavar="FOLDER", help="an earlier imported folder; OUT then also contains its frames"
    )
    parser.add_argument(
        "--again",
        choices=AGAIN,
        default="ask",
        help="with --onto, frames that are annotated there already: take the new annotation, or keep the old one",
    )
    parser.add_argument(
        "--gap", type=int, help="number of frames to leave out on each side of a cut between two splits"
    )
    parser.add_argument("--pixel-um", type=float, help="size of a pixel in the sample plane [um]")
    _add_readings(parser)
    return parser


def _count(text: str) -> int:
    if (number := int(text)) < 0:
        raise ValueError
    return number


def _add_readings(parser: argparse.ArgumentParser) -> None:
    """What decides where annotations can be read in two ways."""
    parser.add_argument(
        "--empty",
        choices=EMPTY,
        default="ask",
        help="frames on which nothing is marked: annotated, so without particles, or unlabelled, so not annotated yet",
    )
    parser.add_argument(
        "--take-unchecked", action="store_true", help="also take labels of a network that nobody has checked"
    )
    parser.add_argument(
        "--mask-values",
        choices=CHOICES,
        default="auto",
        help="what numbers in masks mean: class indices; binary, 0 and one value for the only class; instances, a "
        "number per particle; from-one, indices with 1 for the background (ilastik). auto: indices; the import asks "
        "if this is not certain",
    )
    parser.add_argument(
        "--instance-classes", help="CSV name,instance,class: classes of the particles in instance masks"
    )
    parser.add_argument(
        "--crowds",
        choices=["ask", "learn", "ignore"],
        default="ask",
        help="masks of COCO marked iscrowd: particles of their class (CVAT's brush), or pixels to ignore",
    )
    parser.add_argument(
        "--boxes",
        choices=["ask", "ignore", "fill"],
        default="ask",
        help="boxes of COCO without outline: ignore their pixels, or take the whole box for the particle",
    )
    parser.add_argument(
        "--ignore-label", action="append", default=[], help="a label whose pixels are ignored; may be given repeatedly"
    )


if __name__ == "__main__":
    sys.exit(main())
