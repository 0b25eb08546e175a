"""More annotated frames onto an imported folder: corrected, in folders, by other spellings, and with a new class."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from PIL import Image

from xpci_utils.exporting import ExportSet, Item, export
from xpci_utils.frames import check_folder, read_classes, unlabelled
from xpci_utils.frames.files import write_png
from xpci_utils.frames.pictures import read_grey, read_indices
from xpci_utils.importing.__main__ import main

COUNT, HEIGHT, WIDTH = 30, 40, 48
CLASSES = [{"index": 1, "name": "drop", "colour": "#cc3311"}, {"index": 2, "name": "shell", "colour": "#4477aa"}]


def squares(i):
    """Label map of frame i: two squares that move a pixel per frame."""
    labels, x = np.zeros((HEIGHT, WIDTH), np.uint8), 4 + i % 30
    labels[6:14, x : x + 8] = 1
    labels[24:30, WIDTH - x - 8 : WIDTH - x] = 2
    return labels


def shown(seed=0):
    """uint16 [30, 40, 48]: the squares on noise."""
    rng = np.random.default_rng(seed)
    return np.stack(
        [1000 + 300 * (squares(i) > 0) + rng.integers(0, 60, (HEIGHT, WIDTH)) for i in range(COUNT)]
    ).astype(np.uint16)


def save_stack(path, frames):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, frames, photometric="minisblack", metadata={"axes": "TYX"})
    return path


def save_masks(folder, masks):
    """A mask of class indices by frame name."""
    folder.mkdir()
    for name, labels in masks.items():
        Image.fromarray(labels).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def classes_file(tmp_path):
    (tmp_path / "classes.yaml").write_text(yaml.safe_dump({"classes": CLASSES}))
    return tmp_path / "classes.yaml"


@pytest.fixture
def bring(classes_file, capsys):
    """Import as the command does: what it printed; an error is expected where ``refused``."""

    def run(*arguments, refused=False, onto=None):
        given = ["--onto", onto] if onto else ["--classes", classes_file, "--pixel-um", 2]
        assert main([str(one) for one in (*arguments, *given)]) == (2 if refused else 0), capsys.readouterr().err
        printed = capsys.readouterr()
        return printed.err if refused else printed.out

    return run


def content(folder):
    own = check_folder(folder, read_classes(folder / "classes.yaml"))
    return own, {name: read_indices(path) for name, path in own.masks.items()}


@pytest.mark.parametrize("by", ["references", "median"])
def test_new_frames_are_corrected_as_the_earlier_ones(by, bring, tmp_path):
    """Without saying so again, by flats and darks of then, or by the median: both folders hold equal intensities."""
    beam = 1 + 0.4 * np.sin(np.arange(WIDTH) / 7)
    film = save_stack(tmp_path / "june.tif", (64 + shown() * beam).astype(np.uint16))
    options = ["--correct", "median"]
    if by == "references":
        flats = save_stack(tmp_path / "flats.tif", np.full((4, HEIGHT, WIDTH), 64 + 1000 * beam).astype(np.uint16))
        darks = save_stack(tmp_path / "darks.tif", np.full((4, HEIGHT, WIDTH), 64, np.uint16))
        options = ["--flats", flats, "--darks", darks]
    every = {f"june_{i:05d}": squares(i) for i in range(0, COUNT, 2)}
    few = {name: labels for i, (name, labels) in enumerate(every.items()) if i % 3}
    new = {name: labels for name, labels in every.items() if name not in few}
    bring(film, save_masks(tmp_path / "few", few), tmp_path / "first", *options)
    printed = bring(film, save_masks(tmp_path / "new", new), tmp_path / "second", onto=tmp_path / "first")
    assert f"{len(new)} frames are added to the {len(few)}" in printed
    bring(film, save_masks(tmp_path / "every", every), tmp_path / "at_once", *options)
    (second, masks), (at_once, _) = content(tmp_path / "second"), content(tmp_path / "at_once")
    assert second.images.keys() == at_once.images.keys() == every.keys()
    for name in every:
        assert read_grey(second.images[name]).dtype == np.float32
        assert np.array_equal(read_grey(second.images[name]), read_grey(at_once.images[name]))
        assert np.array_equal(masks[name], every[name])


def in_folders(tmp_path):
    """Two films as numbered pictures in frames/run0 and frames/run1, the second upside down."""
    for run in (0, 1):
        for i, frame in enumerate(shown(run)[:, :: 1 - 2 * run]):
            path = tmp_path / f"frames/run{run}/f_{i:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(frame).save(path)
    return tmp_path / "frames"


def test_folders_of_frames_keep_their_sequences(bring, tmp_path):
    """A new frame is in the split of the frames beside it in its own folder."""
    frames = in_folders(tmp_path)
    first = {f"run{run}_f_{i:03d}": squares(i)[:: 1 - 2 * run] for run in (0, 1) for i in range(0, COUNT, 3)}
    bring(frames, save_masks(tmp_path / "first_masks", first), tmp_path / "first")
    old = check_folder(tmp_path / "first", read_classes(tmp_path / "first/classes.yaml"))
    place = {one.name: one.sequence for one in unlabelled(tmp_path / "first", old)}
    new = {f"run{run}_f_{i:03d}": squares(i)[:: 1 - 2 * run] for run in (0, 1) for i in (4, 16, 25)}
    masks = save_masks(tmp_path / "new_masks", new)
    bring(frames, masks, tmp_path / "second", onto=tmp_path / "first")
    second, labels = content(tmp_path / "second")
    assert second.images.keys() == old.images.keys() | new.keys()
    assert {name: second.sequences[name] for name in new} == {name: place[name] for name in new}
    assert {name: second.splits[name] for name in old.splits} == old.splits
    assert all(np.array_equal(labels[name], new[name]) for name in new)


def test_a_film_by_another_name_is_known_by_its_pixels(bring, tmp_path):
    """A folder lower, or renamed: as a new film its frames would be learnt from, beside those that are tested on."""
    frames = in_folders(tmp_path)
    first = {f"run{run}_f_{i:03d}": squares(i)[:: 1 - 2 * run] for run in (0, 1) for i in range(0, COUNT, 3)}
    bring(frames, save_masks(tmp_path / "first_masks", first), tmp_path / "first")
    masks = save_masks(tmp_path / "new_masks", {f"f_{i:03d}": squares(i)[::-1] for i in (4, 16, 25)})
    message = bring(frames / "run1", masks, tmp_path / "second", onto=tmp_path / "first", refused=True)
    assert f"f_000 of {frames / 'run1'} is run1_f_000 of {tmp_path / 'first'}, pixel for pixel" in message
    assert not (tmp_path / "second").exists()


def test_names_that_a_mac_decomposed_are_the_same_frames(bring, tmp_path):
    """The film with composed names first (NFC), then copied from a Mac (NFD), annotated in either form."""
    name = "Tröpfchen"
    forms = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
    assert forms[0] != forms[1]
    films = [save_stack(tmp_path / form / f"{own}.tif", shown()) for form, own in zip(("c", "d"), forms, strict=True)]
    first = {f"{forms[0]}_{i:05d}": squares(i) for i in range(0, COUNT, 3)}
    bring(films[0], save_masks(tmp_path / "first_masks", first), tmp_path / "first")
    old = check_folder(tmp_path / "first", read_classes(tmp_path / "first/classes.yaml"))
    place = {one.name: one.sequence for one in unlabelled(tmp_path / "first", old)}
    for kind, form in zip(("c", "d"), forms, strict=True):
        masks = save_masks(tmp_path / f"masks_{kind}", {f"{form}_00004": squares(4)})
        printed = bring(films[1], masks, tmp_path / f"second_{kind}", "--pair-by", "name", onto=tmp_path / "first")
        assert "1 frames are added" in printed
        second, labels = content(tmp_path / f"second_{kind}")
        (added,) = second.images.keys() - old.images.keys()
        assert added == f"{forms[0]}_00004"
        assert second.sequences[added] == place[added]
        assert np.array_equal(labels[added], squares(4))


def cvat_with(folder, names, classes):
    """Corrected frames as CVAT exports them, in which class 3 is new."""
    items = []
    for name in names:
        labels = squares(int(name[-5:]))
        labels[34:38, 2:9] = len(classes)
        for kind, pixels in (("image", np.zeros_like(labels)), ("labels", labels)):
            write_png(folder / f"{name}_{kind}.png", pixels)
        items.append(Item(name, "next", "", folder / f"{name}_image.png", folder / f"{name}_labels.png"))
    named = ["background", *classes], ["#000000", *(f"#{i}{i}4477" for i in range(10, 10 + len(classes)))]
    return export(ExportSet(tuple(items), *named, None, ""), "cvat", folder / "out") / "annotations.xml"


def test_a_new_class_is_asked_for_and_comes_behind_the_others(bring, tmp_path):
    film = save_stack(tmp_path / "june.tif", shown())
    first = {f"june_{i:05d}": squares(i) for i in range(0, COUNT, 3)}
    bring(film, save_masks(tmp_path / "first_masks", first), tmp_path / "first")
    new = ["june_00004", "june_00016"]
    masks = cvat_with(tmp_path / "cvat", new, ["drop", "shell", "dust"])
    message = bring(film, masks, tmp_path / "second", onto=tmp_path / "first", refused=True)
    assert "has the class 'dust', which the classes file does not list (it lists drop, shell)" in message
    assert f"behind the others in a copy of {tmp_path / 'first'}/classes.yaml and give that (--classes)" in message
    longer = tmp_path / "longer.yaml"
    longer.write_text(yaml.safe_dump({"classes": [*CLASSES, {"index": 3, "name": "dust", "colour": "#999933"}]}))
    bring(film, masks, tmp_path / "second", "--classes", longer, onto=tmp_path / "first")
    classes = read_classes(tmp_path / "second/classes.yaml")
    assert [one.name for one in classes] == ["background", "drop", "shell", "dust"]
    _, labels = content(tmp_path / "second")
    assert all(np.array_equal(labels[name], first[name]) for name in first)
    assert {name for name, own in labels.items() if (own == 3).any()} == set(new)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(yaml.safe_dump({"classes": [{**one, "index": i} for i, one in enumerate(CLASSES[::-1], 1)]}))
    message = bring(film, masks, tmp_path / "third", "--classes", wrong, onto=tmp_path / "first", refused=True)
    assert "does not begin with the classes of" in message
    assert not Path(tmp_path / "third").exists()


def test_a_new_class_in_masks_of_numbers_is_asked_for(bring, tmp_path):
    """The message gives the file, the value and its place, and the file of classes to copy; then the value arrives."""
    film = save_stack(tmp_path / "june.tif", shown())
    first = {f"june_{i:05d}": squares(i) for i in range(0, COUNT, 3)}
    bring(film, save_masks(tmp_path / "first_masks", first), tmp_path / "first")
    new = {"june_00004": squares(4), "june_00016": squares(16)}
    new["june_00016"][34:38, 2:9] = new["june_00016"][34:38, 20:24] = 3
    masks = save_masks(tmp_path / "new_masks", new)
    message = bring(film, masks, tmp_path / "second", onto=tmp_path / "first", refused=True)
    assert "june_00016.png holds class index 3 (44 pixels, the first in row 34, column 2)" in message
    assert "but the classes file ends at 2 (shell); if this is a new class, add it behind the others" in message
    assert f"in a copy of {tmp_path / 'first'}/classes.yaml and give that (--classes); otherwise correct" in message
    assert not (tmp_path / "second").exists()
    longer = tmp_path / "longer.yaml"
    longer.write_text(yaml.safe_dump({"classes": [*CLASSES, {"index": 3, "name": "dust", "colour": "#999933"}]}))
    bring(film, masks, tmp_path / "second", "--classes", longer, onto=tmp_path / "first")
    _, labels = content(tmp_path / "second")
    assert all(np.array_equal(labels[name], own) for name, own in (first | new).items())
