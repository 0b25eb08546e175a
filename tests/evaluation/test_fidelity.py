"""Every measure against a known answer, and each against the damage that it is there to find."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage, stats

from xpci_utils.evaluation.edges import edge_profile
from xpci_utils.evaluation.features import FEATURES, GROUPS
from xpci_utils.evaluation.fidelity import (
    classifier_auc,
    feature_distances,
    fidelity_table,
    group_distances,
    precision_recall,
    spectrum_log_distance,
    write_fidelity,
)

GROUP_NAMES = list(GROUPS)


def gaussian_table(seed, count, shift=0.0, columns=3):
    values = np.random.default_rng(seed).normal(shift, 1, (count, columns))
    return pd.DataFrame(values, columns=[f"x{k}" for k in range(columns)])


def test_distance_of_a_shift_is_the_shift_in_standard_deviations_of_the_reference():
    reference = 7 * gaussian_table(0, 50)
    shifted = reference + 7 * reference.std(ddof=0) * 0.25 / 7
    np.testing.assert_allclose(feature_distances(shifted, reference), 0.25)
    assert (feature_distances(reference, reference) == 0).all()


def test_distance_equals_the_integral_between_the_distribution_functions():
    ours, reference = gaussian_table(1, 40, 0.3, 1), gaussian_table(2, 70, columns=1)
    grid = np.linspace(-6, 6, 40001)
    cdfs = [np.searchsorted(np.sort(t["x0"]), grid, side="right") / len(t) for t in (ours, reference)]
    area = np.abs(cdfs[0] - cdfs[1]).sum() * (grid[1] - grid[0]) / reference["x0"].std(ddof=0)
    assert feature_distances(ours, reference)["x0"] == pytest.approx(area, rel=1e-3)


def test_a_constant_feature_divides_by_one():
    constant = pd.DataFrame({"x0": [2.0] * 5})
    assert feature_distances(constant + 3, constant)["x0"] == pytest.approx(3)


def test_overall_is_the_mean_of_the_groups_whatever_their_sizes():
    distances = pd.Series({name: float(name in GROUPS["edges"]) for name in FEATURES})
    assert group_distances(distances).to_dict() == {
        "overall": 0.25, "grey": 0, "spectrum": 0, "particles": 0, "edges": 1
    }  # fmt: skip


def test_twice_the_amplitude_is_six_decibels():
    images = np.random.default_rng(0).normal(100, 4, (5, 32, 32))
    assert spectrum_log_distance(2 * images, images) == pytest.approx(20 * np.log10(2))
    assert spectrum_log_distance(images, images) == 0


def test_precision_and_recall_equal_their_definition_point_by_point():
    """Kynkäänniemi et al., Eq. 1 and 2, with explicit loops, on sets that overlap in part."""
    ours, reference = gaussian_table(3, 40, 0.8), gaussian_table(4, 50)
    scale = reference.std(ddof=0)
    a, b = ((table / scale).to_numpy() for table in (ours, reference))

    def covered(point, manifold):
        for centre in manifold:
            reach = sorted(np.linalg.norm(other - centre) for other in manifold)[3]
            if np.linalg.norm(point - centre) <= reach:
                return True
        return False

    expected = (np.mean([covered(p, b) for p in a]), np.mean([covered(p, a) for p in b]))
    assert precision_recall(ours, reference) == pytest.approx(expected)
    assert 0.2 < min(expected) < 0.95


def test_precision_and_recall_of_equal_and_of_distant_sets():
    reference = gaussian_table(5, 60)
    assert precision_recall(reference, reference) == (1, 1)
    assert precision_recall(reference + 50, reference) == (0, 0)
    with pytest.raises(ValueError, match="3 neighbours need more than 3 frames"):
        precision_recall(reference[:3], reference)


def test_auc_of_one_shifted_feature_is_that_of_two_normal_distributions():
    """Phi(shift / sqrt 2): 0.76 for one standard deviation. Trees lose up to a tenth; 400 frames scatter by 0.02."""
    reference = gaussian_table(6, 400, columns=1)
    for seed, shift in ((7, 0.0), (8, 1.0), (9, 2.0)):
        expected = stats.norm.cdf(shift / np.sqrt(2))
        auc = classifier_auc(gaussian_table(seed, 400, shift, 1), reference)
        assert expected - 0.1 < auc < expected + 0.05
    assert classifier_auc(gaussian_table(10, 50, 9.0), gaussian_table(11, 50)) == 1
    with pytest.raises(ValueError, match="at least 5 frames"):
        classifier_auc(reference[:4], reference)


def blurred(pairs):
    return [(np.rint(ndimage.gaussian_filter(image.astype(float), 0.7)), mask) for image, mask in pairs]


def darkened(pairs):
    return [(np.rint(image * 0.97), mask) for image, mask in pairs]


def doubled(pairs):
    """Particles of the next frame beside one's own, cut out with their fringes."""
    together = []
    for (image, mask), (other, more) in zip(pairs, pairs[1:] + pairs[:1], strict=True):
        together.append((np.where(ndimage.binary_dilation(more, iterations=4), other, image), mask | more))
    return together


def misplaced(pairs):
    return [(image, np.roll(mask, 3, axis=1)) for image, mask in pairs]


def collapsed(pairs):
    return [pairs[k % 10] for k in range(len(pairs))]


def varied(toy, seed, **fixed):
    """80 toy frames of different contrast and flux, as metals and sequences make them."""
    pairs = []
    for k in range(80):
        rng = np.random.default_rng([seed, k])
        drawn = {"fringe": rng.uniform(5, 35), "dip": rng.uniform(20, 100), "noise": rng.uniform(4.5, 6)}
        pairs.append(toy(rng, level=rng.normal(190, 2), **{**drawn, **fixed}))
    return pairs


@pytest.fixture(scope="module")
def table(toy):
    reference, new = varied(toy, 0), varied(toy, 1)
    without_fringe = varied(toy, 1, fringe=0)
    damages = {f.__name__: f(new) for f in (blurred, darkened, doubled, misplaced, collapsed)}
    sets = {"itself": reference, "new": new, "without fringe": without_fringe, **damages}
    return fidelity_table(sets, reference, 2.0)


def test_a_set_is_at_no_distance_from_itself(table):
    row = table.loc["itself"]
    assert row[["overall", *GROUP_NAMES, "spectrum_db"]].tolist() == [0] * 6
    assert (row.precision, row.recall, row.frames) == (1, 1, 80)


def test_another_set_of_the_same_kind_is_the_floor(table):
    """80 frames: distances near 0.2, AUC within 4 of its standard deviations (0.04) of one half."""
    row = table.loc["new"]
    assert row[["overall", *GROUP_NAMES]].max() < 0.35
    assert row.spectrum_db < 1
    assert min(row.precision, row.recall) > 0.75
    assert row.auc == pytest.approx(0.5, abs=0.16)
    assert row.fringe_share > 0.99


@pytest.mark.parametrize(
    ("damage", "moved"),
    [
        ("blurred", ["spectrum", "edges", "grey"]),  # the noise of the background belongs to the grey levels
        ("darkened", ["grey"]),
        ("without fringe", ["edges"]),
        ("doubled", ["particles", "grey", "spectrum"]),  # more dark pixels, more edges
        ("misplaced", ["edges"]),
    ],
)
def test_each_damage_moves_what_it_should_and_little_else(table, damage, moved):
    """More than 2.5 times the floor for what it damages, less than twice the floor (and 0.15) for the rest."""
    row, floor = table.loc[damage], table.loc["new"]
    assert (row[moved] > 2.5 * floor[moved]).all(), row[GROUP_NAMES]
    others = [name for name in GROUP_NAMES if name not in moved]
    assert (row[others] < 2 * floor[others] + 0.15).all(), row[GROUP_NAMES]
    assert row.overall > 2 * floor.overall
    assert row.auc > 0.8


def test_blur_is_seen_in_the_spectrum_and_misplaced_masks_in_their_edges(table):
    assert table.loc["blurred", "spectrum_db"] > 10 * table.loc["new", "spectrum_db"]
    assert table.loc["blurred", "d_band_6"] == table.loc["blurred", list("d_" + pd.Index(GROUPS["spectrum"]))].max()
    assert table.loc["misplaced", "spectrum_db"] == pytest.approx(table.loc["new", "spectrum_db"])
    assert table.loc["without fringe", "d_fringe"] > 10 * table.loc["without fringe", "d_rim"]
    assert table.loc["doubled", "d_particles"] > 1


def test_the_classifier_says_what_gives_a_set_away(table):
    """Masks are untouched by blur and darkening, so particles tell nothing: within 0.16 of one half."""
    aucs = table[[f"auc_{name}" for name in GROUP_NAMES]]
    assert aucs.loc["blurred", "auc_spectrum"] > 0.99
    assert aucs.loc["darkened"].idxmax() == "auc_grey"
    assert aucs.loc["misplaced"].idxmax() == "auc_edges"
    assert aucs.loc["doubled", "auc_particles"] > 0.8
    np.testing.assert_allclose(
        aucs.loc[["new", "blurred", "darkened", "without fringe"], "auc_particles"], 0.5, atol=0.16
    )


def test_a_collapsed_set_is_precise_and_recalls_nothing(table):
    row, floor = table.loc["collapsed"], table.loc["new"]
    assert row.precision > floor.precision - 0.15
    assert row.recall < 0.15
    assert row.auc > 0.95


def test_files_hold_the_table_and_the_profiles_also_of_sets_too_small_for_the_rest(tmp_path, toy):
    reference = [toy(np.random.default_rng(k)) for k in range(4)]
    write_fidelity(tmp_path, {"same": reference}, reference, 2.0)
    row = pd.read_csv(tmp_path / "fidelity.csv", index_col="set").loc["same"]
    assert (row.overall, row.frames, row.d_fringe) == (0, 4, 0)
    assert row[["precision", "recall", "auc"]].isna().all()
    edges = pd.read_csv(tmp_path / "fidelity_edges.csv", index_col="distance_px")
    np.testing.assert_allclose(edges["same"], edge_profile(reference))
    np.testing.assert_allclose(edges["same"], edges["reference"])
