from dataclasses import replace

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from PIL import Image

from xpci_utils.frames import FrameSet
from xpci_utils.params import Sweep
from xpci_utils.report import build_figures, overlay, read_results, save_figure, show_image, show_labels, use_style
from xpci_utils.report.diagrams import sam_adaptation
from xpci_utils.report.figures import annotated_and_synthetic, curve, pseudo_annotations, score_curves, synthetic_pairs
from xpci_utils.report.style import colour_labels, image_grid

NAMES = {*(f"figure{number}" for number in range(1, 7)), "predictions"}


@pytest.fixture(scope="module", autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def pictures(figure):
    """The image data of every panel, in drawing order."""
    return [np.asarray(ax.images[0].get_array()) for ax in figure.axes if ax.images]


def test_every_figure_is_drawn(results, tmp_path):
    figures = build_figures(results)
    assert set(figures) == NAMES
    for name, figure in figures.items():
        png, pdf = save_figure(figure, tmp_path / name)
        assert png.suffix == ".png"
        assert pdf.read_bytes().startswith(b"%PDF")
        with Image.open(png) as picture:
            assert np.asarray(picture.convert("L")).std() > 10


def test_figures_that_wait_say_for_what(nothing, partial):
    texts = build_figures(nothing)["figure1"].axes[0].texts
    assert "pools/ddpm/pairs" in texts[0].get_text()
    assert len(build_figures(partial)["figure3"].axes) == 15


def test_figure_3_shows_frame_prediction_and_reference(results, run_root):
    shown = pictures(pseudo_annotations(results, count=3))
    frames = FrameSet.open(run_root / "frames").split("test").first(3)
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


def test_figure_6_draws_the_scores_of_the_cells(results):
    figure = score_curves(results)
    for ax, metric in zip(figure.axes[:3], ("dice", "nsd", "micro_f1"), strict=True):
        lines = [line for line in ax.get_lines() if line.get_marker() not in ("_", "|")]
        counts, means, _ = curve(results, "transunet__vit_t", metric)
        np.testing.assert_array_equal(lines[0].get_xdata(), counts)
        np.testing.assert_array_equal(lines[0].get_ydata(), means)
        assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == 4  # told apart without colour
    published = figure.axes[3].get_lines()
    assert published[2].get_ydata().tolist() == [0.8170, 0.8155, 0.8216, 0.8306, 0.8317]
    assert [line.get_linestyle() for line in published] == [line.get_linestyle() for line in lines]


def test_every_count_has_a_tick_and_no_two_numbers_touch(results):
    """250 of 2,500 would stand a tenth of the panel beside 500: it is marked without its number."""
    sweep = results.sweep.model_copy(update={"counts": [0, 250, 500, 1000, 2500]})
    figure = score_curves(replace(results, sweep=sweep))
    plt.close(figure)
    ticks = figure.axes[0]
    assert sorted(ticks.get_xticks()) == sweep.counts
    assert [label.get_text() for label in reversed(ticks.get_xticklabels())] == ["0", "", "500", "1k", "2.5k"]


def test_figure_6_leaves_out_what_is_not_finished(partial):
    assert curve(partial, "emcad__vit_b", "dice")[0] == [0, 4]


def test_figure_2_marks_what_was_trained(results):
    texts = [text.get_text() for text in sam_adaptation(results).axes[0].texts]
    assert "attention + MLP blocks\n0.9 M" in texts
    assert "adapters\n60 k" in texts
    assert "\N{SNOWFLAKE}" not in texts, "this SAM is trained in full, so the key has no frozen part either"
    place = "sam/vit_b__s0"
    run = results.runs[place]
    frozen = {**run, "parameters": {**run["parameters"], "trainable": "adapters+head"}}
    other = replace(results, runs={**results.runs, place: frozen})
    texts = [text.get_text() for text in sam_adaptation(other).axes[0].texts]
    assert texts.count("\N{SNOWFLAKE}") == 4  # encoder, prompt encoder, decoder, key


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
