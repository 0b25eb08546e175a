"""The parameter profiles, as differences from the models' defaults, and the files made from them.

``python -m xpci_utils.profiles`` writes ``params/<profile>/*.yaml`` and the parameter cell of every notebook;
with ``--check`` it only says which of them differ from the models.
"""

import argparse
import json
import sys
from pathlib import Path

import yaml

from xpci_utils import artifacts, grid, paths
from xpci_utils.params import APPENDICES, STAGES, Parameters, ShippableParameters, Sweep

MODELS: dict[str, type[Parameters]] = {**STAGES, **APPENDICES, "sweep": Sweep}

PAPER_COUNTS = [0, 500, 1000, 2000, 5000, 10_000]
# One row per backbone, the best on validation frames by seeds 0 and 1: what 'make contrasts PROFILE=laptop' prints.
LAPTOP_CONTRASTS = [
    "transunet__r0100__vit_b__n01000__mix",
    "swin_unetr__r0100__vit_b__n02500__mix",
    "emcad__r0100__vit_b__n00250__mix",
]


def _study(annotated: int, counts: list[int], control: int, fewer: list[int], more: list[int]) -> dict:
    """The grids around one number of annotated frames; ``control`` is the count of synthetic pairs in Table C."""
    return {
        "annotated": annotated,
        "counts": counts,
        "controls": grid.control_rows(annotated, control, fewer, more),
        "extended": grid.protocol_rows("emcad__vit_b", annotated, counts),
    }


SHIPPABLE = [name for name, model in STAGES.items() if issubclass(model, ShippableParameters)]
SHIPPED_CELL = "emcad__r0100__vit_b__n00500__mix__s0"

# Table 5's rows of a SAM variant, and the same with a class head that keeps its start.
CONFIGURATIONS = ("-noprompt", "", "-noprompt-frozen", "-frozen")

PROFILES: dict[str, dict[str, dict]] = {
    "quick": {},
    "smoke": {
        "01_prepare_frames": {"train_frames": 6, "val_frames": 3, "test_frames": 4, "shifted_test_frames": 2},
        # One look at the validation frames, so that nothing is chosen on them: see tests/system/test_faults.py.
        "02_train_ddpm": {"steps": 6, "batch_size": 2, "evaluations": 1, "preview_pairs": 2},
        "03_adapt_sam": {"steps": 6, "batch_size": 2},
        "04_generate_synthetic": {"pairs": 4, "sampling_steps": 8, "block_size": 2, "fresh_frames": 4},
        "05_train_segmentation": {
            "cell": "emcad__r0006__vit_b__n00004__mix__s0",
            "steps": 6,
            "batch_size": 2,
            "evaluations": 2,
        },
        "07_apply_to_video": {
            "cell": "emcad__r0006__vit_b__n00004__mix__s0",
            "film_frames": 6,
            "height": 64,
            "width": 64,
            "block_frames": 2,
            "suggestions": 2,
        },
        "sweep": {
            **_study(6, [0, 4], 4, fewer=[3], more=[8]),
            "series": ["swin_unetr__vit_b", "emcad__vit_b", "transunet__vit_b"],
            "labellers": ["vit_b-noprompt-frozen", "vit_b"],  # every part of a name
            "noisy_prompts": False,
        },
    },
    "laptop": {
        "01_prepare_frames": {
            "train_frames": 100,
            "val_frames": 20,
            "test_frames": 240,
            "shifted_test_frames": 60,
        },
        "02_train_ddpm": {"steps": 6000, "evaluations": 6},
        # The small SAMs that the committed study started from; those in data/weights are younger
        "03_adapt_sam": {"weights_folder": "data/weights/study", "learning_rate": 3e-3},
        # 40 steps are worse than the paper's 250 in nothing, and ten times as fast as its pipeline: docs/sampler_study
        "04_generate_synthetic": {"pairs": 2500, "fresh_frames": 1000, "sampling_steps": 40},
        # Steps and learning rate are chosen on validation frames with annotated frames alone: docs/study.md
        "05_train_segmentation": {
            "cell": "emcad__r0100__vit_b__n01000__mix__s0",
            "steps": 900,
            "learning_rate": 0.012,
        },
        # The network of annotated frames alone scores better on validation frames
        "07_apply_to_video": {"cell": "emcad__r0100__none__n00000__mix__s0", "film_frames": 200},
        "sweep": {
            **_study(100, [0, 250, 500, 1000, 2500], 1000, fewer=[50], more=[200]),
            "labellers": [f"{variant}{end}" for variant in ("vit_t", "vit_b") for end in CONFIGURATIONS],
            "labeller_seeds": [0, 1, 2],
            "seeds": [0, 1],
            "contrasts": LAPTOP_CONTRASTS,
            "contrast_seeds": [2, 3, 4, 5, 6, 7],  # not those that chose the contrasts
            "control_seeds": [0, 1],
            "extended_seeds": [8, 9, 10, 11],
        },
    },
    "paper": {
        "01_prepare_frames": {
            "preset": "aps32id_u18",
            "height": 624,
            "width": 640,
            "train_frames": 200,
            "val_frames": 20,
            "test_frames": 59,
            "shifted_test_frames": 59,
        },
        "02_train_ddpm": {
            "size": "paper",
            "prediction": "eps",
            "steps": 50_000,
            "batch_size": 1,
            "learning_rate": 1e-4,
            "lr_decay": "constant",
            "warmup_steps": 0,
            "gradient_clip": 0.0,
            "augment": False,
            "bf16": False,
            "evaluations": 10,
        },
        "03_adapt_sam": {
            "size": "paper",
            "weights": "pretrained",
            "trainable": "adapters+head",
            "unprompted": 0.0,
            "epochs": 100,
            "batch_size": 1,
            "learning_rate": 1e-4,
            "beta1": 0.99,
            "augmentation": "symmetries",
            "bf16": False,
        },
        "04_generate_synthetic": {
            "pairs": 10_000,
            "sampler": "ddpm",
            "sampling_steps": 250,
            "fresh_frames": 200,
            "block_size": 8,
            "bf16": False,
        },
        "05_train_segmentation": {
            "cell": "emcad__r0200__vit_b__n05000__mix__s0",
            "size": "paper",
            "pretrained": True,
            "mixing": "concat",
            "epochs": 100,
            "batch_size": 4,
            "learning_rate": 1e-4,
            "beta1": 0.99,
        },
        "07_apply_to_video": {
            "cell": "emcad__r0200__vit_b__n05000__mix__s0",
            "preset": "aps32id_u18",
            "film_frames": 400,
            "height": 624,
            "width": 640,
        },
        "sweep": {
            **_study(200, PAPER_COUNTS, 5000, fewer=[50, 100], more=[]),
            # Every cell has the paper's epochs already; what is added are the real-only rows of as many steps.
            "extended": [
                row
                for backbone in grid.BACKBONES
                for row in grid.protocol_rows(f"{backbone}__vit_b", 200, PAPER_COUNTS, ["longer"])
            ],
        },
    },
    # The laptop chain once more with new frames, denoiser and labeller: is what it found a matter of its one chain?
    "laptop_replicate": {},  # filled below
    # From the weights in data/weights/laptop to a report in minutes: 'make reproduce PROFILE=laptop START=shipped'.
    "laptop_shipped": {},  # filled below
    "own_frames": {
        "01_prepare_frames": {"source": "folder", "source_folder": "data/my_frames", "pixel_size_um": 1.0, "tile": 64},
        "04_generate_synthetic": {"pairs": 400, "fresh_frames": 0, "audit_particles": 200},
        "05_train_segmentation": {"cell": "emcad__r0000__vit_b__n00400__mix__s0"},
        "07_apply_to_video": {"cell": "emcad__r0000__none__n00000__mix__s0", "film_path": "data/my_film.tif"},
        "sweep": {"annotated": 0, "counts": [0, 400]},
    },
    # One fold of 'make real-study', which runs all of them: small enough for a quarter of an hour of one core.
    "real_study": {
        "01_prepare_frames": {
            "source": "folder",
            "source_folder": "data/my_frames",
            "pixel_size_um": 1.0,
            "tile": 64,
            "folds": 3,
        },
        "02_train_ddpm": {"steps": 600, "evaluations": 2},
        "03_adapt_sam": {"labeller": "vit_t", "steps": 600},
        "04_generate_synthetic": {"pairs": 200, "fresh_frames": 0, "audit_particles": 60},
        "05_train_segmentation": {"cell": "emcad__r0000__vit_t__n00200__mix__s0", "evaluations": 5},
        "07_apply_to_video": {"cell": "emcad__r0000__vit_t__n00200__mix__s0", "film_path": "data/my_film.tif"},
        "sweep": {
            "annotated": 0,
            "counts": [0, 200],
            "series": ["emcad__vit_t"],
            "labellers": ["vit_t"],
            "noisy_prompts": False,
            "seeds": [0, 1],
        },
    },
}

_REPLICATED = [*(grid.parse_row(row).synthetic for row in LAPTOP_CONTRASTS)] or [1000]
PROFILES["laptop_replicate"] = {
    **{name: {**values, "seed": 1} for name, values in PROFILES["laptop"].items() if name[:2] in ("01", "02", "04")},
    **{name: values for name, values in PROFILES["laptop"].items() if name[:2] in ("03", "05", "07")},
    "sweep": {
        "annotated": 100,
        "counts": [0, *sorted(set(_REPLICATED))],
        "series": [f"{backbone}__vit_b" for backbone in grid.BACKBONES],
        "labellers": ["vit_b"],
        "seeds": [0, 1, 2],
    },
}

PROFILES["laptop_shipped"] = PROFILES["laptop"] | {
    **{name: PROFILES["laptop"].get(name, {}) | {"shipped": "data/weights/laptop"} for name in SHIPPABLE},
    **{
        name: PROFILES["laptop"][name] | {"cell": SHIPPED_CELL}
        for name in PROFILES["laptop"]
        if name[:2] in ("05", "07")
    },
    "04_generate_synthetic": PROFILES["laptop"]["04_generate_synthetic"] | {"pairs": 500, "fresh_frames": 200},
    "sweep": {"annotated": 100, "counts": [0, 500], "labellers": ["vit_t", "vit_b"]},
}

# Parameter files of appendices: what made the weights in data/weights, and a run that only shows that it runs.
APPENDIX_FILES = {
    ("weights", "A1_pretrain_small_sam"): {"steps": 8000, "evaluations": 8, "held_out": 256},
    ("smoke", "A1_pretrain_small_sam"): {"steps": 4, "evaluations": 2, "held_out": 16},
}

FILES = [(profile, name) for profile in PROFILES for name in MODELS if name not in APPENDICES]
FILES += [("quick", name) for name in APPENDICES] + list(APPENDIX_FILES)

NEEDS = {
    "quick": "about 20 minutes on 2 cores, 4 GB of memory, 0.2 GB of disk; every stage is real, every size reduced",
    "laptop": "two and a quarter hours on 2 cores; the evidence this repository reports",
    "laptop_shipped": "fifteen minutes on 2 cores; denoiser and labellers are shipped, trained elsewhere",
    "laptop_replicate": "about an hour and a half on 2 cores; the laptop's contrasts from another chain",
    "own_frames": "half an hour on 2 cores for 24 frames of 484 x 645 pixels",
    "real_study": "one fold of 'make real-study': a quarter of an hour of one core for 24 frames of 484 x 645 pixels",
    "paper": "the published scale: GPUs, days, and the official SAM weights; not a run for this computer",
    "smoke": "about 5 minutes on 2 cores; it tests the mechanics, its scores mean nothing",
}


def profile_values(profile: str, name: str) -> dict:
    """Every parameter of one file of a profile, checked."""
    values = dict(APPENDIX_FILES.get((profile, name)) or PROFILES[profile].get(name, {}))
    if name in STAGES | APPENDICES:
        values.setdefault("run_root", f"runs/{profile}")
    if name == "06_tables_and_figures":
        values.setdefault("sweep", f"params/{profile}/sweep.yaml")
    return MODELS[name].checked(values, f"profile {profile}, {name}").model_dump()


def yaml_text(profile: str, name: str) -> str:
    """The YAML file: one commented line per parameter, numbers written so that YAML reads them as numbers."""
    fields = MODELS[name].model_fields
    lines = [_yaml_line(key, value) for key, value in profile_values(profile, name).items()]
    width = max(len(line) for line, _ in lines if len(line) < 60)
    comments = [field.description for field in fields.values()]
    body = "\n".join(
        f"{line:<{width}}  # {comment}{below}" for (line, below), comment in zip(lines, comments, strict=True)
    )
    return f"# {name}, profile {profile}: made by 'make params' from xpci_utils/params/ and profiles.py\n{body}\n"


def parameter_cell(name: str, profile: str = "quick", **changed: object) -> str:
    """The source of a notebook's parameter cell: a profile's values, and ``changed`` ones, with their descriptions."""
    values = profile_values(profile, name) | changed
    lines = [f"{key} = {_python_value(value)}" for key, value in values.items()]
    comments = [field.description for field in MODELS[name].model_fields.values()]
    return "\n".join(f"{line}  # {comment}" for line, comment in zip(lines, comments, strict=True))


def expected_files() -> dict[Path, str]:
    """Path -> content of everything that is made from the models."""
    files = {paths.root() / "params" / profile / f"{name}.yaml": yaml_text(profile, name) for profile, name in FILES}
    for name in STAGES | APPENDICES:
        path = paths.root() / "notebooks" / f"{name}.ipynb"
        if path.is_file():
            files[path] = _with_parameter_cell(path, parameter_cell(name))
    return files


def main(arguments: list[str] | None = None) -> int:
    """Write (or with ``--check`` compare) the files; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail if a file differs")
    check = parser.parse_args(arguments).check
    stale = [(p, text) for p, text in expected_files().items() if not p.is_file() or p.read_text() != text]
    for path, text in stale:
        print(f"{'differs' if check else 'written'}: {paths.display(path)}")
        if not check:
            with artifacts.atomic_path(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
    return int(check and bool(stale))


def _with_parameter_cell(path: Path, source: str) -> str:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            cell["source"] = source.splitlines(keepends=True)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _yaml_line(key: str, value: object) -> tuple[str, str]:
    """The line of a parameter and what follows below it: the items of a list too long for one line."""
    line = f"{key}: {_yaml_value(value)}"
    if isinstance(value, list) and len(line) > 100:
        return f"{key}:", "".join(f"\n  - {_yaml_value(item)}" for item in value)
    return line, ""


def _yaml_value(value: object) -> str:
    if isinstance(value, float):
        text = repr(value)
        return text if "e" not in text or "." in text else text.replace("e", ".0e")
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("\n...\n").strip()


def _python_value(value: object) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    sys.exit(main())
