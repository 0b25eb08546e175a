from .scoring import COLUMNS, METRICS, SCORES_FILE, development_frames, frame_scores, score_run

__all__ = [
    "COLUMNS",
    "METRICS",
    "SCORES_FILE",
    "development_frames",
    "frame_scores",
    "score_run",
]
