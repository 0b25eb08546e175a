"""Which mask belongs to which frame: by names, by pixels, or by asking; never wrongly in silence."""

import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from xpci_utils.frames import FolderError
from xpci_utils.importing.__main__ import main
from xpci_utils.importing.edges import EdgeCheck, Films, Verdict
from xpci_utils.importing.film import Film
from xpci_utils.importing.matching import Masks, match
from xpci_utils.importing.names import Frames, by_number, by_part, numbers

COUNT = 12
CLASSES = "classes:\n- {index: 1, name: drop, colour: '#cc3311'}\n"


def moving(count=COUNT, speed=3.0, seed=0, side=64):
    """Frames and masks of five dark discs on noise, each on its own way at ``speed`` pixels a frame."""
    rng = np.random.default_rng(seed)
    start, way = rng.uniform(8, side - 8, (5, 2)), rng.uniform(0, 2 * np.pi, 5)
    y, x = np.mgrid[:side, :side]
    for i in range(count):
        places = (start + i * speed * np.stack([np.sin(way), np.cos(way)], 1)) % side
        mask = np.any([(y - py) ** 2 + (x - px) ** 2 < 36 for py, px in places], axis=0).astype(np.uint8)
        yield (160 - 70 * mask + rng.normal(0, 20, mask.shape)).clip(0, 255).astype(np.uint8), mask


FRAMES, MASKS = (np.stack(part) for part in zip(*moving(), strict=True))


def stack(name="film", frames=FRAMES):
    """A film as its reader would give it."""
    names = tuple(f"{name}_{i:05d}" for i in range(len(frames)))
    return Film(Path(f"{name}.tif"), names, "TIFF stack", lambda i: frames[i])


def pictures(tmp_path, names, frames=FRAMES):
    """Single pictures of a folder as one film."""
    return Film(tmp_path, tuple(names), "folder of pictures", lambda i: frames[i])


def masks(tmp_path, named):
    """Masks by name: the number of the frame they belong to."""
    return Masks(tuple(named), tmp_path / "masks", lambda name: MASKS[named[name]])


def matched(film, named, tmp_path, **options):
    pairs, how = match([film], masks(tmp_path, named), **options)
    return {film.names.index(frame): named[name] for frame, name in pairs.items()}, how


@pytest.mark.parametrize(
    ("pattern", "first", "wording"),
    [
        ("film_{:05d}", 0, "by name"),
        ("frame_{:04d}", 1, "frames counted from 1"),
        ("frame_{:04d}", 0, "by number"),
        ("mask_{:02d}_v2", 0, "by number"),
        ("{:d}", 1, "frames counted from 1"),
        ("2024-05-01_shot7_{:03d}_mask", 1, "frames counted from 1"),
        ("film_{:05d}_png.rf.c0ffee7", 0, "name of the frame inside"),
        ("a1b2c3d4-film_{:05d}_mask", 0, "name of the frame inside"),
        ("film_{:05d}", 1, "frames counted from 1"),
    ],
)
def test_some_masks_of_a_stack_find_their_frames(tmp_path, pattern, first, wording):
    """Seven of twelve frames; the last pattern has the very names that the reader gives, counted from 1."""
    named = {pattern.format(i + first): i for i in range(2, 9)}
    pairs, how = matched(stack(), named, tmp_path)
    assert pairs == {i: i for i in range(2, 9)}
    assert wording in how
    assert "checked" in how
    assert wording == "by name" or how.count(" -> ") == 3


def test_hashes_do_not_count_as_numbers(tmp_path):
    """Names of Roboflow, whose hashes end in digits of their own."""
    hashes = ["9be4c1a7e5", "d03fe7a2cb7", "77ab1e09d2", "1c5f8ab4"]
    named = {f"film_{i:05d}_png.rf.{end}": i for i, end in enumerate(hashes)}
    assert matched(stack(), named, tmp_path)[0] == {i: i for i in range(4)}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_are_compared_however_they_are_written(tmp_path, form):
    other = "NFD" if form == "NFC" else "NFC"
    names = [f"Tröpfchen_é{letter}" for letter in "abcdefghijkl"]
    film = pictures(tmp_path, [unicodedata.normalize(form, name) for name in names])
    pairs, how = matched(film, {unicodedata.normalize(other, name): i for i, name in enumerate(names)}, tmp_path)
    assert pairs == {i: i for i in range(COUNT)}
    assert how.startswith("by name;")


def test_nnunets_channel_number_is_known(tmp_path):
    film = pictures(tmp_path, [f"case_{i:03d}_0000" for i in range(COUNT)])
    pairs, how = matched(film, {f"case_{i:03d}": i for i in range(COUNT)}, tmp_path)
    assert pairs == {i: i for i in range(COUNT)}
    assert "without nnU-Net's channel number _0000 (case_000 -> case_000_0000" in how


def test_several_channels_of_nnunet_are_named(tmp_path):
    names = [f"case_{i:03d}_000{channel}" for i in range(COUNT) for channel in (0, 1)]
    film = pictures(tmp_path, names, np.repeat(FRAMES, 2, axis=0))
    with pytest.raises(FolderError, match=r"_0000 to _0001 seem to be channels of nnU-Net: give a folder with one"):
        matched(film, {f"case_{i:03d}": i for i in range(COUNT)}, tmp_path)


def test_folders_in_names_are_known(tmp_path):
    film = pictures(tmp_path, [f"run1_film_{i:03d}" for i in range(COUNT)])
    assert matched(film, {f"run1/film_{i:03d}": i for i in range(COUNT)}, tmp_path)[0] == {i: i for i in range(COUNT)}


SLOW, SLOW_MASKS = (np.stack(part) for part in zip(*moving(speed=0.0), strict=True))


def test_what_neither_names_nor_pixels_tell_is_asked(tmp_path):
    """Particles that stand still: the masks fit every frame."""
    film = stack(frames=SLOW)
    named = {f"frame_{i:04d}": i for i in range(2, 9)}
    given = Masks(tuple(named), tmp_path / "masks", lambda name: SLOW_MASKS[named[name]])
    with pytest.raises(FolderError) as error:
        match([film], given)
    asked = str(error.value)
    assert "frame_0002 -> film_00002, frame_0003 -> film_00003 (--pair-by number)" in asked
    assert "frame_0002 -> film_00001, frame_0003 -> film_00002 (--pair-by number-from-one)" in asked
    for by, shift in (("number", 0), ("number-from-one", 1)):
        pairs, how = match([film], given, by=by)
        assert pairs == {f"film_{i - shift:05d}": f"frame_{i:04d}" for i in range(2, 9)}
        assert "neither confirm nor contradict" in how


def test_complete_numbers_are_believed_where_pixels_do_not_tell(tmp_path):
    film = stack(frames=SLOW)
    for first in (0, 1):
        named = {f"m{i + first}": i for i in range(COUNT)}
        given = Masks(tuple(named), tmp_path / "masks", lambda name, named=named: SLOW_MASKS[named[name]])
        pairs, _ = match([film], given)
        assert {film.names.index(frame): named[name] for frame, name in pairs.items()} == {i: i for i in range(COUNT)}


@pytest.mark.parametrize("names", ["equal", "numbers"])
def test_masks_under_wrong_names_are_refused_unless_insisted(tmp_path, names):
    mixed = np.random.default_rng(1).permutation(COUNT).tolist()
    film = pictures(tmp_path, [f"a_{i:02d}" for i in range(COUNT)])
    named = {f"{'a' if names == 'equal' else 'b'}_{i:02d}": mixed[i] for i in range(COUNT)}
    with pytest.raises(FolderError, match=r"the borders|borders of the masks lie on edges of other frames|insist with"):
        matched(film, named, tmp_path)
    insisted = "name" if names == "equal" else "number"
    pairs, how = matched(film, named, tmp_path, by=insisted)
    assert pairs == dict(enumerate(mixed))
    assert Verdict.WRONG.value in how


def test_annotations_of_frames_that_are_not_there_can_be_left_out(tmp_path):
    film = pictures(tmp_path, [f"a_{i:02d}" for i in range(8)])
    named = {f"a_{i:02d}": i for i in range(COUNT)}
    with pytest.raises(FolderError, match=r"4 of 12 annotations have no frame .*--given-frames-only"):
        matched(film, named, tmp_path)
    assert matched(film, named, tmp_path, given_only=True)[0] == {i: i for i in range(8)}


PATTERNS = [
    "film_{:05d}",
    "frame_{:d}",
    "m{:03d}_v2",
    "{:04d}",
    "film_{:05d}_png.rf.{hash}",
    "{hash}_{:02d}",
    "x_{hash}",
]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pattern=st.sampled_from(PATTERNS),
    first=st.integers(0, 5),
    chosen=st.sets(st.integers(0, COUNT - 1), min_size=4),
    content=st.sampled_from(["own", "mixed", "of others"]),
    seed=st.integers(0, 10**6),
    as_stack=st.booleans(),
)
def test_renaming_never_pairs_wrongly_in_silence(tmp_path, pattern, first, chosen, content, seed, as_stack):
    """Any names for any of the masks, also those of others: right pairs, a refusal, or the words that it is open.

    Masks may change places, or one of them may be that of a frame whose own name no mask has.
    """
    rng = np.random.default_rng(seed)
    numbers = sorted(chosen)
    hashes = [f"{rng.integers(2**32):x}" for _ in numbers]
    meant = rng.permutation(numbers).tolist() if content == "mixed" else list(numbers)
    if content == "of others" and (free := sorted(set(range(COUNT)) - chosen)):
        meant[rng.integers(len(meant))] = int(rng.choice(free))
    names = [pattern.format(n + first, hash=end) for n, end in zip(numbers, hashes, strict=True)]
    film = stack() if as_stack else pictures(tmp_path, [f"film_{i:05d}" for i in range(COUNT)])
    try:
        pairs, how = matched(film, dict(zip(names, meant, strict=True)), tmp_path)
    except FolderError:
        return
    assert all(frame == mask for frame, mask in pairs.items()) or Verdict.OPEN.value in how


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["m_0003", "m_0007"], [3, 7]),
        (["run2_m_0003", "run2_m_0007"], [3, 7]),
        (["m_3_v2", "m_7_v2"], [3, 7]),
        (["case_001_0000", "case_002_0000"], [1, 2]),
        (["m_7"], [7]),
        (["a_1", "b_2"], []),
        (["r1_m1", "r2_m2"], []),
        (["m_1", "m_01"], []),
        (["m", "n"], []),
    ],
)
def test_the_number_of_a_frame_is_the_one_that_differs(names, expected):
    assert list(numbers(names).values()) == expected


def test_a_name_that_holds_two_frames_names_none():
    frames = Frames.of([pictures(Path("."), "123")])
    assert by_part(frames, ["1_of_3"]) is None
    assert by_part(frames, ["mask_2"]).pairs == {"mask_2": 1}
    assert not by_part(frames, ["mask_2"]).sure
    assert by_number(frames, ["mask_2", "mask_3"]).pairs == {"mask_2": 1, "mask_3": 2}


@pytest.mark.parametrize("speed", [1.0, 2.0, 5.0, 20.0])
def test_shifted_masks_do_not_fit(speed):
    frames, labels = (np.stack(part) for part in zip(*moving(speed=speed, seed=4), strict=True))
    check = EdgeCheck(Films(lambda i: frames[i], lambda name: labels[int(name)], [0] * COUNT))
    for shift, expected in ((0, Verdict.FITS), (1, Verdict.WRONG), (-1, Verdict.WRONG)):
        pairs = {str(i): i + shift for i in range(1, COUNT - 1)}
        assert check.judge(pairs) is expected


@pytest.mark.parametrize("place", [0, 4, 8])
@pytest.mark.parametrize("beyond", [1, 3])
def test_one_mask_of_a_frame_without_one_is_not_confirmed(place, beyond):
    """Eight masks under their own names, and one more that is of a frame which no mask is called like."""
    named = [i for i in range(COUNT) if i % 4 != 1]
    own = {str(i): i for i in named}
    astray = {str(i): i for i in named if i != named[place]}
    free = sorted((i for i in range(COUNT) if i % 4 == 1), key=lambda i: abs(i - named[place]))
    astray[str(free[beyond // 2])] = named[place]
    check = EdgeCheck(Films(lambda i: FRAMES[i], lambda name: MASKS[int(name)], [0] * COUNT))
    assert check.judge(own) is Verdict.FITS
    assert check.judge(astray) is Verdict.OPEN


def test_a_mask_that_shows_nothing_by_itself_leaves_all_open_and_is_named(tmp_path):
    """Its few pixels lie where every frame is alike, so that it may be of any frame; all others fit."""
    faint = MASKS.copy()
    faint[5] = 0
    faint[5, 30:34, 30:34] = 1
    frames = FRAMES.copy()
    frames[:, 26:38, 26:38] = 160 + np.random.default_rng(1).integers(-20, 20, (12, 12))  # in all frames the same
    names = tuple(f"film_{i:05d}" for i in range(COUNT))
    how = []
    for own in (MASKS, faint):
        given = Masks(names, tmp_path, lambda name, own=own: own[int(name[-5:])])
        how.append(match([stack(frames=frames)], given)[1])
    assert Verdict.FITS.value in how[0]
    assert f"{Verdict.OPEN.value} for all masks: 11 of the 12 masks looked at fit their own frame" in how[1]
    assert how[1].endswith(", film_00005 does not")


def test_a_mask_that_seems_to_fit_the_next_frame_is_not_confirmed():
    """Small frames with much noise: too little to call one mask astray, but too much to confirm it with the others."""
    frames, labels = (np.stack(part) for part in zip(*moving(speed=1.0, seed=3), strict=True))
    check = EdgeCheck(Films(lambda i: frames[i], lambda name: labels[int(name)], [0] * COUNT))
    others = {str(i): i for i in range(2, COUNT)}
    assert check.judge({"0": 0, **others}) is Verdict.FITS
    assert check.judge({"1": 0, **others}) is Verdict.OPEN


@pytest.mark.parametrize("value", [0, 1, 255])
def test_masks_without_a_border_leave_it_open(tmp_path, value):
    film = pictures(tmp_path, [f"a_{i:02d}" for i in range(COUNT)])
    plain = Masks(film.names, tmp_path / "masks", lambda name: np.full((64, 64), value, np.uint8))
    pairs, how = match([film], plain)
    assert pairs == {name: name for name in film.names}
    assert Verdict.OPEN.value in how


def test_one_film_does_not_speak_for_the_next():
    """Frames of two films are no neighbours: the last of one and the first of the other are not compared."""
    check = EdgeCheck(Films(lambda i: FRAMES[i], lambda name: MASKS[int(name)], list(range(COUNT))))
    assert check.judge({str(i): i for i in range(4)}) is Verdict.OPEN


@pytest.fixture
def from_one(tmp_path):
    """A stack, and masks of its first eight frames that ffmpeg numbered from 1."""
    tifffile.imwrite(tmp_path / "film.tif", FRAMES, photometric="minisblack")
    (tmp_path / "masks").mkdir()
    (tmp_path / "classes.yaml").write_text(CLASSES)
    for i in range(8):
        Image.fromarray(MASKS[i]).save(tmp_path / f"masks/frame_{i + 1:04d}.png")
    return [str(tmp_path / name) for name in ("film.tif", "masks", "out")] + [
        "--classes",
        str(tmp_path / "classes.yaml"),
    ]


def test_the_command_shows_three_pairs(from_one, tmp_path, capsys):
    assert main([*from_one, "--annotated-only"]) == 0
    printed = capsys.readouterr().out
    assert "(frame_0001 -> film_00000, frame_0002 -> film_00001, frame_0003 -> film_00002); checked" in printed
    for i in range(8):
        assert np.array_equal(np.array(Image.open(tmp_path / f"out/masks/film_{i:05d}.png")), MASKS[i])
        assert np.array_equal(np.array(Image.open(tmp_path / f"out/images/film_{i:05d}.png")), FRAMES[i])


def test_the_command_does_as_it_is_told(from_one, tmp_path, capsys):
    assert main([*from_one, "--annotated-only", "--pair-by", "number"]) == 0
    assert Verdict.WRONG.value in capsys.readouterr().out
    assert np.array_equal(np.array(Image.open(tmp_path / "out/masks/film_00001.png")), MASKS[0])
    shutil.rmtree(tmp_path / "out")
    assert main([*from_one, "--annotated-only", "--pair-by", "order"]) == 2
    assert "cannot be paired by order" in capsys.readouterr().err
