"""What the numbers in masks mean: class indices, 0 and 255, one number per particle, labels counted from 1."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from xpci_utils.frames import FolderError, check_folder, read_classes
from xpci_utils.frames.mask_values import looks_like_instances, values_of
from xpci_utils.importing import check_up_folder
from xpci_utils.importing.__main__ import main

ONE = "classes: [{index: 1, name: drop, colour: '#cc3311'}]"


@pytest.fixture
def outcome(bench, capsys):
    """Import; returns (exit code, what was printed)."""

    def run(*options):
        bench.options += options
        code = main(bench.arguments)
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


def masks(bench, *arrays, count=10, name="masks/f{}.png"):
    """The masks of the bench, in turn the given arrays, and images beside them."""
    for i in range(count):
        bench.png(name.format(i), arrays[i % len(arrays)])


def numbered(count, dtype=np.uint8):
    """Particles 1 ... count in columns of a mask [12, 16], each in one piece, between background."""
    mask = np.zeros((12, 16), dtype)
    for i in range(count):
        mask[2:9, 1 + 2 * i] = i + 1
    return mask


def arrived(bench, name="f3"):
    return np.array(Image.open(bench.out / "masks" / f"{name}.png"))


# 0 and 255


def test_masks_of_0_and_255_are_asked_about(bench, outcome):
    masks(bench, bench.mask * 255)
    code, output = outcome()
    assert code == 2
    assert "10 of 10 masks hold 255 and no class (first: f0); 255 means 'ignored' here" in output
    assert "--mask-values indices" in output
    assert "binary if all particles are of one class" in output


def test_masks_of_two_people_are_asked_about(bench, outcome):
    masks(bench, bench.mask, bench.mask * 255)
    code, output = outcome()
    assert code == 2
    assert "5 of 10 masks hold 255 and no class (first: f1)" in output


@pytest.mark.parametrize("stored", [(255,), (1, 255), (1, 128, 255), (7,)])
def test_binary_masks_hold_the_only_class_whatever_its_value(bench, outcome, stored):
    (bench / "classes.yaml").write_text(ONE)
    masks(bench, *(bench.mask * value for value in stored))
    code, output = outcome("--mask-values", "binary")
    assert code == 0, output
    assert "mask values: 0 is background, the other value of a mask is the class 'drop'" in output
    for i in range(3):
        assert np.array_equal(arrived(bench, f"f{i}"), bench.mask)


def test_masks_of_0_and_255_with_ignored_pixels_as_the_command_says(bench, outcome):
    masks(bench, bench.mask, bench.mask, bench.mask, bench.mask * 255)
    code, output = outcome("--mask-values", "indices")
    assert code == 0
    assert np.array_equal(arrived(bench), bench.mask * 255)
    assert "2 masks hold 255 and no class (f3, f7): these pixels are ignored, not learnt" in output


def test_binary_masks_and_several_classes_do_not_go_together(bench, outcome):
    masks(bench, bench.mask * 255)
    code, output = outcome("--mask-values", "binary")
    assert code == 2
    assert "is to hold one class (--mask-values binary), but the classes file lists 2" in output


def test_binary_masks_hold_one_value(bench, outcome):
    (bench / "classes.yaml").write_text(ONE)
    masks(bench, bench.mask + bench.mask[::-1] * 3)
    code, output = outcome("--mask-values", "binary")
    assert code == 2
    assert "holds the values 1 and 3; binary masks hold 0 and one other" in output


def test_another_value_for_the_class_is_named_with_the_way(bench, outcome):
    masks(bench, bench.mask * 200)
    code, output = outcome()
    assert code == 2
    assert "holds class index 200" in output
    assert "if 200 marks the particles of one class, import with --mask-values binary" in output


def test_255_beside_a_class_is_ignored_as_before(bench, outcome):
    masks(bench, bench.mask + bench.mask[::-1] * 255)
    assert outcome()[0] == 0
    assert np.array_equal(arrived(bench), bench.mask + bench.mask[::-1] * 255)


# the folder layout that needs no import


def laid_out(folder, *arrays):
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    (folder / "classes.yaml").write_text(
        "classes: [{index: 1, name: drop, colour: '#cc3311'}, {index: 2, name: shell, colour: '#cc1133'},"
        "{index: 3, name: dust, colour: '#cc3333'}, {index: 4, name: ash, colour: '#cc2211'}]"
    )
    rng = np.random.default_rng(0)
    for i in range(12):
        Image.fromarray(rng.integers(0, 255, (12, 16), dtype=np.uint8)).save(folder / f"images/f{i:02d}.png")
        Image.fromarray(arrays[i % len(arrays)]).save(folder / f"masks/f{i:02d}.png")
    return folder


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ([numbered(1) * 255], r"12 of 12 masks hold 255 and no class"),
        ([numbered(1), numbered(1), numbered(1) * 255], r"4 of 12 masks hold 255 and no class \(first: f02\)"),
        ([numbered(2), numbered(4), numbered(3)], r"each of 12 masks counts its pieces 1, 2, 3, \.\.\. \(see f01\)"),
        ([numbered(6)], r"holds class index 5 .*; if every number is one particle .*--mask-values instances"),
        ([numbered(1) * 100], r"holds class index 100 .*; if 100 marks the particles of one class, .*binary"),
    ],
    ids=["0 and 255", "of two people", "instances", "more instances than classes", "one other value"],
)
def test_doubtful_numbers_in_a_folder_are_asked_about(tmp_path, arrays, sentence):
    folder = laid_out(tmp_path / "my", *arrays)
    with pytest.raises(FolderError, match=sentence):
        check_folder(folder, read_classes(folder / "classes.yaml"))


@pytest.mark.parametrize("choice", ["indices", "instances"])
def test_the_way_that_is_shown_for_a_folder_works(tmp_path, choice, capsys):
    folder, new = laid_out(tmp_path / "my", numbered(2), numbered(4), numbered(3)), tmp_path / "new"
    one = tmp_path / "one.yaml"
    one.write_text(ONE)
    classes = folder / "classes.yaml" if choice == "indices" else one
    paths = [str(p) for p in (folder / "images", folder / "masks", new, "--classes", classes)]
    assert main([*paths, "--mask-values", choice]) == 0, capsys.readouterr().err
    content = check_folder(new, read_classes(new / "classes.yaml"))
    assert len(content.masks) == 12
    expected = numbered(4) if choice == "indices" else (numbered(4) > 0).astype(np.uint8)
    assert np.array_equal(np.array(Image.open(new / "masks/f01.png")), expected)


def test_a_folder_without_background_is_told(tmp_path):
    folder = laid_out(tmp_path / "my", np.where(numbered(1), 2, 1).astype(np.uint8))
    output = str(check_up_folder(folder))
    assert "no pixel of any mask is background (0)" in output
    assert "--mask-values from-one" in output


def test_one_piece_of_each_class_in_every_frame_is_no_instance_mask():
    assert not looks_like_instances({"a": values_of(numbered(3)), "b": values_of(numbered(3))})
    assert not looks_like_instances({"a": values_of(numbered(1)), "b": values_of(numbered(2))})
    assert looks_like_instances({"a": values_of(numbered(1)), "b": values_of(numbered(3))})
    scattered = numbered(3)
    scattered[11, 15] = 2
    assert not looks_like_instances({"a": values_of(numbered(1)), "b": values_of(scattered)})


# labels from 1


def test_labels_counted_from_1_are_asked_about_and_read(bench, outcome):
    masks(bench, bench.mask + 1)
    code, output = outcome()
    assert code == 2
    assert "no pixel of any mask is 0 (background), and every mask holds 1; ilastik counts labels from 1" in output
    code, output = outcome("--mask-values", "from-one")
    assert code == 0
    assert np.array_equal(arrived(bench), bench.mask)


def test_what_nobody_labelled_in_ilastik_is_ignored(bench, outcome):
    labels = bench.mask + 1
    labels[0, :4] = 0
    masks(bench, labels)
    assert outcome("--mask-values", "from-one")[0] == 0
    assert np.array_equal(arrived(bench), np.where(labels == 0, 255, bench.mask))


def test_frames_without_background_are_taken_when_the_command_says_so(bench, outcome):
    masks(bench, bench.mask + 1)
    assert outcome("--mask-values", "indices")[0] == 0
    assert np.array_equal(arrived(bench), bench.mask + 1)


# instances


def test_instances_of_one_class(bench, outcome):
    (bench / "classes.yaml").write_text(ONE)
    masks(bench, numbered(2), numbered(7), numbered(4))
    code, output = outcome()
    assert code == 2
    assert "--mask-values instances" in output
    code, output = outcome("--mask-values", "instances")
    assert code == 0
    assert "every number is one particle, and all are of the class 'drop'" in output
    assert np.array_equal(arrived(bench, "f1"), (numbered(7) > 0).astype(np.uint8))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_more_than_254_instances_of_which_none_is_255_ignored(bench, outcome, dtype):
    (bench / "classes.yaml").write_text(ONE)
    mask = np.arange(192).reshape(12, 16) + (0 if dtype == np.uint8 else 1000)
    mask[0, :8] = 0
    mask[5, 5] = 255
    bench.empty("masks")
    for i in range(10):
        tifffile.imwrite(bench / f"masks/f{i}.tif", mask.astype(dtype), photometric="minisblack")
    assert outcome("--mask-values", "instances")[0] == 0
    assert np.array_equal(arrived(bench), (mask > 0).astype(np.uint8))


def table(bench, *rows):
    path = bench / "table.csv"
    path.write_text("name,instance,class\n" + "\n".join(rows))
    return "--instance-classes", str(path)


def test_classes_of_instances_stand_in_a_table(bench, outcome):
    masks(bench, numbered(3))
    rows = [f"f{i},{k},{label}" for i in range(10) for k, label in ((1, "shell"), (2, "Drop"), (3, "__ignore__"))]
    code, output = outcome("--mask-values", "instances", *table(bench, *rows))
    assert code == 0, output
    assert "the label 'Drop' is read as the class 'drop'" in output
    assert np.array_equal(arrived(bench), np.array([0, 2, 1, 255], np.uint8)[numbered(3)])


TABLES = {
    "no table": (
        None,
        r"holds instance masks and the classes file 2 classes; give a table with the columns name,instance",
    ),
    "a particle that is missing": (["f0,1,drop"], r"f0\.png: .*table\.csv gives no class for 2 particles \(first: 2\)"),
    "an unknown class": (["f0,1,bubble"], r"table\.csv has the class 'bubble'"),
    "an unknown frame": (["g0,1,drop"], r"table\.csv, line 2: there is no mask of 'g0'"),
    "two classes": (["f0,1,drop", "f0,1,shell"], r"line 3: particle 1 of f0 has two classes"),
    "no number": (["f0,one,drop"], r"line 2: it needs name,instance,class, as in film_0001,7,drop"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_bad_table_is_one_sentence(refused, name):
    rows, sentence = TABLES[name]

    def damage(bench):
        masks(bench, numbered(3))
        bench.options += ["--mask-values", "instances", *(table(bench, *rows) if rows else ())]

    refused(damage, sentence)


def test_cellposes_masks_lie_beside_the_frames(bench, outcome):
    (bench / "classes.yaml").write_text(ONE)
    bench.empty("masks")
    for i in range(10):
        bench.png(f"masks/f{i}.png", bench.grey[i])
    masks(bench, numbered(3), numbered(1), name="masks/f{}_cp_masks.png")
    code, output = outcome()
    assert code == 0, output
    assert "10 in instance masks" in output
    assert np.array_equal(arrived(bench, "f0"), (numbered(3) > 0).astype(np.uint8))


# one binary mask per class


def per_class(bench, pattern, value=255, labels=("drop", "shell")):
    bench.empty("masks")
    for i in range(10):
        for k, label in enumerate(labels):
            path = bench.masks / pattern.format(frame=f"f{i}", label=label)
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(np.roll(bench.mask, 6 * k, 1) * value).save(path)


@pytest.mark.parametrize(
    "pattern", ["{frame}_{label}.png", "{label}-{frame}.png", "{frame}.{label}.tif", "{label}/{frame}.png"]
)
@pytest.mark.parametrize("value", [1, 255])
def test_one_binary_mask_per_class(bench, outcome, pattern, value):
    per_class(bench, pattern, value, ("Drop", "shell"))
    code, output = outcome()
    assert code == 0, output
    assert "10 in binary masks, one per class" in output
    assert np.array_equal(arrived(bench), bench.mask + 2 * np.roll(bench.mask, 6, 1))


def test_a_class_without_a_mask_in_some_frames_is_told(bench, outcome):
    per_class(bench, "{frame}_{label}.png")
    (bench.masks / "f3_shell.png").unlink()
    code, output = outcome()
    assert code == 0
    assert "1 frames have no mask of shell (the first is f3): read as empty" in output
    assert np.array_equal(arrived(bench), bench.mask)


def test_pixels_of_two_classes_are_asked_about_or_the_priority_tells(bench, outcome):
    per_class(bench, "{frame}_{label}.png")
    for i in range(10):
        bench.png(f"masks/f{i}_shell.png", np.roll(bench.mask, 1, 1) * 255)
    code, output = outcome()
    assert code == 2
    assert "the pixel in row 2, column 4 is shell here and drop in the other mask" in output
    text = (bench / "classes.yaml").read_text()
    (bench / "classes.yaml").write_text(text.replace("name: drop,", "name: drop, priority: 2,"))
    assert outcome()[0] == 0
    assert np.array_equal(arrived(bench), np.where(bench.mask, 1, 2 * np.roll(bench.mask, 1, 1)))


def test_a_mask_called_like_a_class_holds_one_value(bench, outcome):
    per_class(bench, "{frame}_{label}.png")
    bench.png("masks/f3_drop.png", bench.mask + bench.mask[::-1] * 2)
    code, output = outcome()
    assert code == 2
    assert "f3_drop.png has the name of a class, but holds the values 1 and 2" in output


def test_frames_that_are_called_like_a_class_keep_their_masks(bench, outcome):
    for kind in ("images", "masks"):
        bench.empty(kind)
        masks(
            bench, bench.grey[0] if kind == "images" else bench.mask + bench.mask[::-1] * 2, name=kind + "/f{}_drop.png"
        )
    assert outcome()[0] == 0
    assert np.array_equal(arrived(bench, "f3_drop"), bench.mask + bench.mask[::-1] * 2)


@pytest.mark.parametrize("pattern", ["mask_{label}_{frame}.png", "{frame}-{label}-mask.png"])
def test_a_class_may_stand_anywhere_in_the_name(bench, outcome, pattern):
    per_class(bench, pattern)
    code, output = outcome()
    assert code == 0, output
    assert np.array_equal(arrived(bench), bench.mask + 2 * np.roll(bench.mask, 6, 1))


def test_a_film_that_is_called_like_one_of_several_classes_has_masks_of_indices(bench, outcome):
    bench.empty("masks")
    masks(bench, bench.mask * 2, name="masks/drop_{}.png")
    assert outcome()[0] == 0
    assert np.array_equal(arrived(bench), bench.mask * 2)


def test_masks_in_subfolders_are_read(bench, outcome):
    bench.empty("masks")
    for i in range(10):
        (bench.masks / f"run{i % 2}").mkdir(exist_ok=True)
        bench.png(f"masks/run{i % 2}/f{i}.png", bench.mask)
    assert outcome()[0] == 0
    assert np.array_equal(arrived(bench), bench.mask)


def test_options_for_numbers_are_told_to_mean_nothing_elsewhere(bench, outcome):
    bench.coco()
    assert "--mask-values and --instance-classes do not apply here: COCO JSON" in outcome("--mask-values", "binary")[1]


def test_numbers_of_particles_may_have_gaps(bench, outcome):
    masks(bench, numbered(6) * (numbered(6) != 2))
    assert "if every number is one particle (Cellpose, micro-sam)" in outcome()[1]
