import numpy as np
import pytest
import torch

from xpci_utils.frames.frameset import read_png, write_png
from xpci_utils.segmentation import (
    build_network,
    class_scores,
    load_network,
    predict,
    predict_folder,
    save_network,
    write_predictions,
)


@pytest.fixture(scope="module")
def network():
    return build_network("emcad", 10, size="quick")


@pytest.mark.parametrize("shape", [(64, 64), (50, 70), (33, 31)])
def test_scores_are_probabilities_of_any_frame_size(network, shape):
    scores = class_scores(network, np.full((2, *shape), 100, np.uint8))
    assert scores.shape == (2, 10, *shape)
    np.testing.assert_allclose(scores.sum(1), 1, rtol=1e-5)


def test_whole_frames_and_a_saved_copy_predict_the_same(network, frames, tmp_path):
    save_network(tmp_path / "model.safetensors", network, frames)
    copy, known = load_network(tmp_path / "model.safetensors")
    assert known["class_names"] == frames.class_names
    ours, theirs = predict(network, frames.split("test")), predict(copy, frames.split("test"))
    assert list(ours) == ["f6", "f7", "f8"]
    for name, labels in ours.items():
        assert labels.dtype == np.uint8
        np.testing.assert_array_equal(labels, theirs[name])


def test_chosen_predictions_are_written_under_their_frames_names(network, frames, tmp_path):
    predictions = predict(network, frames.split("test"))
    write_predictions(tmp_path / "predictions", predictions, ["f6", "f8"])
    assert sorted(path.name for path in (tmp_path / "predictions").iterdir()) == ["f6.png", "f8.png"]
    np.testing.assert_array_equal(read_png(tmp_path / "predictions" / "f6.png"), predictions["f6"])


def test_transunet_remembers_its_frame_size(frames, tmp_path):
    network = build_network("transunet", 10, size="quick", image_size=(64, 96))
    save_network(tmp_path / "model.safetensors", network, frames)
    assert load_network(tmp_path / "model.safetensors")[0].image_size == (64, 96)


def test_a_folder_of_images_is_segmented(network, frames, tmp_path):
    save_network(tmp_path / "model.safetensors", network, frames)
    (tmp_path / "images").mkdir()
    frame = frames[0]
    write_png(tmp_path / "images" / "eight.png", frame.image)
    write_png(tmp_path / "images" / "sixteen.png", frame.image.astype(np.uint16))  # window of the frames: 0 to 255
    written = predict_folder(tmp_path / "model.safetensors", tmp_path / "images", tmp_path / "labels")
    assert [path.name for path in written] == ["eight.png", "sixteen.png"]
    expected = predict(network, frames.first(1))[frame.name]
    for path in written:
        np.testing.assert_array_equal(read_png(path), expected)


def test_an_empty_folder_is_an_error_in_words(network, frames, tmp_path):
    save_network(tmp_path / "model.safetensors", network, frames)
    (tmp_path / "images").mkdir()
    with pytest.raises(FileNotFoundError, match="no PNG or TIFF files"):
        predict_folder(tmp_path / "model.safetensors", tmp_path / "images", tmp_path / "labels")


def test_prediction_leaves_no_gradient_and_uses_running_statistics(network):
    images = np.random.default_rng(0).integers(0, 255, (3, 64, 64), dtype=np.uint8)
    together, alone = class_scores(network, images), class_scores(network, images[:1])
    np.testing.assert_allclose(together[:1], alone, atol=1e-5)
    assert not network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.is_grad_enabled()
