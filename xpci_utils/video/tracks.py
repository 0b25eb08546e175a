"""Particles linked over time: trajectories, speeds, and which class a particle has and changes to.

Linking is trackpy's (Crocker and Grier 1996, doi 10.1006/jcis.1996.0217), with every particle expected where its own
last step would take it.
"""

from collections.abc import Hashable
from itertools import pairwise

import numpy as np
import pandas as pd

ADAPTIVE_STEP, ADAPTIVE_STOP = 0.8, 0.01  # where particles crowd, the reach shrinks step by step, to this share at most
NEIGHBOURS = 2  # frames before and after that have a say in a detection's class


def link_tracks(
    particles: pd.DataFrame, max_speed_m_per_s: float, frame_interval_us: float, memory_frames: int = 1
) -> pd.DataFrame:
    """The particle table with the columns ``track`` (1, 2, ... in order of appearance) and ``track_class``.

    A particle may lie ``max_speed_m_per_s`` x ``frame_interval_us`` (1 m/s is 1 um/us) from where its last step would
    take it, and be missing for ``memory_frames`` frames. ``track_class`` is the class with the highest summed
    confidence within two frames before and after on the same track: one frame named otherwise is no change of class.
    Where so many particles lie within reach of each other that their pairing cannot be searched, the reach is lowered
    there (trackpy's adaptive search); ValueError where even a hundredth of it is too far.
    """
    particles = particles.sort_values(["frame", "particle"], ignore_index=True)
    if particles.empty:
        return particles.assign(track=np.zeros(0, int), track_class=np.zeros(0, object))
    number = _linked(particles, max_speed_m_per_s * frame_interval_us, memory_frames)
    linked = particles.assign(track=1 + pd.factorize(number)[0])
    return linked.assign(track_class=_smoothed_class(linked))


def _linked(particles: pd.DataFrame, reach_um: float, memory_frames: int) -> np.ndarray:
    """Number of its track for every row; frames without particles count as frames."""
    import trackpy

    trackpy.quiet()
    places = {frame: one[["x_um", "y_um"]].to_numpy() for frame, one in particles.groupby("frame")}
    every = range(int(particles["frame"].min()), int(particles["frame"].max()) + 1)
    levels = ((frame, places.get(frame, np.zeros((0, 2)))) for frame in every)
    linked = trackpy.link_iter(
        levels,
        reach_um,
        memory=memory_frames,
        predictor=_OwnVelocity(),
        adaptive_stop=ADAPTIVE_STOP * reach_um,
        adaptive_step=ADAPTIVE_STEP,
    )
    try:
        return np.concatenate([np.array(numbers, int) for _, numbers in linked])
    except trackpy.SubnetOversizeException:
        raise ValueError(
            f"the particles lie too close to be linked over {reach_um:g} um from frame to frame; lower "
            "max_speed_m_per_s, check frame_interval_us and the size of a pixel, or raise min_particle_px"
        ) from None


class _OwnVelocity:
    """Where trackpy shall look for a particle: on from its last place with its own last velocity.

    trackpy's own predictor gives a particle without velocity that of its nearest neighbour, which suits flows;
    particles of a powder fly their own ways.
    """

    def __init__(self):
        self.known = {}  # track -> (time, place, velocity) of its last point

    def __call__(self, time: int, points: list) -> np.ndarray:
        return np.array([self._expected(time, point) for point in points])

    def _expected(self, time: int, point) -> np.ndarray:
        before, place, velocity = self.known.get(point.track.id, (point.t, point.pos, np.zeros(2)))
        if point.t > before:
            velocity = (point.pos - place) / (point.t - before)
        self.known[point.track.id] = (point.t, point.pos, velocity)
        return point.pos + velocity * (time - point.t)


def _smoothed_class(linked: pd.DataFrame) -> pd.Series:
    smoothed = linked["class"].copy()
    for _, track in linked.groupby("track"):
        votes = track.pivot_table(index="frame", columns="class", values="confidence", aggfunc="sum", fill_value=0.0)
        every = votes.reindex(range(votes.index[0], votes.index[-1] + 1), fill_value=0.0)
        near = every.rolling(2 * NEIGHBOURS + 1, center=True, min_periods=1).sum()
        smoothed[track.index] = near.loc[track["frame"]].idxmax(axis=1).to_numpy()
    return smoothed


def summarise_tracks(linked: pd.DataFrame, frame_interval_us: float, min_frames: int) -> pd.DataFrame:
    """One row per track of at least ``min_frames`` detections.

    Columns: track, first_frame, last_frame, detections, vx_m_per_s, vy_m_per_s, speed_m_per_s (slope of the straight
    line fitted to the places, 1 um/us = 1 m/s), diameter_um (median over detections clear of the border, or over all),
    class_first, class_last, changes (how often the class changes along it).
    """
    rows = [
        _summary(number, track, frame_interval_us)
        for number, track in linked.groupby("track")
        if len(track) >= max(min_frames, 2)
    ]
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def frames_in_view(tracks: pd.DataFrame) -> int | None:
    """For how many frames a particle stays in view: the median over the tracks of `summarise_tracks`; None without any.

    At least half of all particles are never in view in two frames that far apart.
    """
    return int((tracks["last_frame"] - tracks["first_frame"] + 1).median()) if len(tracks) else None


def velocity(frames: pd.Series, x_um: pd.Series, y_um: pd.Series, frame_interval_us: float) -> tuple[float, float]:
    """(vx, vy) [m/s] of the straight line through places at these frames, by least squares."""
    vx, vy = (float(np.polyfit(frames * frame_interval_us, axis, 1)[0]) for axis in (x_um, y_um))
    return vx, vy


_COLUMNS = (
    "track", "first_frame", "last_frame", "detections", "vx_m_per_s", "vy_m_per_s", "speed_m_per_s", "diameter_um",
    "class_first", "class_last", "changes",
)  # fmt: skip


def _summary(number: Hashable, track: pd.DataFrame, frame_interval_us: float) -> dict:
    track = track.sort_values("frame")
    vx, vy = velocity(track["frame"], track["x_um"], track["y_um"], frame_interval_us)
    clear = track[~track["at_border"]]
    classes = track["track_class"].tolist()
    values = (
        number, track["frame"].iloc[0], track["frame"].iloc[-1], len(track), vx, vy, float(np.hypot(vx, vy)),
        float((clear if len(clear) else track)["diameter_um"].median()), classes[0], classes[-1],
        sum(a != b for a, b in pairwise(classes)),
    )  # fmt: skip
    return dict(zip(_COLUMNS, values, strict=True))


def class_changes(linked: pd.DataFrame, class_names: list[str]) -> pd.DataFrame:
    """How often a track of one class (row) goes on as another (column), from one detection to its next."""
    ordered = linked.sort_values(["track", "frame"])
    after = ordered.groupby("track")["track_class"].shift(-1)
    changed = ordered.assign(after=after)[after.notna() & (after != ordered["track_class"])]
    table = pd.crosstab(changed["track_class"], changed["after"])
    return table.reindex(index=class_names[1:], columns=class_names[1:], fill_value=0)


def counts_over_time(linked: pd.DataFrame, frames: int, class_names: list[str]) -> pd.DataFrame:
    """Particles in view per frame (row) and class (column)."""
    table = pd.crosstab(linked["frame"], linked["track_class"])
    return table.reindex(index=range(frames), columns=class_names[1:], fill_value=0)
