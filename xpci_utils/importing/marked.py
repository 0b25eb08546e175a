"""Which of the frames that a file of annotations knows are annotated: with nothing on it is not yet without particles.

A frame whose annotation is empty shows no particle, or nobody has looked at it; to teach the second as the first would
teach particles as background. Programs that list every picture of a task (CVAT, COCO) leave this open, and so does a
stack of label maps most of which are empty.
"""

from collections.abc import Collection
from dataclasses import replace

from xpci_utils import paths
from xpci_utils.frames.faults import FolderError
from xpci_utils.importing.base import UNCHECKED, Annotations, How

EMPTY = ("ask", "annotated", "unlabelled")
MOST_EMPTY = 0.5
QUESTION = (
    "if these frames show no particle, say --empty annotated; if nobody has annotated them, say --empty unlabelled"
)


def only_annotated(found: Annotations, how: How) -> Annotations:
    """The annotations that count: without unchecked ones, and empty ones as ``how.empty`` says; all of it is told.

    FolderError where it is open whether empty ones are annotated.
    """
    found = _without_unchecked(found, how)
    if found.bare:
        found = _listed(found, how)
    empty = [name for name in found.names if name not in set(found.bare) and not found.read(name).any()]
    return _empty(found, empty, how) if empty else found


def _without_unchecked(found: Annotations, how: How) -> Annotations:
    if not found.unchecked:
        return found
    count = f"{len(found.unchecked)} frames (the first is {found.unchecked[0]}) still carry the mark {UNCHECKED!r}"
    if how.take_unchecked:
        return _and(found, f"{count}, and are taken as they are")
    told = f"{count}, so nobody has checked them: their labels are left out; --take-unchecked includes them"
    return _without(found, found.unchecked, told)


def _listed(found: Annotations, how: How) -> Annotations:
    """What becomes of pictures that the file lists without any annotation."""
    listed = f"the file lists {len(found.bare)} of {len(found.names)} pictures without any annotation"
    listed += f" (the first is {found.bare[0]})"
    if how.empty == "annotated":
        return _and(found, f"{listed}: they are read as frames without particles")
    if how.empty == "unlabelled" or how.annotated_only:
        return _without(found, found.bare, f"{listed}: they count as not annotated")
    raise FolderError(f"{paths.display(found.path)}: {listed}; {QUESTION}")


def _empty(found: Annotations, empty: list[str], how: How) -> Annotations:
    """What becomes of label maps without any label."""
    said = f"{len(empty)} of {len(found.names)} annotations are empty (the first is {empty[0]})"
    if how.empty == "unlabelled":
        return _without(found, empty, f"{said}: they count as not annotated")
    if how.empty == "ask" and MOST_EMPTY * len(found.names) < len(empty) < len(found.names):
        raise FolderError(f"{paths.display(found.path)}: {said}; {QUESTION}")
    return _and(found, f"{said}: they are read as frames without particles (--empty unlabelled: for not annotated)")


def _and(found: Annotations, told: str) -> Annotations:
    return replace(found, notes=(*found.notes, told))


def _without(found: Annotations, names: Collection[str], told: str) -> Annotations:
    gone = set(names)
    left = [name for name in found.names if name not in gone]
    if not left:
        raise FolderError(f"{paths.display(found.path)} ({found.kind}) annotates no frame; {told}")
    bare = tuple(name for name in found.bare if name not in gone)
    return replace(found, names=tuple(left), bare=bare, unchecked=(), notes=(*found.notes, told))
