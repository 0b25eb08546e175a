"""What to annotate next: uncertain, and not all alike."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_film import COLOURS, GREY, NAMES, disc, grey_scores, moving_discs

from xpci_utils.frames import check_folder, read_classes
from xpci_utils.video import frame_uncertainty, frames_in_view, suggest_frames, write_suggestions
from xpci_utils.video.suggestions import describe_frame


def test_entropy_of_known_distributions():
    certain = np.zeros((4, 6, 8), np.float32)
    certain[0] = 1
    assert frame_uncertainty(certain) == 0
    assert frame_uncertainty(np.full((4, 6, 8), 0.25, np.float32)) == pytest.approx(1)
    half = certain.copy()
    half[:, :3] = 0.25
    assert frame_uncertainty(half) == pytest.approx(0.5)
    coin = np.zeros((4, 6, 8), np.float32)
    coin[:2] = 0.5
    assert frame_uncertainty(coin) == pytest.approx(0.5)  # one bit of two


def test_a_strange_object_raises_the_uncertainty_above_every_known_frame():
    """Grey levels between those of the classes: the stand-in network cannot decide."""
    known = [frame_uncertainty(grey_scores(frame[None])[0]) for frame in moving_discs()]
    strange = moving_discs(1)[0]
    strange[disc(strange.shape, 30, 45, 6)] = (GREY[1] + GREY[2]) // 2
    assert frame_uncertainty(grey_scores(strange[None])[0]) > 2 * max(known)


def test_the_description_says_what_is_where():
    image = moving_discs(1, (64, 80))[0]
    image[:] = GREY[0]
    image[16:24, 50:60] = GREY[2]  # row 2 and column 5 of a grid of 8 x 8
    described = describe_frame(grey_scores(image[None])[0]).reshape(2, 8, 8)
    assert described[1, 2, 5] == pytest.approx(1, abs=1e-2)
    described[1, 2, 5] = 0
    assert described.max() < 1e-2


def test_ten_are_not_ten_neighbours():
    """A hundred frames of a slow film; the most uncertain ones are twenty in a row, which show the same."""
    rng = np.random.default_rng(0)
    place = np.cumsum(rng.normal(0, 0.02, (100, 32)), axis=0)
    scenes = np.repeat(rng.normal(0, 1, (5, 32)), 20, axis=0) + place
    uncertainty = np.full(100, 0.5) + rng.uniform(0, 0.05, 100)
    uncertainty[40:60] += 0.3
    chosen = suggest_frames(uncertainty, scenes, 10, apart=1)
    assert chosen[0] == uncertainty.argmax()
    assert len(set(chosen)) == 10
    assert {index // 20 for index in chosen[:5]} == set(range(5))
    by_uncertainty = np.argsort(-uncertainty)[:10]
    assert {index // 20 for index in by_uncertainty} == {2}


def test_certain_frames_come_last_and_too_many_are_not_invented():
    descriptions = np.eye(4)
    assert suggest_frames(np.array([0.1, 0.0, 0.3, 0.2]), descriptions, 10).tolist() == [2, 3, 0, 1]
    assert suggest_frames(np.zeros(0), np.zeros((0, 3)), 10).tolist() == []


@st.composite
def films(draw):
    """(uncertainty, descriptions, count, annotated, apart) of a film of up to 60 frames."""
    frames = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    annotated = np.flatnonzero(rng.random(frames) < draw(st.sampled_from([0, 0.1, 0.6, 1])))
    count, apart = draw(st.integers(0, 12)), draw(st.none() | st.integers(1, 70))
    return rng.random(frames), rng.normal(0, 1, (frames, 4)), count, annotated, apart


@settings(max_examples=300)
@given(films())
def test_any_two_keep_their_distance_and_none_is_lost_to_it(film):
    """The most uncertain frame is the first, as many come as asked for, and only a short film brings them closer."""
    uncertainty, _, count, annotated, apart = film
    chosen = suggest_frames(*film)
    free = np.setdiff1d(np.arange(len(uncertainty)), annotated)
    assert len(chosen) == min(count, len(free))
    assert set(chosen) <= set(free)
    if len(chosen):
        assert chosen[0] == free[uncertainty[free].argmax()]
    short = apart is None or 2 * count * apart > len(free)
    least = max(1, len(free) // (2 * max(count, 1))) if short else apart
    assert (np.diff(np.sort(chosen)) >= least).all()


def test_each_is_the_best_that_is_left():
    """Against a search over all frames, written for one frame at a time."""
    rng = np.random.default_rng(3)
    uncertainty, descriptions, annotated = rng.random(50), rng.normal(0, 1, (50, 3)), [7, 31]
    chosen = suggest_frames(uncertainty, descriptions, 5, annotated, 4).tolist()

    def worth(i, before):
        return uncertainty[i] * min(np.linalg.norm(descriptions[i] - descriptions[j]) for j in (*annotated, *before))

    for k in range(1, 5):
        before = chosen[:k]
        left = [i for i in range(50) if i not in annotated and all(abs(i - j) >= 4 for j in before)]
        assert chosen[k] == max(left, key=lambda i: worth(i, before))


def test_an_outburst_of_moving_particles_does_not_take_all():
    """Nothing happens but for 18 frames, each of them unlike the one before: 8 of 10 lay in such a burst."""
    rng = np.random.default_rng(0)
    descriptions, uncertainty = rng.normal(0, 0.05, (240, 16)), rng.uniform(0.02, 0.03, 240)
    descriptions[154:172] += rng.normal(0, 1, (18, 16))
    uncertainty[154:172] = rng.uniform(0.08, 0.1, 18)
    inside = [sum(154 <= i < 172 for i in suggest_frames(uncertainty, descriptions, 10, (), n)) for n in (1, 9)]
    assert inside[0] >= 8
    assert inside[1] == 2


def test_how_long_a_particle_stays_in_view():
    tracks = pd.DataFrame({"first_frame": [0, 5, 10], "last_frame": [2, 12, 99]})
    assert frames_in_view(tracks) == 8
    assert frames_in_view(tracks[:0]) is None


def test_suggestions_are_a_folder_to_be_corrected_and_read_back(tmp_path):
    """images/ and masks/ as data/README.md wants them: the check of notebook 01 takes them as they are."""
    film = moving_discs(4)
    labels = [np.select([image == GREY[1], image == GREY[2]], [1, 2]).astype(np.uint8) for image in film]
    names = [f"film_{index}" for index in range(4)]
    table = pd.DataFrame({"frame": range(4), "uncertainty": 0.1})
    write_suggestions(tmp_path, zip(names, film, labels, strict=True), table, NAMES, COLOURS)
    classes = read_classes(tmp_path / "classes.yaml")
    assert [(one.name, one.colour) for one in classes] == list(zip(NAMES, COLOURS, strict=True))
    content = check_folder(tmp_path, classes)
    assert sorted(content.images) == names
    assert pd.read_csv(tmp_path / "next_frames.csv")["frame"].tolist() == [0, 1, 2, 3]
