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


def only_annotated(annotations: Annotations, how: How) -> Annotations:
    """The annotations that count: without unchecked ones, and empty ones as ``how.empty`` says; all of it is told.

    FolderError where it is open whether empty ones are annotated.
    """
    annotations = _without_unchecked(annotations, how)
    if annotations.bare:
        annotations = _listed(annotations, how)
    empty = [
        name for name in annotations.names if name not in set(annotations.bare) and not annotations.read(name).any()
    ]
    return _empty(annotations, empty, how) if empty else annotations


def _without_unchecked(annotations: Annotations, how: How) -> Annotations:
    if not annotations.unchecked:
        return annotations
    frames = f"{len(annotations.unchecked)} frames (the first is {annotations.unchecked[0]})"
    count = f"{frames} still carry the mark {UNCHECKED!r}"
    if how.take_unchecked:
        return _and(annotations, f"{count}, and are taken as they are")
    note = f"{count}, so nobody has checked them: their labels are left out; --take-unchecked includes them"
    return _without(annotations, annotations.unchecked, note)


def _listed(annotations: Annotations, how: How) -> Annotations:
    """What becomes of pictures that the file lists without any annotation."""
    listed = f"the file lists {len(annotations.bare)} of {len(annotations.names)} pictures without any annotation"
    listed += f" (the first is {annotations.bare[0]})"
    if how.empty == "annotated":
        return _and(annotations, f"{listed}: they are read as frames without particles")
    if how.empty == "unlabelled" or how.annotated_only:
        return _without(annotations, annotations.bare, f"{listed}: they count as not annotated")
    raise FolderError(f"{paths.display(annotations.path)}: {listed}; {QUESTION}")


def _empty(annotations: Annotations, empty: list[str], how: How) -> Annotations:
    """What becomes of label maps without any label."""
    sentence = f"{len(empty)} of {len(annotations.names)} annotations are empty (the first is {empty[0]})"
    if how.empty == "unlabelled":
        return _without(annotations, empty, f"{sentence}: they count as not annotated")
    if how.empty == "ask" and MOST_EMPTY * len(annotations.names) < len(empty) < len(annotations.names):
        raise FolderError(f"{paths.display(annotations.path)}: {sentence}; {QUESTION}")
    return _and(
        annotations, f"{sentence}: they are read as frames without particles (--empty unlabelled: for not annotated)"
    )


def _and(annotations: Annotations, note: str) -> Annotations:
    return replace(annotations, notes=(*annotations.notes, note))


def _without(annotations: Annotations, names: Collection[str], note: str) -> Annotations:
    gone = set(names)
    left = [name for name in annotations.names if name not in gone]
    if not left:
        raise FolderError(f"{paths.display(annotations.path)} ({annotations.kind}) annotates no frame; {note}")
    bare = tuple(name for name in annotations.bare if name not in gone)
    return replace(annotations, names=tuple(left), bare=bare, unchecked=(), notes=(*annotations.notes, note))
