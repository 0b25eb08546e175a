"""Write what records know into docs/data_card.md and docs/model_cards.md.

    python scripts/make_cards.py                               the generated parts of both cards, from what is committed
    python scripts/make_cards.py --frames runs/laptop/frames   data/cards/<profile>.json first, from frames just made
    python scripts/make_cards.py --check                       write nothing, exit with 1 if a card would change

Sentences about use and limits stand around these parts and are written by hand.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from xpci_utils import files, paths
from xpci_utils.frames.facts import facts_of
from xpci_utils.simulation import ROLES, Role
from xpci_utils.stages import read_record, version_of
from xpci_utils.stages.machine import processor
from xpci_utils.training.storage import load_tensors
from xpci_utils.verification.page import insert
from xpci_utils.verification.repository import FACTS

MAKER, ROLES_MAKER = "scripts/make_cards.py", "scripts/make_cards.py from simulation/roles.py"
DATA_CARD, MODEL_CARDS = "docs/data_card.md", "docs/model_cards.md"


def main() -> int:
    """Write or check both cards."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--profile", default="laptop", help="whose frames (default: laptop)")
    parser.add_argument("--frames", type=Path, help="folder of frames that notebook 01 has just made on this machine")
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if a card would change")
    options = parser.parse_args()
    facts_file = paths.root() / FACTS / f"{options.profile}.json"
    if options.frames:
        files.write_json(facts_file, noted_facts(options.frames.absolute()))
    facts = data_part(files.read_json(facts_file), options.profile)
    parts = [(DATA_CARD, MAKER, facts), (DATA_CARD, ROLES_MAKER, roles_part()), (MODEL_CARDS, MAKER, model_part())]
    changed = []
    for page, maker, part in parts:
        path = paths.resolve(page)
        before = path.read_text(encoding="utf-8")
        after = insert(before, maker, part)
        changed += [page] if after != before else []
        if not options.check:
            files.write_text(path, after)
    print(f"{'differing' if options.check else 'written'}: {', '.join(changed) or 'nothing'}")
    return int(options.check and bool(changed))


def noted_facts(folder: Path) -> dict:
    """Facts of frames, of those of the shifted test set, and what made them."""
    record = read_record(folder)
    if record is None:
        raise SystemExit(f"error: {paths.display(folder)} is not finished; run notebook 01 first")
    made = {"processor": processor(), "version": version_of(record), "versions": record["versions"]}
    shifted = {"shifted": facts_of(folder / "shifted")} if (folder / "shifted").is_dir() else {}
    return made | {"parameters": record["hashed"]} | facts_of(folder) | shifted


def data_part(facts: dict, profile: str) -> str:
    """Counts, particles and the digest of the frames of a profile."""
    splits = facts["splits"]
    particles = pd.DataFrame({name: split["particles"] for name, split in splits.items()}).fillna(0).astype(int)
    share = {name: count / sum(facts["pixels"].values()) for name, count in facts["pixels"].items()}
    rows = [["frames", *(str(split["frames"]) for split in splits.values()), ""]]
    rows += [["sequences", *(str(split["sequences"]) for split in splits.values()), ""]]
    rows += [["distinct particles, at most", *(str(split["distinct"]) for split in splits.values()), ""]]
    rows += [
        ["annotated particles", *(str(particles[name].sum()) for name in splits), f"{1 - share['background']:.1%}"]
    ]
    for name in particles.index:
        rows += [[f"- {name.replace('_', ' ')}", *map(str, particles.loc[name, list(splits)]), f"{share[name]:.1%}"]]
    head = ["", *splits, "share of pixels"]
    parameters, shifted = facts["parameters"], facts.get("shifted")
    lines = [
        f"Profile `{profile}`: {parameters['height']} x {parameters['width']} pixels of "
        f"{parameters['pixel_size_um']} µm, preset `{parameters['preset']}`, sampling `{parameters['sampling']}`, "
        f"seed {parameters['seed']}; version {facts['version']} of notebook 01.",
        "",
        markdown(head, rows),
        "",
        f"Command: `xpci run 01_prepare_frames -f params/{profile}/01_prepare_frames.yaml`",
        "",
        f"sha256 of all images and labels (uint8, in the order of `frames.csv`): `{facts['sha256']}`",
    ]
    if shifted:
        count = sum(split["frames"] for split in shifted["splits"].values())
        lines += ["", f"The same of the {count} frames of another beamline set-up (`shifted/`): `{shifted['sha256']}`"]
    return "\n".join(
        [*lines, "", f"Made on {facts['processor']}. Other processors may round a few grey levels otherwise."]
    )


def roles_part() -> str:
    """The table of roles: which seed and sequences the frames of each are drawn from, and what they are for."""
    rows = [[name, seed_text(role), role.sequences, str(role.per_sequence), role.use] for name, role in ROLES.items()]
    return markdown(["role", "seed of the simulator", "sequences of that seed", "frames of each", "use"], rows)


def seed_text(role: Role) -> str:
    """How the simulator's seed of a role follows from the seed of a stage."""
    named = ", ".join(f"'{name}'" for name in role.stream)
    return f"hash of {named} and {role.seed}" if named else role.seed


def model_part() -> str:
    """One section per file of weights in data/weights."""
    weights = paths.root() / "data/weights"
    return "\n\n".join(model_card(path) for path in sorted(weights.rglob("*.safetensors")))


def model_card(path: Path) -> str:
    """What a file of weights is, what it learnt from, how it scores, and where that is recorded."""
    record, metrics = read_record(path.parent), files.read_json(path.parent / "metrics.json")
    assert record is not None
    tensors, _ = load_tensors(path)
    parameters, versions = record["parameters"], record["versions"]
    title, learnt, scores = DESCRIPTIONS[record["notebook"]](parameters, metrics)
    rows = [
        ["what", title],
        ["learnt from", learnt],
        ["training", f"{parameters['steps']:,} steps of batches of {parameters['batch_size']}, {_when(record)}"],
        ["numbers", f"{sum(tensor.numel() for tensor in tensors.values()):,} in {path.stat().st_size / 1e6:.1f} MB"],
        ["scores", scores],
        ["sha256", f"`{files.sha256(path)}`"],
        ["made by", f"{_version(record)} of notebook {record['notebook']}; torch {versions['torch']}"],
        ["licence", "MIT, as this repository; nobody else's weights are in it"],
    ]
    return f"### {paths.display(path)}\n\n{markdown(['', ''], rows)}"


def _when(record: dict) -> str:
    minutes = record["wall_seconds"] / 60
    return f"{minutes:.0f} minutes on {record['device']}, threads used: {record['threads']}, {record['finished'][:10]}"


def _version(record: dict) -> str:
    return f"version {version_of(record)}" if version_of(record) else "a version before the first"


def denoiser_text(parameters: dict, metrics: dict) -> tuple[str, str, str]:
    """Title, training data and scores of a denoiser."""
    error = metrics["eps_error"]["held_out"]
    share = metrics["foreground_share"]
    scores = (
        f"squared error of the noise on test frames, from the least noisy quarter of t on: "
        f"{', '.join(f'{value:.3f}' for value in error)}; foreground {share['samples']:.1%} of sampled pairs, "
        f"{share['frames']:.1%} of the frames"
    )
    return f"denoiser of size {parameters['size']}, Section 2.1", "the training frames of the data card", scores


def labeller_text(parameters: dict, metrics: dict) -> tuple[str, str, str]:
    """Title, training data and scores of a labeller."""
    test = metrics["test"]
    scores = (
        f"test frames, true masks as prompts: Dice {test['dice']:.3f}, NSD {test['nsd']:.3f}, "
        f"micro-F1 {test['micro_f1']:.3f}"
    )
    learnt = "the training frames of the data card, from the first weights in `data/weights/study`"
    return f"labeller {metrics['description']}, Section 2.2", learnt, scores


def small_sam_text(parameters: dict, metrics: dict) -> tuple[str, str, str]:
    """Title, training data and scores of a small SAM."""
    answers = [f"{name} {answer['iou']:.3f}" for name, answer in metrics["held_out"].items()]
    scores = f"IoU with the true object on drawn pictures of other textures, by prompt: {', '.join(answers)}"
    return (
        f"reduced SAM ({parameters['variant']}), the first weights of a labeller",
        f"{parameters['steps'] * parameters['batch_size']:,} drawn pictures (notebook A1), no photograph",
        scores,
    )


DESCRIPTIONS = {
    "02_train_ddpm": denoiser_text,
    "03_adapt_sam": labeller_text,
    "A1_pretrain_small_sam": small_sam_text,
}


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *rows])


if __name__ == "__main__":
    sys.exit(main())
