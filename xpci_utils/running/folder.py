"""What a folder of the user's own says about a run before it starts: its frames, its tiles, its synthetic pairs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from xpci_utils import paths, stages
from xpci_utils.params import ParameterError, PrepareFrames, Sweep
from xpci_utils.params.profiles import notebook_parameters, profiles_of_folders, sweep_of

if TYPE_CHECKING:
    from xpci_utils.importing.checkup import CheckUp


def frames_of(profile: str, own: Mapping[str, object]) -> PrepareFrames:
    """Notebook 01's parameters; ``own`` are those that name the user's folder, and its classes or fold.

    ParameterError if a folder is given to a profile that simulates its frames, or if it lies nowhere.
    """
    check_used(profile, own)
    frames = notebook_parameters(profile, "01_prepare_frames", own)
    assert isinstance(frames, PrepareFrames)
    if frames.source == "folder" and not paths.resolve(frames.source_folder).is_dir():
        raise ParameterError(
            f"there is no folder {paths.display(frames.source_folder)} with frames; give it by FRAMES=folder"
        )
    return frames


def check_used(profile: str, own: Mapping[str, object]) -> None:
    """ParameterError if a folder, or its classes, are given to a profile that would ignore them."""
    frames = notebook_parameters(profile, "01_prepare_frames")
    assert isinstance(frames, PrepareFrames)
    if own and frames.source == "simulator":
        raise ParameterError(
            f"profile {profile} simulates its frames and would ignore {own.get('source_folder') or 'the classes'}; "
            f"profiles for your own frames: {', '.join(profiles_of_folders())}"
        )


def grid_of(profile: str, root: Path, own: Mapping[str, object]) -> Sweep:
    """The grids of a run in ``root``, where counts for each frame have become numbers.

    The frames are those of the folder that ``own`` names; without one, those of the run, or of the profile's folder.
    """
    check_used(profile, own)
    sweep = sweep_of(profile)
    return sweep.for_frames(training_frames(profile, root, own)) if sweep.counts_per_frame else sweep


def training_frames(profile: str, root: Path, own: Mapping[str, object]) -> int:
    """Annotated training frames of a run in ``root``: of the folder that ``own`` names, or as `grid_of` says."""
    if "source_folder" not in own and (count := stages.training_frames(root)):
        return count
    from xpci_utils.frames import FolderError, splits_of

    frames = frames_of(profile, own)
    if frames.source == "simulator":
        return frames.train_frames
    try:
        splits = splits_of(frames.source_folder, frames.seed, frames.folds, frames.fold)
    except FolderError as error:
        raise ParameterError(str(error)) from None
    return list(splits.values()).count("train")


def look_at(profile: str, own: Mapping[str, object]) -> CheckUp | None:
    """The check-up of the user's folder, every file of it read; None for simulated frames.

    ParameterError names what cannot be used.
    """
    from xpci_utils.importing import check_up_folder

    frames = frames_of(profile, own)
    if frames.source == "simulator":
        return None
    dealt = {"seed": frames.seed, "folds": frames.folds, "fold": frames.fold}
    tiles = {"tile": frames.tile, "largest_tile": frames.largest_tile}
    try:
        return check_up_folder(frames.source_folder, frames.classes_path, **tiles, **dealt)
    except (ValueError, OSError) as error:  # FolderError among them
        raise ParameterError(str(error)) from None


def about(checkup: CheckUp | None, sweep: Sweep) -> str:
    """What a run makes of a folder: "24 annotated frames: 16 train, 4 val, 4 test; 0 and 400 synthetic pairs", and how
    they are cut; nothing for simulated frames."""
    if checkup is None:
        return ""
    counts = ", ".join(f"{(checkup.frames.split == split).sum()} {split}" for split in ("train", "val", "test"))
    *others, last = map(str, sorted(sweep.counts))
    pairs = " and ".join([", ".join(others), last] if others else [last])
    return f"{len(checkup.frames)} annotated frames: {counts}; {pairs} synthetic pairs\n{checkup.cut}"
