"""Notebook 07's parameters: what it needs, what decides its result, and what it says when something is missing."""

import shutil

import pytest
from toy_film import NAMES

from xpci_utils import stages
from xpci_utils.params import ApplyToVideo, ParameterError
from xpci_utils.simulation import load_classes
from xpci_utils.stages import decisive
from xpci_utils.video import require_simulated_classes


def test_a_network_that_was_not_trained_is_named(tmp_path):
    parameters = ApplyToVideo(run_root=str(tmp_path), cell="emcad__r0001__none__n00000__mix__s0")
    with pytest.raises(stages.StageError, match=r"segmentation/emcad__r0001.*is not finished, and 07_apply_to_video"):
        stages.begin(parameters)
    assert not (tmp_path / "video").exists()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cell": "emcad"}, "'emcad' is not a cell"),
        ({"name": "../elsewhere"}, "name: a name of letters, digits"),
        ({"video": "film.tif"}, "video is not a parameter"),
        ({"frame_interval_us": 0.0}, "frame_interval_us: Input should be greater than 0"),
        ({"flat_field": "yes"}, "flat_field: Input should be 'auto'"),
    ],
)
def test_parameters_that_cannot_be_used(values, message):
    with pytest.raises(ParameterError) as error:
        ApplyToVideo.checked(values)
    assert message in str(error.value)


def test_the_content_of_a_film_counts_and_not_its_place(film_file, tmp_path):
    moved = tmp_path / "elsewhere" / film_file.name
    moved.parent.mkdir()
    shutil.copy(film_file, moved)
    one, other = (decisive(ApplyToVideo(film_path=str(path))) for path in (film_file, moved))
    assert one == other
    assert str(tmp_path) not in repr(one)
    moved.write_bytes(moved.read_bytes()[:-1] + b"x")
    assert decisive(ApplyToVideo(film_path=str(moved))) != one
    folder = decisive(ApplyToVideo(film_path=str(moved.parent)))
    shutil.copy(film_file, moved.parent / "one_more.tif")
    assert decisive(ApplyToVideo(film_path=str(moved.parent))) != folder


def test_what_is_said_of_another_film_is_no_digest(film_file, tmp_path):
    one = ApplyToVideo(film_path=str(film_file))
    record = {"hashed": decisive(one), "parameters": one.model_dump()}
    other = one.model_copy(update={"film_path": str(shutil.copy(film_file, tmp_path / "again.tif"))})
    (sentence,) = stages.differences(record, decisive(other), other)
    assert sentence == f"film_path: {film_file} -> {tmp_path / 'again.tif'}, with another name or content"
    film_file.write_bytes(b"cut")
    (sentence,) = stages.differences(record, decisive(one), one)
    assert sentence == f"the content of {film_file}, since this was made"


def test_a_simulated_film_is_for_networks_that_know_its_classes():
    require_simulated_classes(["background", *(one.name for one in load_classes())])
    with pytest.raises(ValueError, match=r"dull, shiny, which are not the simulator's classes.*film_path"):
        require_simulated_classes(NAMES)
