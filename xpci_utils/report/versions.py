"""Results that were made by an earlier version of their stage: listed beside whatever is drawn from them."""

import pandas as pd

from xpci_utils.params import ParameterError, stage_model
from xpci_utils.report.results import Results
from xpci_utils.report.wording import plural
from xpci_utils.stages import notebooks_of, parameters_of, version_of

COLUMNS = ["place", "notebook", "version", "now", "reason"]


def earlier_versions(results: Results) -> pd.DataFrame:
    """One row per result whose stage has a higher version today: place, notebook, version then and now, the reason.

    A result that the present code cannot be asked for, because a parameter has gone, is of version then and "none" now.
    """
    rows = []
    for place, run in results.runs.items():
        then = version_of(run)
        model = stage_model(notebooks_of(run)[0])
        try:
            parameters = model.checked(model.of_record(parameters_of(run, model.model_fields)))
        except ParameterError as error:
            rows.append((place, model.notebook, then, "none", str(error).splitlines()[-1].strip()))
            continue
        now, changes = parameters.version, sorted(model.changes.items())
        reasons = [change.reason for number, change in changes if then < number <= now and change.concerns(parameters)]
        if then != now:
            rows.append((place, model.notebook, then, str(now), "; ".join(reasons)))
    return pd.DataFrame(rows, columns=COLUMNS)


def earlier_sentences(results: Results) -> list[str]:
    """The same in words, one sentence per notebook, version and reason; [] if every result is of today's version."""
    groups = earlier_versions(results).groupby(["notebook", "version", "now", "reason"], sort=True)
    return [
        f"{plural(len(rows), 'result')} of {notebook}: version {version}, now {now} ({reason})"
        for (notebook, version, now, reason), rows in groups
    ]
