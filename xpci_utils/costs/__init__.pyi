from .jobs import compared_lines, dry_run, table_of
from .measure import measure_stage
from .rates import Gpu, MeasuredRates, Rate
from .rehearsal import measure_profile, rehearse
from .table import GPU, Cost, CostTable, View
from .work import work_of

__all__ = [
    "GPU",
    "Cost",
    "CostTable",
    "Gpu",
    "MeasuredRates",
    "Rate",
    "View",
    "compared_lines",
    "dry_run",
    "measure_profile",
    "measure_stage",
    "rehearse",
    "table_of",
    "work_of",
]
