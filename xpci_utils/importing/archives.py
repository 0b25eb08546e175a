"""The files of an export by their path inside it, zipped or unpacked; an archive is read where it lies."""

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from xpci_utils import paths
from xpci_utils.frames.faults import FolderError, reading, regular_file

LARGEST_MEMBER = 2**26  # bytes of one unpacked file
LARGEST_RATIO = 2000  # deflate cannot pack more than about 1000 to 1


@dataclass(frozen=True)
class Bundle:
    """``files`` maps a path with forward slashes to what reads its bytes; what macOS and Windows add is not listed."""

    path: Path
    files: dict[str, Callable[[], bytes]] = field(repr=False)

    def read(self, name: str) -> bytes:
        """The bytes of one file; whatever is wrong with them is for the caller to turn into a sentence."""
        return self.files[name]()

    def ending(self, *suffixes: str) -> list[str]:
        """The files with one of these suffixes, in order."""
        return sorted(name for name in self.files if PurePosixPath(name).suffix.lower() in suffixes)

    def called(self, name: str) -> list[str]:
        """The files of this name, in whichever folder."""
        return sorted(path for path in self.files if PurePosixPath(path).name == name)


def open_bundle(path: Path) -> Bundle:
    """The files of a zip archive or a folder; FolderError for damaged, encrypted and malicious archives."""
    if path.is_dir():
        with reading(path, "a folder"):
            contents = {item.relative_to(path).as_posix(): item for item in sorted(path.rglob("*")) if item.is_file()}
        return Bundle(path, {name: _of_file(item) for name, item in contents.items() if _is_wanted(name)})
    with reading(path, "a zip archive"):
        archive = zipfile.ZipFile(regular_file(path))
    members = dict(_checked(archive, path))
    return Bundle(path, {name: _of_member(archive, member) for name, member in members.items() if _is_wanted(name)})


def _of_file(path: Path) -> Callable[[], bytes]:
    return lambda: regular_file(path).read_bytes()


def _of_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[], bytes]:
    return lambda: archive.read(member)


def _is_wanted(name: str) -> bool:
    """macOS adds __MACOSX/ and files that begin with a dot, Windows Thumbs.db."""
    parts = PurePosixPath(name).parts
    return "__MACOSX" not in parts and not any(part.startswith(".") for part in parts) and parts[-1] != "Thumbs.db"


def _checked(archive: zipfile.ZipFile, path: Path) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    """Members by path; refuses paths that lead out of the archive, and members that would unpack to anything."""
    names = set()
    for member in archive.infolist():
        name = member.filename.replace("\\", "/")
        parts = PurePosixPath(name).parts
        if ".." in parts or name.startswith("/") or (parts and ":" in parts[0]):
            raise FolderError(
                f"{paths.display(path)} holds {member.filename!r}, which leads out of it; "
                "no export of an annotation program has such a path"
            )
        if member.file_size > LARGEST_MEMBER or member.file_size > LARGEST_RATIO * max(member.compress_size, 1):
            raise FolderError(
                f"{paths.display(path)} holds {member.filename!r}, {member.compress_size} bytes that would unpack to "
                f"{member.file_size}; no mask is so large; export it again"
            )
        if member.flag_bits & 1:
            raise FolderError(f"{paths.display(path)} is encrypted; export it without a password")
        if name in names:
            raise FolderError(f"{paths.display(path)} holds {member.filename!r} twice; export it again")
        names.add(name)
        if not name.endswith("/"):
            yield name, member
