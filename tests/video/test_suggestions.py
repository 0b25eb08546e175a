"""What to annotate next: uncertain, and not all alike."""

import numpy as np
import pandas as pd
import pytest
from toy_film import GREY, disc, grey_scores, moving_discs

from xpci_utils.frames import check_folder, read_classes
from xpci_utils.video import frame_uncertainty, suggest_frames, write_suggestions
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
    chosen = suggest_frames(uncertainty, scenes, 10)
    assert chosen[0] == uncertainty.argmax()
    assert len(set(chosen)) == 10
    assert {index // 20 for index in chosen[:5]} == set(range(5))
    by_uncertainty = np.argsort(-uncertainty)[:10]
    assert {index // 20 for index in by_uncertainty} == {2}


def test_certain_frames_come_last_and_too_many_are_not_invented():
    descriptions = np.eye(4)
    assert suggest_frames(np.array([0.1, 0.0, 0.3, 0.2]), descriptions, 10).tolist() == [2, 3, 0, 1]
    assert suggest_frames(np.zeros(0), np.zeros((0, 3)), 10).tolist() == []


def test_suggestions_are_a_folder_to_be_corrected_and_read_back(tmp_path):
    """images/ and masks/ as data/README.md wants them: the check of notebook 01 takes them as they are."""
    film = moving_discs(4)
    labels = [np.select([image == GREY[1], image == GREY[2]], [1, 2]).astype(np.uint8) for image in film]
    names = [f"film_{index}" for index in range(4)]
    table = pd.DataFrame({"frame": range(4), "uncertainty": 0.1})
    write_suggestions(tmp_path, zip(names, film, labels, strict=True), table)
    (tmp_path / "classes.yaml").write_text(
        'classes:\n- {index: 1, name: dull, colour: "#4477aa"}\n- {index: 2, name: shiny, colour: "#ee7733"}\n'
    )
    found = check_folder(tmp_path, read_classes(tmp_path / "classes.yaml"))
    assert sorted(found.images) == names
    assert pd.read_csv(tmp_path / "next_frames.csv")["frame"].tolist() == [0, 1, 2, 3]
