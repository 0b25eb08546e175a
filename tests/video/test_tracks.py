"""Tracks of particles whose paths are known."""

import numpy as np
import pandas as pd
import pytest

from xpci_utils.video import class_changes, counts_over_time, link_tracks, summarise_tracks

US = 20.0
NAMES = ["background", "solid", "molten"]


def detections(paths, frames=30, noise_um=0.5, seed=0, lost=()):
    """A particle table of straight movers ((x, y) [um], (vx, vy) [m/s]); ``lost`` pairs (frame, mover) are left out."""
    rng, rows = np.random.default_rng(seed), []
    for t in range(frames):
        for number, (place, speed) in enumerate(paths):
            if (t, number) not in lost:
                x, y = np.add(place, np.multiply(speed, t * US)) + rng.normal(0, noise_um, 2)
                rows.append((t, x, y, number))
    table = pd.DataFrame(rows, columns=["frame", "x_um", "y_um", "mover"])
    table["particle"] = table.groupby("frame").cumcount() + 1
    return table.assign(**{"class": "solid", "confidence": 0.9, "diameter_um": 30.0, "at_border": False})


MOVERS = [((100, 100), (1.5, 0.0)), ((900, 300), (-1.2, 0.4)), ((300, 800), (0.05, -0.1)), ((800, 900), (0.3, -1.0))]


def test_straight_movers_are_followed_and_their_speeds_recovered():
    """30 places with 0.5 um of noise give a slope good to 0.5 um / (20 us * 47) = 0.0005 m/s; 0.003 is six sigma."""
    linked = link_tracks(detections(MOVERS), 2.0, US)
    assert linked.groupby("mover")["track"].nunique().tolist() == [1] * 4
    assert linked["track"].nunique() == 4
    summary = summarise_tracks(linked, US, 3)
    for number, (_, speed) in enumerate(MOVERS):
        row = summary[summary["track"] == linked[linked["mover"] == number]["track"].iloc[0]].iloc[0]
        assert (row["vx_m_per_s"], row["vy_m_per_s"]) == pytest.approx(speed, abs=0.003)
        assert row["speed_m_per_s"] == pytest.approx(np.hypot(*speed), abs=0.003)
        assert (row["first_frame"], row["last_frame"], row["detections"]) == (0, 29, 30)


def test_crossing_paths_are_told_apart_by_their_direction():
    """Both movers are within reach of each other for ten frames; the nearest place alone would mix them up."""
    crossing = [((100, 300), (1.0, 0.05)), ((680, 320), (-1.0, -0.03))]
    linked = link_tracks(detections(crossing), 3.0, US)
    assert linked.groupby("mover")["track"].nunique().tolist() == [1, 1]


def test_a_particle_may_be_missed_for_as_long_as_the_memory_lasts():
    lost = {(10, 0), (20, 0), (21, 0)}
    tables = {memory: link_tracks(detections(MOVERS, lost=lost), 2.0, US, memory) for memory in (0, 1, 2)}
    tracks = {memory: table.loc[table["mover"] == 0, "track"].nunique() for memory, table in tables.items()}
    assert tracks == {0: 3, 1: 2, 2: 1}


def test_frames_without_any_particle_are_a_gap_like_any_other():
    table = detections(MOVERS[:1], lost={(t, 0) for t in range(5, 15)})
    assert link_tracks(table, 2.0, US, 1)["track"].nunique() == 2


def test_a_crowd_is_linked_over_a_shorter_reach():
    """800 particles at rest, 8 um apart, with noise of 0.3 um and a reach of 60 um: a search among all of them would
    never end, and the nearest one is the right one."""
    places = [((x, y), (0, 0)) for x in range(0, 320, 8) for y in range(0, 160, 8)]
    linked = link_tracks(detections(places, frames=5, noise_um=0.3), 3.0, US)
    assert linked.groupby("mover")["track"].nunique().eq(1).all()
    assert linked["track"].nunique() == len(places)


def test_particles_on_one_spot_are_refused_with_a_sentence():
    spot = [((100, 100), (0, 0))] * 60
    with pytest.raises(ValueError, match=r"too close to be linked over 60 um from frame to frame; lower max_speed"):
        link_tracks(detections(spot, frames=3, noise_um=0.1), 3.0, US)


def test_one_frame_named_otherwise_is_no_change_of_class():
    table = detections(MOVERS[:1])
    table.loc[table["frame"] >= 18, "class"] = "molten"
    table.loc[table["frame"].isin([6, 25]), "class"] = ["molten", "solid"]
    linked = link_tracks(table, 2.0, US)
    assert linked["track_class"].tolist() == ["solid"] * 18 + ["molten"] * 12
    changes = class_changes(linked, NAMES)
    assert changes.loc["solid", "molten"] == changes.to_numpy().sum() == 1
    row = summarise_tracks(linked, US, 3).iloc[0]
    assert (row["class_first"], row["class_last"], row["changes"]) == ("solid", "molten", 1)
    counts = counts_over_time(linked, 32, NAMES)
    assert counts["solid"].tolist() == [1] * 18 + [0] * 14
    assert counts["molten"].tolist() == [0] * 18 + [1] * 12 + [0] * 2


def test_no_particles_no_tracks():
    linked = link_tracks(detections(MOVERS).iloc[:0], 2.0, US)
    assert len(linked) == len(summarise_tracks(linked, US, 3)) == 0
    assert counts_over_time(linked, 3, NAMES).to_numpy().sum() == class_changes(linked, NAMES).to_numpy().sum() == 0
