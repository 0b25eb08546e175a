"""Roles of simulated frames: disjoint by seed or by sequence, in the table and in the scenes that are drawn."""

from collections import Counter
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpci_utils.frames import FrameSet
from xpci_utils.randomness import seed_of
from xpci_utils.simulation import (
    ROLES,
    fresh_examples,
    get_preset,
    plan_splits,
    simulate_frames,
    write_role_frames,
    write_simulated_frames,
)
from xpci_utils.simulation.scene import FRAMES_PER_SEQUENCE, build_sequence

OF_NOTEBOOK_01 = ("train", "validation", "test")
DRAWN = [name for name, role in ROLES.items() if role.stream]
STUDY = {"train": 100, "val": 20, "test": 240}  # frames of the committed study
SIDE = 64


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    counts = {"train": 8, "val": 4, "test": 4}
    return write_simulated_frames(tmp_path_factory.mktemp("frames") / "frames", counts, SIDE, SIDE, 0, "reduced")


def test_every_role_has_a_stream_of_its_own_but_those_of_notebook_01():
    assert [name for name, role in ROLES.items() if not role.stream] == [*OF_NOTEBOOK_01]
    assert len({ROLES[name].stream for name in DRAWN}) == len(DRAWN)
    assert {"development", "knowledge", "unlabelled"} <= {*DRAWN}


@given(st.tuples(*[st.integers(1, 2000)] * 3), st.integers(1, FRAMES_PER_SEQUENCE))
def test_frames_of_notebook_01_are_apart_by_sequence_in_the_order_of_the_table(counts, train_per_sequence):
    """Training sequences give as many frames as asked for, no frame comes twice, no sequence serves two splits."""
    sizes = dict(zip(OF_NOTEBOOK_01, counts, strict=True))
    splits = plan_splits(sizes, train_per_sequence)
    sequences = {name: Counter(i // FRAMES_PER_SEQUENCE for i in indices) for name, indices in splits.items()}
    assert {name: len(set(indices)) for name, indices in splits.items()} == sizes
    assert [number for each in sequences.values() for number in each] == [*range(sum(map(len, sequences.values())))]
    for name, each in sequences.items():
        most = train_per_sequence if name == "train" else FRAMES_PER_SEQUENCE
        assert {*[*each.values()][:-1]} <= {most}, "every sequence but the last is full"
        assert max(each.values()) <= most


def test_one_frame_of_each_sequence_takes_early_and_late_ones():
    places = Counter(i % FRAMES_PER_SEQUENCE for i in plan_splits({"train": 100}, 1)["train"])
    assert places == dict.fromkeys(range(FRAMES_PER_SEQUENCE), 25)


def test_no_seed_of_the_simulator_serves_two_roles():
    """Whatever small seeds the stages have, equal or not; seeds of notebook 01 lie below all that are drawn."""
    seeds = [ROLES[name].simulator_seed(seed) for name in DRAWN for seed in range(2000)]
    assert len(set(seeds)) == len(seeds)
    assert min(seeds) > 2**32
    assert [ROLES[name].simulator_seed(7) for name in OF_NOTEBOOK_01] == [7, 7, 7]


def test_the_seeds_of_committed_results_are_those_they_were_made_with():
    """Keys as the first edition has them; another one would draw other frames."""
    keys = {
        "shifted test": ("shifted frames",),
        "fresh": ("fresh pool",),
        "development": ("fresh", "development"),
        "reference": ("fresh", "reference"),
        "fresh (floor)": ("fresh", "fresh (floor)"),
        "shifted (ceiling)": ("fresh", "shifted (ceiling)"),
        "sampler study floor": ("fresh", "sampler study floor"),
    }
    for name, key in keys.items():
        assert ROLES[name].simulator_seed(3) == seed_of(*key, 3), name


def test_the_scenes_of_all_roles_differ():
    """All scenes of the study's own frames and the first 25 of every other role: no particle is drawn twice.

    Centre, diameter and velocity of a particle are continuous, so that two equal ones are one scene drawn twice.
    """
    splits = plan_splits(STUDY)
    numbers = {name: {i // FRAMES_PER_SEQUENCE for i in splits[split]} for name, split in zip(
        OF_NOTEBOOK_01, STUDY, strict=True)}  # fmt: skip
    numbers |= {name: {i // FRAMES_PER_SEQUENCE for i in ROLES[name].indices(25)} for name in DRAWN}
    drawn = {name: particles(ROLES[name].simulator_seed(0), of_role) for name, of_role in numbers.items()}
    assert min(map(len, drawn.values())) > 5
    assert len(set().union(*drawn.values())) == sum(map(len, drawn.values()))


def particles(seed, numbers):
    preset = get_preset("reduced")
    sequences = (build_sequence(number, seed, SIDE, SIDE, preset, "curated") for number in numbers)
    tracks = chain.from_iterable(sequence.tracks for sequence in sequences)
    return {(track.position, track.melt_diameter, track.velocity) for track in tracks}


@pytest.mark.parametrize("role", ["development", "knowledge", "unlabelled"])
def test_frames_of_a_role_come_one_from_a_sequence_of_the_tables_seed(frames, role, tmp_path):
    """As written to disk, as drawn in memory, and as the simulator gives them for the table's seed and indices."""
    written = list(write_role_frames(frames, tmp_path, 5, 2, role))
    drawn = list(fresh_examples(frames, 5, 2, role))
    seed, indices = ROLES[role].simulator_seed(2), [0, 5, 10, 15, 16]
    simulated = simulate_frames(0, SIDE, SIDE, seed, "reduced", indices=indices)
    for frame, (image, labels), one in zip(written, drawn, simulated, strict=True):
        np.testing.assert_array_equal(frame.image, image)
        np.testing.assert_array_equal(frame.labels, labels)
        np.testing.assert_array_equal(labels, one.labels)
    assert len({frame.sequence for frame in written}) == 5


def test_frames_of_a_role_are_written_once_and_anew_for_other_ones(frames, tmp_path):
    first = write_role_frames(frames, tmp_path, 3, 0, "development")
    before = (tmp_path / "frames.csv").stat().st_mtime_ns
    assert write_role_frames(frames, tmp_path, 3, 0, "development").names == first.names
    assert (tmp_path / "frames.csv").stat().st_mtime_ns == before
    other = write_role_frames(frames, tmp_path, 3, 1, "development")
    assert other[0].image.tobytes() != next(iter(fresh_examples(frames, 1, 0, "development")))[0].tobytes()
    assert len(write_role_frames(frames, tmp_path, 2, 1, "development")) == 2


def test_no_new_frames_are_drawn_for_a_role_of_notebook_01_or_an_unknown_one(frames):
    for name in ("test", "tests"):
        with pytest.raises(ValueError, match=f"no new frames are drawn for the role '{name}'"):
            next(fresh_examples(frames, 1, 0, name))
    own = FrameSet(frames.folder, frames.info, [{**row, "simulated": "false"} for row in frames.rows])
    with pytest.raises(ValueError, match="holds no simulated frames"):
        write_role_frames(own, frames.folder / "more", 1, 0, "knowledge")
