from .jobs import dry_run, work_of
from .measure import measure_stage
from .rehearsal import measure_profile, rehearse
from .table import GPU, Cost, CostTable, View

__all__ = [
    "GPU",
    "Cost",
    "CostTable",
    "View",
    "dry_run",
    "measure_profile",
    "measure_stage",
    "rehearse",
    "work_of",
]
