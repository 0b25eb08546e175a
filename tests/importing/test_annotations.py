"""How annotations are drawn, and which frame they belong to."""

import numpy as np
from PIL import Image

from xpci_utils.importing import open_film
from xpci_utils.importing.annotations import open_annotations
from xpci_utils.importing.matching import match, sequences_of


def test_labelmes_shapes_are_drawn_as_labelme_draws_them(foreign):
    """Polygons, boxes, circles, turned boxes and masks of random corners, against labelme's own label maps."""
    shapes = foreign / "labelme_shapes"
    found = open_annotations(shapes, None)
    order = {one.name: one.index for one in found.classes}
    own = {1: order["drop"], 2: order["shell"], 3: order["fragment"], 0: 0}
    assert len(found.names) == 8
    for name in found.names:
        drawn = np.array(Image.open(shapes / f"{name}.png"))
        assert np.array_equal(found.read(name), np.vectorize(own.get)(drawn))


def test_annotations_of_some_frames_are_matched_by_number(tmp_path):
    frames = [f"film_{i:05d}" for i in range(400)]
    pairs, how = match(frames, ("mask_0007", "mask_0399"), True, tmp_path)
    assert pairs == {"film_00007": "mask_0007", "film_00399": "mask_0399"}
    assert how == "by number, counted as in the names"


def test_one_film_is_cut_into_stretches_of_time(foreign):
    film = open_film(foreign / "film.tif")
    sequences, sentence = sequences_of([film], list(film.names), None)
    parts = [sequences[name] for name in film.names]
    assert parts == sorted(parts)
    assert sentence.endswith(f"cut into {len(set(parts))} stretches in time")
    assert 3 <= len(set(parts)) <= 10
