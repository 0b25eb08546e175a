"""A run folder with made-up content, written through the real contracts; used by these tests only."""

import csv

import numpy as np
import pytest

from xpci_utils import files, stages
from xpci_utils.evaluation import evaluate_frames, summarise
from xpci_utils.frames import Frame, FrameSet, binary_mask, write_frames
from xpci_utils.frames.frameset import write_png
from xpci_utils.params import (
    AdaptSam,
    AuditPairs,
    LabelPairs,
    PrepareFrames,
    SamplePairs,
    Sweep,
    TrainDdpm,
    TrainSegmentation,
)
from xpci_utils.params.cells import BACKBONES, Cell
from xpci_utils.params.places import parse_place
from xpci_utils.params.profiles import overlay
from xpci_utils.params.runs import GRIDS, stage_folders

SIDE = 64
NAMES = ["background", "solid_particle", "molten_droplet", "hollow_shell", "fragment"]
COLOURS = ["#000000", "#4477aa", "#66ccee", "#ccbb44", "#ee3377"]
INFO = {"class_names": NAMES, "class_colours": COLOURS, "pixel_size_um": 2.0, "tile": 0, "source": "simulator"}
DDPM_METRICS = {
    "parameters": 868_420,
    "steps": 900,
    "chosen_step": 600,
    "eps_error": {"held_out": [0.3, 0.1, 0.05, 0.01], "wiener": [0.4, 0.2, 0.1, 0.02]},
    "foreground_share": {"samples": 0.06, "frames": 0.12},
}
MEMORISATION = {"pool_flagged": 0.03, "false_alarms": 0.05, "planted_found": 0.97, "nearest_scores": [0.4, 0.5]}
NOISY_METRICS = {"test": {"dice_foreground": 0.31, "binary_dice": 0.71, "particles_named_right": 0.51}}
DEFAULT_SWEEP = Sweep(annotated=4, counts=[0, 2, 4])


def draw_frame(name: str, split: str, seed: int, simulated: bool = True) -> Frame:
    """A bright frame with a few dark discs and an ignored corner."""
    rng = np.random.default_rng(seed)
    image, labels = rng.normal(170, 8, (SIDE, SIDE)), np.zeros((SIDE, SIDE), np.uint8)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for kind in rng.integers(1, len(NAMES), 6):
        row, column, radius = rng.uniform(6, SIDE - 6, 2).tolist() + [rng.uniform(3, 8)]
        disc = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
        image[disc], labels[disc] = image[disc] - 25 * kind, kind
    labels[:4, -8:] = 255
    return Frame(name, f"{split}_{seed // 2}", split, image.clip(0, 255).astype(np.uint8), labels, simulated)


class FakeRun:
    """Writes the stages of a sweep one after the other; ``skip`` names folders that stay unfinished."""

    def __init__(self, root, sweep=DEFAULT_SWEEP, skip=(), simulated=True):
        self.root, self.sweep, self.skip, self.simulated = root, sweep, set(skip), simulated

    def write(self):
        self.stage(PrepareFrames, self.frames, None)
        self.test = FrameSet.open(self.root / "frames").split("test")
        self.stage(TrainDdpm, self.ddpm, DDPM_METRICS)
        grids = GRIDS if self.sweep.controls or self.sweep.unlabelled else ["paper"]
        for place in map(parse_place, stage_folders(self.sweep, *grids)):
            if place.kind == "sam":
                self.stage(AdaptSam, self.labeller, self.labeller_metrics, **place.parameters)
            elif place.kind == "pools":
                self.pool_stage(place)
            elif place.kind == "segmentation":
                self.stage(TrainSegmentation, self.cell, self.cell_metrics, **place.parameters)
        return self.root

    def pool_stage(self, place):
        asked = place.parameters
        if place.notebook == SamplePairs.notebook:
            self.stage(SamplePairs, self.pairs, None, pairs=6, **asked)
        elif place.notebook == LabelPairs.notebook:
            self.stage(LabelPairs, self.labels, NOISY_METRICS if asked["pool"] == "heldout" else None, **asked)
        else:
            self.stage(AuditPairs, self.audit, None, **asked)

    def stage(self, model, write, metrics, **values):
        parameters = model(run_root=str(self.root), **values)
        if parameters.place in self.skip or stages.read_run(parameters.folder):
            return
        stage = stages.begin(parameters)
        write(stage)
        for name in stage.parameters.products:
            if not (stage.folder / name).exists():  # a product that the report does not read
                (stage.folder / name).write_text("x")
        stage.finish(metrics(stage) if callable(metrics) else metrics)

    def frames(self, stage):
        splits = ["train"] * 4 + ["val"] + ["test"] * 5
        drawn = [draw_frame(f"f{i:03d}", split, i, self.simulated) for i, split in enumerate(splits)]
        write_frames(stage.folder, drawn, INFO)
        rows = [["split", "class", "visible"], *[["train", name, "true"] for name in NAMES[1:] for _ in name]]
        with open(stage.folder / "instances.csv", "w", newline="") as file:
            csv.writer(file).writerows(rows)

    def ddpm(self, stage):
        (stage.folder / "denoiser_ema.safetensors").write_bytes(b"x")
        files.append_jsonl(stage.folder / "history.jsonl", {"step": 1})
        (stage.folder / "samples").mkdir()
        write_png(stage.folder / "samples/step_000001.png", np.zeros((4, 4), np.uint8))

    def pairs(self, stage):
        for index in range(6):
            frame = draw_frame("", "", 100 + index)
            (stage.folder / "images").mkdir(exist_ok=True)
            (stage.folder / "masks").mkdir(exist_ok=True)
            write_png(stage.folder / f"images/{index:06d}.png", frame.image)
            write_png(stage.folder / f"masks/{index:06d}.png", binary_mask(frame.labels).astype(np.uint8) * 255)
        self.table(stage.folder / "pairs.csv", foreground=[0.1 * index for index in range(6)])

    def audit(self, stage):
        for name in ("fidelity_edges", "classification", "particles"):
            self.table(stage.folder / f"{name}.csv")
        self.table(stage.folder / "mask_agreement.csv", frame=[0, 1], dice=[0.6, 0.8])
        files.write_json(stage.folder / "memorisation.json", MEMORISATION)
        sets = ["synthetic", "fresh (floor)", "shifted (ceiling)"]
        self.table(
            stage.folder / "fidelity.csv", set=sets, overall=[0.5, 0.1, 0.9], auc=[0.9, "", 1], d_fringe=[1, 2, 3]
        )

    def labels(self, stage):
        for index in range(6):
            labels = draw_frame("", "", 100 + index).labels
            write_png(stage.folder / f"{index:06d}.png", np.where(labels == 255, 0, labels))
        self.table(stage.folder / "labels.csv")
        self.table(stage.folder / "particles.csv", **{"class": [1, 1, 2, 3, 4, 4]})

    def labeller(self, stage):
        (stage.folder / "adapters.safetensors").write_bytes(b"x")
        files.append_jsonl(stage.folder / "history.jsonl", {"step": 1})
        self.table(stage.folder / "namings.csv")
        self.predict(stage, stage.parameters.labeller)

    def labeller_metrics(self, stage):
        parts = {"encoder": 900_000, "encoder_adapters": 60_000, "decoder_adapters": 9_000, "adapters": 69_000}
        parts |= {"head": 40_000, "total": 1_200_000, "trainable": 1_150_000}
        return {
            "labeller": stage.parameters.labeller,
            "description": "stand-in ViT, 1.2 M",
            "mask_prompt": not stage.parameters.labeller.endswith("noprompt"),
            "head": "trained",
            "parameters": parts,
            "test": self.summary | {"binary_dice": 0.9, "particles_named_right": 0.6},
            "trivial": {"dice_foreground": 0.2},
        }

    def cell(self, stage):
        (stage.folder / "model.safetensors").write_bytes(b"x")
        files.append_jsonl(stage.folder / "history.jsonl", {"step": 1})
        self.predict(stage, stage.parameters.cell)

    def cell_metrics(self, stage):
        cell = Cell.parse(stage.parameters.cell)
        about = {"cell": cell.name, "backbone": cell.backbone, "size": "quick", "parameters": 340_000}
        return about | {
            "weights": "random",
            "steps": 300 * (2 if cell.arm in ("epochs", "longer") else 1),
            "validation_score": self.summary["dice_foreground"],
            "validation": {name: value and value / 2 for name, value in self.summary.items()},
            "test": self.summary,
            "shifted": self.shifted,
            "best_validation": {"step": 300},
            "trivial": {"dice_foreground": 0.1},
        }

    def predict(self, stage, key: str):
        """The truth with a share of wrong pixels that belongs to ``key``, evaluated in earnest."""
        rng = np.random.default_rng(list(key.encode()))
        predictions = {}
        for frame in self.test:
            noise = rng.integers(0, len(NAMES), frame.labels.shape)
            wrong = (rng.random(frame.labels.shape) < rng.uniform(0.02, 0.2)) | (frame.labels == 255)
            predictions[frame.name] = np.where(wrong, noise, frame.labels).astype(np.uint8)
            (stage.folder / "predictions").mkdir(exist_ok=True)
            write_png(stage.folder / f"predictions/{frame.name}.png", predictions[frame.name])
        table = evaluate_frames(self.test, predictions, stage.parameters.tolerance_px)
        table.to_csv(stage.folder / "per_frame.csv", index=False)
        worse = table.assign(dice=table["dice"] - 0.1)
        worse.to_csv(stage.folder / "per_frame_shifted.csv", index=False)
        self.summary, self.shifted = summarise(table), summarise(worse)

    @staticmethod
    def table(path, **columns):
        columns = columns or {"index": range(6)}
        with open(path, "w", newline="") as file:
            csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])


@pytest.fixture(scope="session")
def write_run(tmp_path_factory):
    """Write a fake run into a fresh folder and return its root."""

    def write(**options):
        return FakeRun(tmp_path_factory.mktemp("run"), **options).write()

    return write


@pytest.fixture(scope="session")
def run_root(write_run):
    """A complete run."""
    return write_run()


@pytest.fixture(scope="session")
def results(run_root):
    from xpci_utils.report import read_results

    return read_results(run_root, DEFAULT_SWEEP)


def smoke_rows(kind):
    """Rows of the smoke profile in the counts of these tests."""
    rows = overlay("smoke").values["sweep"][kind]
    for smoke, ours in {"r0006": "r0004", "r0003": "r0002", "r0008": "r0006"}.items():
        rows = [row.replace(smoke, ours) for row in rows]
    return rows


STUDY_SWEEP = Sweep(
    annotated=4,
    counts=[0, 2, 4],
    seeds=[0, 1],
    contrasts=[f"{backbone}__r0004__vit_b__n00004__mix" for backbone in BACKBONES],
    contrast_seeds=[0, 1, 2],
    controls=smoke_rows("controls"),
    control_seeds=[0, 1],
    extended=smoke_rows("extended"),
)


@pytest.fixture(scope="session")
def study(write_run):
    """The results of a run with every grid, several seeds and declared contrasts."""
    from xpci_utils.report import read_results

    return read_results(write_run(sweep=STUDY_SWEEP), STUDY_SWEEP)


@pytest.fixture(scope="session")
def made_up_run():
    """A function that makes a run of a sweep below a folder: `FakeRun`."""
    return FakeRun


MISSING = ("segmentation/emcad__r0004__vit_b__n00002__mix__s0", "sam/vit_t-noprompt__s0")


@pytest.fixture(scope="session")
def partial(write_run):
    """The results of a run in which one cell and one labeller are unfinished."""
    from xpci_utils.report import read_results

    return read_results(write_run(skip=MISSING), DEFAULT_SWEEP)


@pytest.fixture(scope="session")
def nothing(tmp_path_factory):
    """The results of a run that has not begun."""
    from xpci_utils.report import read_results

    return read_results(tmp_path_factory.mktemp("empty"), DEFAULT_SWEEP)
