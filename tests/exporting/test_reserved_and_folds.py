"""Names that mean something to other programs, folds of nnU-Net, unknown pixel sizes, and exports read again."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from xpci_utils.exporting import export, synthetic_set
from xpci_utils.exporting.__main__ import main
from xpci_utils.exporting.formats import renamed
from xpci_utils.frames import FrameSet, read_classes
from xpci_utils.importing import Request, import_frames, open_film
from xpci_utils.importing.layouts import open_masks


@pytest.fixture
def both(run_root):
    """Five synthetic and six annotated frames."""
    return synthetic_set(run_root, "vit_b", annotated=True)


def info(run_root, **changes):
    """frames.json of the run with other entries."""
    path = run_root / "frames/frames.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["ignore", "shell"], ["ignore_class", "shell"]),
        (["Void", "background"], ["Void_class", "background_class"]),
        (["ignore", "ignore_class"], ["ignore_class_class", "ignore_class"]),
        (["drop", "shell"], ["drop", "shell"]),
    ],
)
def test_reserved_names_of_classes_get_another(both, names, expected):
    items = renamed(replace(both, class_names=["background", *names]))
    assert items.class_names == ["background", *expected]
    assert all(
        f"class {n!r} is called {e!r} here" in items.description for n, e in zip(names, expected, strict=True) if n != e
    )


def test_a_class_called_ignore_stays_a_class(run_root, tmp_path, capsys):
    """nnU-Net's ignore label is another one, and the COCO file is read again with the class learnt, not ignored."""
    info(run_root, class_names=["background", "ignore", "shell"])
    out = tmp_path / "Dataset501_p"
    assert main([str(run_root), "nnunet", str(out), "--labeller", "vit_b", "--annotated"]) == 0
    assert "class 'ignore' is called 'ignore_class' here" in capsys.readouterr().out
    labels = json.loads((out / "dataset.json").read_text())["labels"]
    assert labels == {"background": 0, "ignore_class": 1, "shell": 2, "ignore": 3}
    both = synthetic_set(run_root, "vit_b", annotated=True)
    again = open_masks(export(both, "coco", tmp_path / "coco") / "annotations/instances_val.json", None)
    item = next(item for item in both if item.split == "val")
    assert np.array_equal(again.read(item.name), item.labels)
    assert (again.read(item.name) == 1).any()


def test_nnunet_validates_on_annotated_frames_alone(both, tmp_path):
    (fold,) = json.loads((export(both, "nnunet", tmp_path / "Dataset501_p") / "splits_final.json").read_text())
    assert fold["val"] == ["annotated_f3"]
    assert fold["train"] == [f"annotated_f{i}" for i in range(3)] + [f"synthetic_{i:06d}" for i in range(5)]


def test_no_fold_is_made_up_without_annotated_frames(run_root, tmp_path, capsys):
    out = tmp_path / "Dataset501_p"
    assert main([str(run_root), "nnunet", str(out), "--labeller", "vit_b"]) == 0
    assert not (out / "splits_final.json").exists()
    assert "nnU-Net validates on synthetic frames" in capsys.readouterr().out


def test_a_sequence_in_two_splits_is_refused(both, tmp_path):
    items = tuple(replace(item, sequence="film") if item.sequence else item for item in both)
    with pytest.raises(ValueError, match="sequence film lies in the train and in the val split"):
        export(replace(both, items=items), "nnunet", tmp_path / "Dataset501_p")


@pytest.mark.parametrize(("stored", "expected"), [(1.0, None), (2.0, 2.0), (0.65, 0.65)])
def test_an_unknown_pixel_is_not_written_as_one_micrometre(run_root, tmp_path, stored, expected):
    info(run_root, pixel_size_um=stored)
    out = export(synthetic_set(run_root, "vit_b", annotated=True), "imagej", tmp_path / "set")
    for path in out.glob("*.tif"):
        pixel_um = open_film(path).pixel_um
        assert pixel_um == (None if expected is None else pytest.approx(expected))
        with tifffile.TiffFile(path) as file:
            assert ("unit" in file.imagej_metadata) == (expected is not None)


def test_the_own_nnunet_export_can_be_read_again(both, tmp_path):
    """Frames, masks and what is ignored, with the names of classes out of dataset.json."""
    out = export(both, "nnunet", tmp_path / "Dataset501_p")
    items = {item.name: item for item in both if item.split == "train" and item.name.startswith("annotated")}
    for item in both:  # frames of one size
        if item.name not in items and item.split != "test":
            (out / f"imagesTr/{item.name}_0000.png").unlink()
            (out / f"labelsTr/{item.name}.png").unlink()
    import_frames(Request(out / "imagesTr", out / "labelsTr", tmp_path / "again"))
    assert [c.name for c in read_classes(tmp_path / "again/classes.yaml")] == both.class_names
    masks = open_masks(tmp_path / "again/masks", read_classes(tmp_path / "again/classes.yaml"))
    assert len(masks.names) == len(items) == 3
    for name in masks.names:
        assert np.array_equal(masks.read(name), items[name.removesuffix("_0000")].labels)
        assert np.array_equal(open_film(tmp_path / f"again/images/{name}.png")[0], items[name[:-5]].image)


def test_the_own_imagej_export_can_be_read_again(both, run_root, tmp_path):
    out, classes = export(both, "imagej", tmp_path / "set"), tmp_path / "classes.yaml"
    classes.write_text("classes:\n- {index: 1, name: a, colour: '#cc3311'}\n- {index: 2, name: b, colour: '#4477aa'}\n")
    import_frames(Request(out / "train_images.tif", out / "train_labels.tif", tmp_path / "again", classes))
    own = [item for item in both if item.source == "annotated" and item.split == "train"]
    for i, item in enumerate(own):
        assert np.array_equal(open_film(tmp_path / f"again/images/train_images_{i:05d}.png")[0], item.image)
        assert np.array_equal(tifffile.imread(out / "train_labels.tif")[i], item.labels)


def test_frames_with_names_like_synthetic_ones_stay_apart(run_root, tmp_path):
    """An annotated frame may be called anything; groups go by where an item is from."""
    both = synthetic_set(run_root, "vit_b", annotated=True)
    items = tuple(replace(i, name=f"synthetic_of_{i.name}") if i.source == "annotated" else i for i in both)
    out = export(replace(both, items=items), "imagej", tmp_path / "set")
    assert {path.name for path in out.glob("*_images.tif")} == {
        "synthetic_images.tif", "train_images.tif", "val_images.tif", "test_images.tif",
    }  # fmt: skip


def test_nnunet_itself_accepts_the_data_set_and_takes_its_fold(both, run_root, tmp_path, monkeypatch):
    """Its own check of a raw data set, and its own reading of folds, on what the export wrote."""
    pytest.importorskip("nnunetv2")
    for kind in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        monkeypatch.setenv(kind, str(tmp_path / kind))
    from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    out = export(both, "nnunet", tmp_path / "Dataset501_p")
    verify_dataset_integrity(str(out), num_processes=1)
    cases = sorted(path.name[:-4] for path in (out / "labelsTr").iterdir())

    class Cases:
        def __init__(self, *args, **options):
            self.identifiers = cases

    trainer = nnUNetTrainer.__new__(nnUNetTrainer)
    trainer.fold, trainer.dataset_class, trainer.folder_with_segs_from_previous_stage = 0, Cases, None
    trainer.preprocessed_dataset_folder = trainer.preprocessed_dataset_folder_base = str(out)
    trainer.print_to_log_file = lambda *args, **options: None
    train, val = trainer.do_split()
    assert list(val) == ["annotated_f3"]
    assert sorted([*train, *val]) == cases


def test_the_frame_set_tells_sequences(run_root):
    both = synthetic_set(run_root, "vit_b", annotated=True)
    rows = {row["name"]: row["sequence"] for row in FrameSet.open(run_root / "frames").rows}
    assert {i.name: i.sequence for i in both if i.sequence} == {f"annotated_{n}": s for n, s in rows.items()}
