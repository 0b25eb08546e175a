"""What is collected of the pool and the labellers, against counts by hand; and results that do not hold it."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image
from scipy import ndimage

from xpci_utils.frames import FrameSet
from xpci_utils.params.places import pairs_place
from xpci_utils.report import build_figures, class_counts, confusion, pool_table, write_report
from xpci_utils.report.drawing import Waiting
from xpci_utils.report.evidence import main_classes, read_evidence


@pytest.fixture
def evidence(results):
    return results.evidence


def test_what_was_measured_is_found_wherever_it_lies_in_the_pools_folder(run_root, results, tmp_path):
    """The audit is a stage with a folder of its own, and was one with the pairs; single particles are not kept."""
    pairs = pairs_place("ddpm").folder
    for name in ("fidelity.csv", "mask_agreement.csv", "memorisation.json"):
        target = tmp_path / pairs / name  # where the former notebook left it
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(next((run_root / "pools/ddpm").rglob(name)), target)
    measurements = read_evidence(tmp_path, {pairs: {}}, ["vit_b"])
    assert measurements == {name: results.evidence[name] for name in ("fidelity", "mask_agreement", "memorisation")}
    assert "nearest_scores" not in str(measurements)
    assert "d_fringe" not in str(measurements)


def test_table_f_shows_the_pool_between_floor_and_ceiling(results, evidence):
    table = pool_table(results).data.set_index("measure").astype(float)
    assert table.loc["distance, all features [SD]"].tolist() == [0.5, 0.1, 0.9]
    assert np.isnan(table.loc["AUC of a classifier, 0.5: no difference found", "floor"])
    assert table.loc["particles that count as copies of training particles"].tolist() == [0.03, 0.05, 0.97]
    assert table.loc["binary Dice of drawn and annotated masks", "pool"] == pytest.approx(0.7)
    assert "2 validation frames" in pool_table(results).caption


def test_particles_are_connected_regions_by_their_main_class(evidence, run_root):
    """Counted again with scipy: a region of the mask belongs to the class with most of its pixels."""
    frames = FrameSet.open(run_root / "frames")
    counts = dict.fromkeys(frames.class_names[1:], 0)
    for _, labels in frames.examples("train"):
        regions, number = ndimage.label((labels > 0) & (labels < 255), np.ones((3, 3)))
        for region in range(1, number + 1):
            classes, pixels = np.unique(labels[regions == region], return_counts=True)
            counts[frames.class_names[classes[pixels.argmax()]]] += 1
    expected = {name: count / len(frames.split("train")) for name, count in counts.items()}
    assert evidence["particles"]["frames"] == pytest.approx(expected)
    assert set(evidence["particles"]) == {"frames", "vit_t", "vit_b"}


def test_no_particle_is_no_region():
    assert main_classes(np.array([[0, 255], [0, 0]], np.uint8)).tolist() == []
    assert main_classes(np.array([[3, 3, 0, 0], [2, 0, 0, 1]], np.uint8)).tolist() == [3, 1]


def test_confusion_counts_every_pixel_once(evidence, run_root, results):
    test = FrameSet.open(run_root / "frames").split("test")
    matrix = np.array(evidence["confusion"]["vit_b"])
    assert matrix.sum() == sum(frame.labels.size for frame in test)  # ignored pixels are background in both
    predicted = {f.name: np.asarray(Image.open(run_root / f"sam/vit_b__s0/predictions/{f.name}.png")) for f in test}
    both = sum(((frame.labels == 2) & (predicted[frame.name] == 3)).sum() for frame in test)
    assert matrix[2, 3] == both
    panel = list(evidence["confusion"]).index("vit_b")
    heat = confusion(results).axes[panel].collections[0].get_array().reshape(matrix.shape)
    np.testing.assert_allclose(heat.sum(axis=1), 100)
    np.testing.assert_allclose(heat[2, 3], 100 * both / matrix[2].sum())


def test_bars_have_the_colours_of_their_classes_and_differ_without_colour(results, evidence):
    bars = class_counts(results).axes[0]
    assert len(bars.containers) == 3
    assert len({container[0].get_hatch() for container in bars.containers}) == 3
    for container in bars.containers:
        assert [patch.get_facecolor()[:3] for patch in container] == [
            to_rgb(c) for c in results.facts.class_colours[1:]
        ]
    longest = [max(patch.get_width() for patch in container) for container in bars.containers]
    assert longest == [pytest.approx(max(counts.values())) for counts in evidence["particles"].values()]


def test_results_collected_before_leave_them_out_with_a_sentence(results, tmp_path):
    """As committed results of an older collection: no table or figure of it, and a sentence in its place."""
    older = replace(results, evidence={})
    figures = build_figures(older)
    assert {name for name, figure in figures.items() if isinstance(figure, Waiting)} == {
        "figurec",
        "figuref",
        "figuren",
        "figurer",
    }
    write_report(older, tmp_path, figures=figures)
    text = (tmp_path / "index.html").read_text()
    assert "<b>Table F.</b> Table F is left out: these results do not contain" in text
    assert "<b>Figure N.</b> These results do not contain what the labellers make" in text
    assert not (tmp_path / "tables/tablef.csv").exists()
    assert not (tmp_path / "figures/figuref.png").exists()
