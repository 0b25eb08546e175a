"""What the published scale costs: its rehearsal on this computer, a committed table, and predictions from it."""

from xpci_utils.lazy import attach

__getattr__, __dir__ = attach(
    __name__,
    {
        "Cost": "table",
        "CostTable": "table",
        "GPU": "table",
        "View": "table",
        "dry_run": "jobs",
        "measure_profile": "rehearsal",
        "measure_stage": "measure",
        "rehearse": "rehearsal",
        "work_of": "jobs",
    },
)
