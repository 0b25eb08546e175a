"""Tables 1-5 of the paper: our scores, the published ones beside them, as CSV, Markdown and LaTeX.

Rows are matched with the paper's by position (no synthetic images, the smallest count, the next one, ...), and the
published counts are printed. Nothing missing is filled in: it is a dash, and the CSV's column ``missing`` names the
runs that would fill it.
"""

import math
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pandas as pd

from xpci_utils import paths
from xpci_utils.files import atomic_path
from xpci_utils.params.cells import parse_labeller, parse_series
from xpci_utils.params.places import labeller_place
from xpci_utils.params.runs import cells_of, series_cell
from xpci_utils.report import captions
from xpci_utils.report.results import Results, spread
from xpci_utils.report.wording import DASH, METRIC_NAMES, labeller_title, score

SERIES_OF_TABLE = {1: "transunet__vit_t", 2: "swin_unetr__vit_b", 3: "emcad__vit_b", 4: "transunet__vit_b"}
HEADLINE = tuple(METRIC_NAMES)
VARIANTS: tuple[str, ...] = ("dice_foreground", "dice_union", "dice_union_foreground")
VARIANTS += ("nsd_foreground", "nsd_union", "nsd_union_foreground", "accuracy")
# Beside the paper's metrics: NSD at a tolerance that suits small frames, and whether particles are whole.
FURTHER = {"nsd_1px": "NSD at 1 px", "detection_f1": "Detection F1", "pieces": "Predicted per true particle"}
NOISY = {"dice_foreground": "Dice, no background", "binary_dice": "Binary Dice"}  # with masks that the denoiser drew
NOISY |= {"particles_named_right": "Particles classified correctly"}
WHOLE_NUMBERS = ("annotated", "synthetic", "published_real", "published_synthetic", "seeds", "parameters", "steps")
LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"}
LATEX |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "×": r"$\times$", "±": r"$\pm$", "µ": r"$\mu$"}
LATEX |= {DASH: "---", "–": "--", "−": "$-$"}


@dataclass(frozen=True)
class Table:
    """One table: ``data`` holds numbers at full precision (NaN where missing), ``printed`` what a reader sees."""

    name: str
    caption: str
    data: pd.DataFrame
    printed: pd.DataFrame

    @property
    def heading(self) -> str:
        """The name and the caption, in Markdown."""
        return f"**{self.name.title()}.** {self.caption}"

    @property
    def frame(self) -> pd.DataFrame:
        """What a reader sees, its first column as the index: what a notebook shows."""
        return self.printed.set_index(self.printed.columns[0])

    def markdown(self) -> str:
        """The caption and the table in Markdown."""
        header, *rows = ([str(value) for value in row] for row in [self.printed.columns, *self.printed.to_numpy()])
        rule = [":--", *["--:"] * (len(header) - 1)]
        lines = ["| " + " | ".join(row) + " |" for row in (header, rule, *rows)]
        return f"{self.heading}\n\n" + "\n".join(lines) + "\n"

    def latex(self) -> str:
        """A ``table`` environment; needs the booktabs package."""
        header, *rows = (
            [latex(str(value)) for value in row] for row in [self.printed.columns, *self.printed.to_numpy()]
        )
        body = [" & ".join(row) + r" \\" for row in rows]
        lines = [
            r"\begin{table}[t]",
            r"\centering\small",
            rf"\caption{{{latex(self.caption)}}}",
            rf"\label{{tab:{self.name.replace(' ', '')}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
            r"\toprule",
            " & ".join(header) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
        return "\n".join(lines) + "\n"

    def save(self, folder: str | Path) -> list[Path]:
        """Write <name>.csv, .md and .tex into ``folder``; returns the paths."""
        stem = self.name.replace(" ", "")
        files = {"csv": self.data.to_csv(index=False, lineterminator="\n"), "md": self.markdown(), "tex": self.latex()}
        written = [Path(folder) / f"{stem}.{kind}" for kind in files]
        for path, text in zip(written, files.values(), strict=True):
            with atomic_path(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
        return written


def read_published(number: int) -> pd.DataFrame:
    """Table ``number`` (1-5) as the paper prints it: one row per row, scores as floats."""
    return pd.read_csv(paths.root() / f"data/paper/table{number}.csv")


def build_tables(results: Results) -> list[Table]:
    """Tables 1 to 5 from whatever is finished."""
    return [*(segmentation_table(number, results) for number in SERIES_OF_TABLE), labeller_table(results)]


def segmentation_table(number: int, results: Results) -> Table:
    """Table 1, 2, 3 or 4: one backbone against the number of synthetic images that one labeller annotated."""
    series = SERIES_OF_TABLE[number]
    published = read_published(number).to_dict("records")
    matched = zip_longest(sorted(results.sweep.counts), published)
    data = pd.DataFrame([_segmentation_row(series, count, row or {}, results) for count, row in matched])
    data = data.astype(dict.fromkeys(WHOLE_NUMBERS, "Int64"))
    printed = pd.DataFrame({"Training set": data["training_set"]})
    for metric in HEADLINE:
        printed[METRIC_NAMES[metric]] = scores_of(data, metric)
        printed[f"{METRIC_NAMES[metric]}, paper"] = data[f"{metric}_published"].map(score)
        if metric == "dice":
            printed["Dice, no background"] = scores_of(data, "dice_foreground")
    recorded = {metric: name for metric, name in FURTHER.items() if data[metric].notna().any()}
    printed = printed.assign(**{name: scores_of(data, metric) for metric, name in recorded.items()})
    if captions.several_seeds(results):
        printed["Seeds"] = data["seeds"]
    printed["Paper's training set"] = [_published_set(row) for row in data.to_dict("records")]
    return Table(f"table {number}", captions.segmentation(number, series, data, results), data, printed)


def labeller_table(results: Results) -> Table:
    """Table 5: the adapted SAMs, with and without the mask prompt; below the paper's rows those it does not have."""
    published = read_published(5).set_index("labeller")
    names = [*published.index, *(name for name in results.sweep.labellers if name not in published.index)]
    data = pd.DataFrame([_labeller_row(name, published, results) for name in names])
    columns = {
        "Model & configuration": data["configuration"],
        "Network of this run": data["description"].fillna(DASH),
        "Trained parameters": [_trained(row) for row in data.to_dict("records")],
        "Dice": scores_of(data, "dice"),
        "Dice, paper": data["dice_published"].map(score),
        "Dice, no background": scores_of(data, "dice_foreground"),
        "Micro F1": scores_of(data, "micro_f1"),
        "Binary Dice": scores_of(data, "binary_dice"),
        "Particles classified correctly": scores_of(data, "particles_named_right"),
    }
    if results.sweep.noisy_prompts:
        columns |= {f"{title}, drawn mask": scores_of(data, f"noisy_{name}") for name, title in NOISY.items()}
    return Table("table 5", captions.labellers(results), data, pd.DataFrame(columns))


def scores_of(data: pd.DataFrame, metric: str) -> list[str]:
    """Scores as they are printed: the mean of each row, and its spread over the seeds (`wording.score`)."""
    columns = (data[f"{metric}{end}"] for end in ("", "_sd", "_by_seed"))
    return [score(mean, sd, values_of(text)) for mean, sd, text in zip(*columns, strict=True)]


def values_of(by_seed: str) -> tuple[float, ...]:
    """The values in a column ``*_by_seed``: "0.8123 0.7938"."""
    return tuple(map(float, by_seed.split()))


def _trained(row: dict) -> str:
    """ "adapters: 12,460": which parameters of a labeller were trained, by their counts, and how many."""
    count, adapters, head = (row.get(f"parameters_{part}") for part in ("trainable", "adapters", "head"))
    if count is None or pd.isna(count):
        return DASH
    parts = {adapters: "adapters", (adapters or 0) + (head or 0): "adapters, head"}
    return f"{parts.get(count, 'all')}: {int(count):,}"


def latex(text: str) -> str:
    """``text`` with everything that LaTeX would read as a command escaped."""
    return "".join(LATEX.get(character, character) for character in text)


def _segmentation_row(series: str, count: int | None, published: dict, results: Results) -> dict:
    backbone, labeller = parse_series(series)
    row: dict[str, Any] = {
        "training_set": captions.training_set(count, results),
        "backbone": backbone,
        "labeller": labeller,
    }
    row |= {"annotated": None if count is None else results.annotated, "synthetic": count}
    cells = results.cells.iloc[:0] if count is None else results.of_series(series, count)
    cells = cells.assign(pieces=cells.get("particles_predicted", math.nan) / cells.get("particles_true", math.nan))
    for metric in (*HEADLINE, *VARIANTS, *FURTHER):
        row |= spread(cells, metric)
        if metric in HEADLINE:
            row[f"{metric}_published"] = published.get(metric)
    row |= {"published_real": published.get("real_images"), "published_synthetic": published.get("synthetic_images")}
    row |= {"seeds": len(cells), "missing": _missing_cells(series, count, cells, results)}
    return row | {name: _common(cells, name) for name in ("size", "parameters", "weights", "steps")}


def _labeller_row(name: str, published: pd.DataFrame, results: Results) -> dict:
    runs = results.of_labeller(name)
    paper: dict = published.loc[name].to_dict() if name in published.index else {}
    row: dict[str, Any] = {"configuration": paper.get("configuration", labeller_title(name)), "labeller": name}
    row |= {"mask_prompt": parse_labeller(name).prompted, "dice_published": paper.get("dice")}
    noisy = [f"noisy_{name}" for name in NOISY]
    for metric in ("dice", "binary_dice", "particles_named_right", *VARIANTS, "nsd", "micro_f1", *noisy):
        row |= spread(runs, metric)
    counts = sorted(column for column in results.labellers.columns if column.startswith("parameters_"))
    row |= {key: _common(runs, key) for key in ("description", "trivial_dice_foreground", "head", *counts)}
    wanted = results.labellers[results.labellers["labeller"] == name]
    missing = [labeller_place(name, seed).folder for seed in wanted[~wanted["finished"]]["seed"]]
    return row | {"seeds": len(runs), "missing": " ".join(missing)}


def _missing_cells(series: str, count: int | None, cells: pd.DataFrame, results: Results) -> str:
    """The cells of a row that are not finished, or a word on why no cell exists."""
    if count is None:
        return "no count of this sweep has this position"
    if count and series not in results.sweep.series:
        return "the sweep leaves this series out"
    row = series_cell(series, results.sweep.annotated, count, 0).row
    wanted = [cell.name for cell in cells_of(results.sweep) if cell.row == row]
    return " ".join(name for name in wanted if name not in set(cells["cell"]))


def _common(cells: pd.DataFrame, name: str):
    """The value that all seeds of a row share; None without cells."""
    return cells[name].iloc[0] if name in cells and len(cells) else None


def _published_set(row: dict) -> str:
    """ "200 real + 500 synthetic": what the published numbers of a row were trained on."""
    if pd.isna(row["published_synthetic"]):
        return DASH
    real, synthetic = int(row["published_real"]), int(row["published_synthetic"])
    return f"{real} real" + (f" + {synthetic:,} synthetic" if synthetic else "")
