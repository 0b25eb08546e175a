"""A trained network on a whole film: label stack, particle table, trajectories, and which frames to annotate next."""

from xpci_utils.lazy import attach

__getattr__, __dir__ = attach(
    __name__,
    {
        "Recording": "recording",
        "class_changes": "tracks",
        "compare_with_truth": "truth",
        "counts_over_time": "tracks",
        "find_particles": "particles",
        "frame_uncertainty": "suggestions",
        "join_film": "segment",
        "link_tracks": "tracks",
        "open_recording": "recording",
        "read_pages": "segment",
        "regions_of": "particles",
        "require_simulated_classes": "simulated",
        "segment_film": "segment",
        "simulate_film": "simulated",
        "suggest_frames": "suggestions",
        "summarise_tracks": "tracks",
        "truth_scores": "truth",
        "write_gif": "animation",
        "write_suggestions": "suggestions",
    },
)
