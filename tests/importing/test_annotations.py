"""How annotations are drawn."""

import numpy as np
from PIL import Image

from xpci_utils.importing.annotations import open_annotations


def test_labelmes_shapes_are_drawn_as_labelme_draws_them(foreign):
    """Polygons, boxes, circles, turned boxes and masks of random corners, against labelme's own label maps."""
    shapes = foreign / "labelme_shapes"
    annotations = open_annotations(shapes, None)
    order = {one.name: one.index for one in annotations.classes}
    own = {1: order["drop"], 2: order["shell"], 3: order["fragment"], 0: 0}
    assert len(annotations.names) == 8
    for name in annotations.names:
        drawn = np.array(Image.open(shapes / f"{name}.png"))
        assert np.array_equal(annotations.read(name), np.vectorize(own.get)(drawn))
