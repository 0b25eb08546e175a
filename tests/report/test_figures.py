import itertools
from dataclasses import replace

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from PIL import Image
from skimage.color import rgb2lab

from xpci_utils.frames import FrameSet
from xpci_utils.params import Sweep
from xpci_utils.params.cells import parse_series
from xpci_utils.report import build_figures, overlay, read_results, save_figure, show_image, show_labels, use_style
from xpci_utils.report.contrasts import gain
from xpci_utils.report.diagrams import pipeline, sam_adaptation
from xpci_utils.report.drawing import Waiting
from xpci_utils.report.figures import (
    annotated_and_synthetic,
    predicted_cells,
    predictions,
    pseudo_annotations,
    synthetic_pairs,
)
from xpci_utils.report.scores import own_gains, score_curves
from xpci_utils.report.style import COLOURS, colour_labels, image_grid
from xpci_utils.report.tables import SERIES_OF_TABLE

NAMES = {*(f"figure{number}" for number in range(1, 7)), "predictions", *(f"figure{letter}" for letter in "cfnprt")}


@pytest.fixture(scope="module", autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def pictures(figure):
    """The image data of every panel, in drawing order."""
    return [np.asarray(ax.images[0].get_array()) for ax in figure.axes if ax.images]


def test_every_figure_is_drawn(study, tmp_path):
    open_before = plt.get_fignums()
    figures = build_figures(study)
    assert set(figures) == NAMES
    assert isinstance(figures.pop("figurer"), Waiting), "this study has no readings; test_study.py draws them"
    assert plt.get_fignums() == open_before  # a notebook shows them where it is asked to, and only there
    for name, figure in figures.items():
        assert not isinstance(figure, Waiting), figure.sentence
        png, pdf = save_figure(figure, tmp_path / name)
        assert png.suffix == ".png"
        assert pdf.read_bytes().startswith(b"%PDF")
        with Image.open(png) as picture:
            assert np.asarray(picture.convert("L")).std() > 10


def test_figures_that_wait_say_for_what(nothing, partial):
    figures = build_figures(nothing)
    assert all(isinstance(figure, Waiting) and figure.sentence for figure in figures.values())
    assert "pools/ddpm/pairs" in figures["figure1"].axes[0].texts[0].get_text()
    assert len(pseudo_annotations(partial).axes) == 15


def test_figure_3_shows_frame_prediction_and_reference(results, run_root):
    shown = pictures(pseudo_annotations(results, count=3))
    frames = FrameSet.open(run_root / "frames").split("test").first_of_sequences(5).first(3)
    assert len(shown) == 9
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(shown[index], frame.image)
        np.testing.assert_array_equal(shown[6 + index], colour_labels(frame.labels, frames.class_colours))


def test_figures_4_and_5_show_the_first_pairs_and_frames(results, run_root):
    pool = run_root / "pools/ddpm/pairs"
    first = np.asarray(Image.open(pool / "images/000000.png"))
    shown = pictures(synthetic_pairs(results, count=2))
    np.testing.assert_array_equal(shown[0], first)
    np.testing.assert_array_equal(shown[2], np.asarray(Image.open(pool / "masks/000000.png")))
    both = pictures(annotated_and_synthetic(results, count=2))
    np.testing.assert_array_equal(both[0], FrameSet.open(run_root / "frames").split("train")[0].image)
    np.testing.assert_array_equal(both[2], first)


def test_pictures_show_one_frame_of_each_sequence(results, run_root):
    """The made-up run has two frames a sequence: three test sequences, so five frames need second ones, too."""
    frames = FrameSet.open(run_root / "frames").split("test")
    assert [frame.sequence for frame in frames] == ["test_2", "test_3", "test_3", "test_4", "test_4"]
    assert [frame.sequence for frame in frames.first_of_sequences(3)] == ["test_2", "test_3", "test_4"]
    assert frames.first_of_sequences(3).names == ["f005", "f006", "f008"]
    assert results.facts.test_names == frames.names


def test_predictions_stand_below_those_without_pairs(results, run_root):
    """Rows of frame and reference, then for each backbone the network without pairs and the one with most of them."""
    shown = pictures(predictions(results, count=1))
    assert len(shown) == 2 + 2 * 3
    colours = results.facts.class_colours
    for place, picture in zip(predicted_cells(results), shown[2:], strict=True):
        stored = np.asarray(Image.open(run_root / place / "predictions" / f"{results.facts.test_names[0]}.png"))
        np.testing.assert_array_equal(picture, colour_labels(stored, colours))
    assert [cell.synthetic for cell in predicted_cells(results).values()] == [0, 4] * 3


def points(ax, colour):
    """(place, gain) of the dots of a colour, sorted."""
    dots = [group for group in ax.collections if len(group.get_facecolors())]  # bars of intervals have no faces
    places = np.concatenate([group.get_offsets() for group in dots])
    faces = np.concatenate(  # one face of a group may stand for all of its dots
        [np.broadcast_to(group.get_facecolors(), (len(group.get_offsets()), 4)) for group in dots]
    )
    return sorted(map(tuple, places[np.isclose(faces[:, :3], to_rgb(colour)).all(axis=1)]))


def test_figure_6_shows_gains_over_no_pairs_of_every_seed(study):
    """Independent of the figure's own table: a gain is the difference of two scores in cells.csv."""
    figure = score_curves(study)
    scores = study.cells.set_index("cell")
    for ax, metric in zip(figure.axes[:3], ("dice", "nsd", "micro_f1"), strict=True):
        for index, (backbone, labeller) in enumerate(map(parse_series, SERIES_OF_TABLE.values())):
            row, seeds = f"{backbone}__r0004__{labeller}__n{{:05d}}__mix__s{{}}", range(2)
            alone = [scores[metric][f"{backbone}__r0004__none__n00000__mix__s{seed}"] for seed in seeds]
            gains = {n: [scores[metric][row.format(n, s)] - alone[s] for s in seeds] for n in (2, 4)}
            line = ax.get_lines()[index]
            np.testing.assert_allclose(line.get_xdata(), np.sqrt([0, 2 / 4, 4 / 4]))  # pairs per annotated frame
            np.testing.assert_allclose(line.get_ydata(), [0, np.mean(gains[2]), np.mean(gains[4])])
            drawn = [gain for _, gain in points(ax, COLOURS[index])]
            assert all(np.isclose(drawn, gain).any() for one in gains.values() for gain in one)


def test_both_rows_of_figure_6_share_axes_colours_and_shapes(results):
    figure = score_curves(results)
    for ours, theirs in zip(figure.axes[:3], figure.axes[3:], strict=True):
        assert ours.get_xlim() == theirs.get_xlim()
        assert ours.get_ylim() == theirs.get_ylim()
        lines = [ax.get_lines()[:4] for ax in (ours, theirs)]
        assert [line.get_color() for line in lines[0]] == [line.get_color() for line in lines[1]] == list(COLOURS)
        for group in lines:  # can be told apart without colour
            assert len({line.get_marker() if isinstance(line.get_marker(), str) else str(line.get_marker().vertices)
                        for line in group}) == 4  # fmt: skip
    published = figure.axes[3].get_lines()[2]
    np.testing.assert_allclose(published.get_xdata() ** 2, [0, 2.5, 5, 10, 25])
    np.testing.assert_allclose(published.get_ydata(), np.array([0.8170, 0.8155, 0.8216, 0.8306, 0.8317]) - 0.8170)


def test_a_reader_can_change_a_colour(results):
    lines = score_curves(results, ["red", *COLOURS[1:]]).axes[0].get_lines()
    assert [line.get_color() for line in lines[:2]] == ["red", COLOURS[1]]


def test_declared_rows_have_an_interval_over_their_own_seeds_and_two_seeds_have_none(study):
    bars = [container for ax in score_curves(study).axes[:1] for container in ax.containers]
    assert len(bars) == 3  # one declared row per backbone, no interval of any row of two seeds
    one = gain("transunet__r0004__vit_b__n00004__mix", study, "dice")
    (segment,) = bars[0].lines[2][0].get_segments()
    np.testing.assert_allclose(segment[:, 1], [one.low, one.high])


def test_curves_can_be_told_apart_in_grey_and_by_colour_blind_eyes():
    """Lightness at least 10 apart; under full deuteranopia and protanopia (Machado et al. 2009) colours 20 apart."""
    linear = np.array([[((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)] for colour in COLOURS])
    views = {
        "normal": np.eye(3),
        "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
        "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    }
    for name, matrix in views.items():
        appearance = 1.055 * (linear @ np.transpose(matrix)).clip(0, 1) ** (1 / 2.4) - 0.055
        lab = rgb2lab(appearance.clip(0, 1)[None])[0]
        pairs = list(itertools.combinations(lab, 2))
        assert min(np.linalg.norm(one - other) for one, other in pairs) > 20, name
        assert name != "normal" or min(abs(one[0] - other[0]) for one, other in pairs) > 10


def test_every_place_has_a_tick_and_no_two_numbers_touch(results):
    sweep = results.sweep.model_copy(update={"counts": [0, 2, 4]})
    ticks = score_curves(replace(results, sweep=sweep)).axes[3]
    labels = dict(zip(ticks.get_xticks() ** 2, (label.get_text() for label in ticks.get_xticklabels()), strict=True))
    assert {round(place, 6): text for place, text in labels.items()} == {
        25: "25", 10: "10", 5: "5", 2.5: "2.5", 1: "1", 0.5: "", 0: "0"
    }  # fmt: skip


def test_figure_6_leaves_out_what_is_not_finished(partial):
    gains = own_gains(partial)
    assert sorted(gains.loc[gains["series"] == "emcad__vit_b", "synthetic"]) == [0, 4]


def test_figure_2_marks_what_is_trained_here_and_as_published(results):
    texts = [text.get_text() for text in sam_adaptation(results).axes[0].texts]
    assert "attention +\nMLP blocks\n0.9 M" in texts
    assert "adapters\n60 k" in texts
    assert texts.count("\N{SNOWFLAKE}") == 4, "frozen as published: encoder, prompt encoder, decoder; and the key"
    place = "sam/vit_b__s0"
    run = results.runs[place]
    frozen = {**run, "parameters": {**run["parameters"], "trainable": "adapters"}}
    other = replace(results, runs={**results.runs, place: frozen})
    texts = [text.get_text() for text in sam_adaptation(other).axes[0].texts]
    assert texts.count("\N{SNOWFLAKE}") == 8  # the same here, and the class head


def test_figures_1_and_2_explain_the_classes_by_colour_and_number(results):
    """The numbers stand on the particles, too, for readers without colour; where a picture is a label map."""
    names = [f"{index} {name.replace('_', ' ')}" for index, name in enumerate(results.facts.class_names)][1:]
    for draw, maps in ((pipeline, 2), (sam_adaptation, 1)):
        figure = draw(results)
        (legend,) = figure.legends
        assert [text.get_text() for text in legend.get_texts()] == names
        insets = figure.axes[0].child_axes
        assert len(insets) == maps
        for inset in insets:
            numbers = {text.get_text() for text in inset.texts}
            assert numbers
            assert numbers <= {name.split()[0] for name in names}


def test_sweep_without_prompted_labeller_still_draws(write_run):
    sweep = Sweep(annotated=4, counts=[0, 2], series=["emcad__vit_b-noprompt"], labellers=["vit_b-noprompt"])
    results = read_results(write_run(sweep=sweep), sweep)
    figures = build_figures(results)
    assert set(figures) == NAMES
    assert figures["figure2"].axes[0].images


def test_saved_files_do_not_depend_on_when_they_were_written(results, tmp_path):
    written = [[path.read_bytes() for path in save_figure(synthetic_pairs(results), tmp_path / n)] for n in "ab"]
    assert written[0] == written[1]
    assert b"CreationDate" not in written[0][1]
    with Image.open(tmp_path / "a.png") as picture:
        assert set(picture.info) == {"dpi"}


@pytest.mark.parametrize("shape", [(64, 64), (48, 80), (624, 640)])
def test_frames_are_shown_with_whole_dots_per_pixel(shape, tmp_path):
    figure, axes = image_grid(1, 2, *shape, bottom=0.3)
    image = (np.indices(shape).sum(0) % 2 * 255).astype(np.uint8)  # a checkerboard shows every resampling error
    for ax in axes.flat:
        show_image(ax, image)
        for spine in ax.spines.values():
            spine.set_visible(False)
    png, _ = save_figure(figure, tmp_path / "grid")
    shown = np.asarray(Image.open(png).convert("L"))
    scale = round(axes[0, 0].get_window_extent().width) // shape[1]
    box = axes[0, 0].get_window_extent()
    top, left = round(shown.shape[0] - box.y1), round(box.x0)
    panel = shown[top : top + scale * shape[0], left : left + scale * shape[1]]
    np.testing.assert_array_equal(panel, np.kron(image, np.ones((scale, scale), np.uint8)))


def test_label_colours_overlay_and_ignored_pixels():
    labels = np.array([[0, 1], [2, 255]], np.uint8)
    colours = ["#000000", "#ff0000", "#0000ff"]
    picture = colour_labels(labels, colours)
    assert picture.tolist() == [[[0, 0, 0], [255, 0, 0]], [[0, 0, 255], [255, 255, 255]]]
    image = np.full((2, 2), 100, np.uint8)
    tinted = overlay(image, labels, colours, opacity=0.5)
    assert tinted[0, 0].tolist() == tinted[1, 1].tolist() == [100, 100, 100]
    assert tinted[0, 1].tolist() == np.round(0.5 * 100 + 0.5 * 255 * np.array(to_rgb("red"))).tolist()
    _, ax = plt.subplots()
    show_labels(ax, labels, colours)
    assert any(collection.hatches[0] for collection in ax.collections)
    with pytest.raises(ValueError, match=r"labels \[3\] have no colour"):
        colour_labels(np.array([[3]], np.uint8), colours)


def test_particles_carry_the_number_of_their_class():
    labels = np.zeros((40, 40), np.uint8)
    labels[2:12, 2:12], labels[20:30, 20:30], labels[35, 35] = 1, 2, 2
    _, axes = image_grid(1, 1, 40, 40)
    show_labels(axes[0, 0], labels, ["#000000", "#ff0000", "#0000ff"], numbers=True)
    assert [text.get_text() for text in axes[0, 0].texts] == ["1", "2"]  # one pixel has no room for a digit
