"""A film that is easy to segment by hand: discs on grey, whose grey level is their class."""

import numpy as np

NAMES = ["background", "dull", "shiny"]
COLOURS = ["#000000", "#4477aa", "#ee7733"]
GREY = (100, 160, 220)


def grey_scores(images, sharpness=0.2):
    """Class probabilities of grey levels: a network that knows no shapes. uint8 [N, H, W] -> float32 [N, 3, H, W]."""
    away = np.abs(images[:, None].astype(np.float32) - np.array(GREY, np.float32)[:, None, None])
    p = np.exp(-sharpness * away)
    return p / p.sum(1, keepdims=True)


def disc(shape, y, x, radius):
    """Bool [H, W], true within ``radius`` of (y, x)."""
    rows, columns = np.indices(shape)
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def moving_discs(frames=24, shape=(48, 64)):
    """uint8 [frames, H, W]: a dull disc that goes right by 2 px a frame, a shiny one that stays and turns dull."""
    film = np.full((frames, *shape), GREY[0], np.uint8)
    for t, frame in enumerate(film):
        frame[disc(shape, 14, 6 + 2 * t, 5)] = GREY[1]
        frame[disc(shape, 35, 20, 4)] = GREY[2 if t < frames // 2 else 1]
    return film
