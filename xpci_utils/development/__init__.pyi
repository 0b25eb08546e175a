from .comparison import BreakEven, break_even, row_scores, strengths
from .scoring import COLUMNS, METRICS, SCORES_FILE, development_frames, frame_scores, score_run

__all__ = [
    "COLUMNS",
    "METRICS",
    "SCORES_FILE",
    "BreakEven",
    "break_even",
    "development_frames",
    "frame_scores",
    "row_scores",
    "score_run",
    "strengths",
]
