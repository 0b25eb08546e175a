from .animation import write_gif
from .particles import ParticleLimits, find_particles, regions_of
from .recording import Recording, open_recording
from .segment import join_film, read_pages, segment_film
from .simulated import require_simulated_classes, simulate_film
from .suggestions import frame_uncertainty, suggest_frames, write_suggestions
from .tracks import class_changes, counts_over_time, frames_in_view, link_tracks, summarise_tracks
from .truth import compare_with_truth, truth_scores

__all__ = [
    "ParticleLimits",
    "Recording",
    "class_changes",
    "compare_with_truth",
    "counts_over_time",
    "find_particles",
    "frame_uncertainty",
    "frames_in_view",
    "join_film",
    "link_tracks",
    "open_recording",
    "read_pages",
    "regions_of",
    "require_simulated_classes",
    "segment_film",
    "simulate_film",
    "suggest_frames",
    "summarise_tracks",
    "truth_scores",
    "write_gif",
    "write_suggestions",
]
