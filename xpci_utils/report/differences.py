"""Which settings of a run differ from the published ones, read from what every stage recorded about itself."""

import pandas as pd

from xpci_utils.params import STAGES
from xpci_utils.params.generate import profile_values
from xpci_utils.report.results import Results
from xpci_utils.stages import notebooks_of

PLACES = {"run_root", "output_folder", "force", "threads", "seed", "labeller", "labeller_seed", "cell", "sweep"}
PLACES |= {"weights_folder", "source_folder", "classes_file"}


def published_differences(results: Results) -> pd.DataFrame:
    """One row per setting that any finished stage has otherwise than the ``paper`` profile.

    Columns ``notebook``, ``setting``, ``published scale``, ``this run`` (all values met, if stages differ) and
    ``meaning``. What says where a run lies, and which of several equal runs it is, is left out.
    """
    rows = []
    for notebook, model in STAGES.items():
        runs = [run for run in results.runs.values() if notebook in notebooks_of(run)]
        recorded = [model.of_record(run["parameters"]) for run in runs]
        for setting, published in profile_values("paper", notebook).items():
            values = list(dict.fromkeys(str(one[setting]) for one in recorded if setting in one))
            if setting not in PLACES and values not in ([], [str(published)]):
                meaning = model.model_fields[setting].description
                rows.append([notebook, setting, str(published), ", ".join(values), meaning])
    return pd.DataFrame(rows, columns=["notebook", "setting", "published scale", "this run", "meaning"])
