"""Films of high-speed cameras, through the readers of their users: pyMRAW (Photron) and pycine (Phantom)."""

import contextlib
import importlib
import io
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np

from xpci_utils import paths
from xpci_utils.frames.faults import FolderError, reading
from xpci_utils.importing.film import Film, check_shape, numbered


def open_photron(path: Path) -> Film:
    """A .mraw with the .cihx or .cih beside it: 8 or 16 bit, or 12 bit packed."""
    mraw = _library("pyMRAW", path)
    header, data = _photron_pair(path)
    with reading(header, "a Photron header"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "Not 12bit image!"
        metadata = mraw.get_cih(str(header))
        mraw.check_exceptions(metadata)
        shape = (metadata["Total Frame"], metadata["Image Height"], metadata["Image Width"])
        bits, rate = int(metadata["Color Bit"]), float(metadata["Record Rate(fps)"])
    frames, height, width = check_shape(shape, header)
    frame_bytes = height * width * bits // 8
    if (size := data.stat().st_size) < frames * frame_bytes:
        raise FolderError(f"{paths.display(data)} is cut off: {size} bytes of {frames * frame_bytes}; copy it again")

    def read(index: int) -> np.ndarray:
        stored = np.memmap(data, np.uint8, "r", index * frame_bytes, (frame_bytes,))
        pixels = mraw.nb_read_uint12(stored) if bits == 12 else stored.view(f"<u{bits // 8}")
        return pixels.reshape(height, width)

    return Film(data, numbered(data, frames), f"Photron, {bits} bit", read, interval_us=1e6 / rate if rate else None)


def open_phantom(path: Path) -> Film:
    """A .cine file; pycine maps its black and white levels to the full range of the camera's bits."""
    raw = _library("pycine.raw", path)
    with reading(path, "a Phantom film"), contextlib.redirect_stdout(io.StringIO()):
        header = raw.read_header(path)
        picture, setup = header["bitmapinfoheader"], header["setup"]
        if header["cinefileheader"].Type != int.from_bytes(b"CI", "little") or not picture.biWidth:
            raise FolderError(f"{paths.display(path)} is not a cine file, or cut off; copy it again")
        frames, *_ = check_shape((header["cinefileheader"].ImageCount, picture.biHeight, picture.biWidth), path)
        if picture.biBitCount not in (8, 16):
            raise FolderError(f"{paths.display(path)} is a colour film; frames have one channel")

    def read(index: int) -> np.ndarray:
        return next(raw.frame_reader(path, header, start_frame=index + 1, count=1))

    interval = 1e6 / setup.FrameRate if setup.FrameRate else None
    return Film(path, numbered(path, frames), f"Phantom, {setup.RealBPP} bit", read, interval_us=interval)


def _library(name: str, path: Path) -> ModuleType:
    package = name.split(".")[0]
    try:
        return importlib.import_module(name)
    except ImportError:
        raise FolderError(
            f"{paths.display(path)} needs {package} to be read; install it with 'pip install {package}', "
            "or save the film as a TIFF stack"
        ) from None


def _photron_pair(path: Path) -> tuple[Path, Path]:
    """(header, picture data) of a film, given either."""
    headers = [path.with_suffix(suffix) for suffix in (".cihx", ".cih") if path.with_suffix(suffix).is_file()]
    data = path.with_suffix(".mraw")
    if not headers:
        raise FolderError(f"{paths.display(path)} lacks its header; put the .cihx or .cih file beside it")
    if not data.is_file():
        raise FolderError(f"{paths.display(path)} lacks its picture data; put {data.name} beside it")
    return headers[0], data
