"""A film: a steady stream of particles that keep their numbers."""

from collections import defaultdict

import numpy as np
import pytest

from xpci_utils.simulation import get_preset, make_film
from xpci_utils.simulation.film import _frames_in_view

FRAMES, SEED = 30, 6


@pytest.fixture(scope="module")
def film():
    return make_film(FRAMES, 120, 136, seed=SEED, preset="reduced")


@pytest.fixture(scope="module")
def rows(film):
    """(frame, class, x, y) of every particle that is clear of the border, by number."""
    rows_by_id = defaultdict(list)
    for number in range(FRAMES):
        for one in film.frame(number).table:
            clear = one.window[0].start > 0 and one.window[1].start > 0
            if clear and one.window[0].stop < 120 and one.window[1].stop < 136:
                rows_by_id[one.id].append((number, one.class_name, one.x, one.y))
    return rows_by_id


def test_a_number_stays_with_its_particle(rows):
    """Particles move in straight lines: a number that jumped to another particle would bend the line by many pixels.

    Rotating and changing shapes move the centroid of a silhouette by up to a few pixels, droplets slow down.
    """
    long = [track for track in rows.values() if len(track) >= 4]
    assert len(long) >= 10
    for track in long:
        times, _, x, y = zip(*track, strict=True)
        for axis in (x, y):
            bent = np.array(axis) - np.polyval(np.polyfit(times, axis, 2), times)
            assert np.abs(bent).max() < 4, track


def test_droplets_of_an_explosion_have_numbers_of_their_own(film, rows):
    exploded = [i for i, t in enumerate(film.tracks) if any(s.class_name == "microexplosion" for s in t.stages)]
    assert exploded
    for index in exploded:
        own = [number for (track, drop), number in film.numbers.items() if track == index and drop]
        assert 6 <= len(own) <= 10
    assert sorted(film.numbers.values()) == list(range(1, len(film.numbers) + 1))
    thrown = {number for (_, drop), number in film.numbers.items() if drop} & set(rows)
    assert thrown
    assert all(name == "fragment" for number in thrown for _, name, _, _ in rows[number])


def test_a_frame_depends_on_seed_and_number_alone(film):
    again = make_film(FRAMES, 120, 136, seed=SEED, preset="reduced").frame(17)
    first = film.frame(17)
    assert all(np.array_equal(getattr(again, k), getattr(first, k)) for k in ("raw", "image", "labels", "instances"))
    assert not np.array_equal(make_film(FRAMES, 120, 136, seed=SEED + 1, preset="reduced").frame(17).raw, first.raw)


def test_instances_and_labels_say_the_same(film):
    frame = film.frame(5)
    assert set(np.unique(frame.instances)) - {0} <= {one.id for one in frame.table if one.visible}
    for one in frame.table:
        inside = frame.instances == one.id
        assert set(np.unique(frame.labels[inside])) <= {one.class_index}


@pytest.mark.parametrize("preset", ["aps32id_u18", "reduced"])
def test_as_many_particles_are_in_view_as_the_preset_says(preset):
    preset = get_preset(preset)
    film = make_film(400, preset.height, preset.width, 0, preset)
    field = np.array([preset.width, preset.height]) * preset.pixel_um
    in_view = sum(_frames_in_view(track, 400, field, preset) for track in film.tracks)
    wanted = (preset.particles_per_mm2 + preset.fragments_per_mm2) * field.prod() * 1e-6 * 400
    longest = max(_frames_in_view(track, 400, field, preset) for track in film.tracks)
    assert wanted <= in_view <= wanted + 2 * longest
    thirds = [[t for t in film.tracks if low <= t.reference_time < low + 133] for low in (0, 133, 266)]
    assert max(map(len, thirds)) < 2.5 * min(map(len, thirds))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"frames": 0}, "at least 1 frame"),
        ({"height": 8}, "16 x 16"),
        ({"sampling": "some"}, "curated"),
        ({"metal": "Fe"}, "Hf"),
        ({"preset": "x"}, "unknown preset"),
    ],
)
def test_what_cannot_be_filmed_is_said(values, message):
    with pytest.raises(ValueError, match=message):
        make_film(**{"frames": 2, "height": 64, "width": 64, "seed": 0, **values})
