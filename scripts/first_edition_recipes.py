"""Write xpci_utils/stages/first_edition.py: the recipes of commit 1c65c0e, the last that recorded them.

    python scripts/first_edition_recipes.py

That commit is checked out into a temporary folder and asked for the recipe of every kind of stage.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

COMMIT = "1c65c0e"
ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "xpci_utils/stages/first_edition.py"
ABOUT = f'''"""Recipes of the first edition, whose results record a hash of the code and not the version of their stage.

Made by scripts/first_edition_recipes.py from commit {COMMIT}; all of that code is version 1 of its stage.
"""
'''
ASK = """
import json
from xpci_utils.artifacts import recipe_of
from xpci_utils.params import APPENDICES, STAGES

VARIANTS = {
    "01_prepare_frames": [{}, {"source": "folder"}],
    "04_generate_synthetic": [{}, {"pool": "fresh"}, {"labeller": "vit_b"}, {"labeller": "vit_b", "pool": "heldout"}],
}
recipes = []
for name, model in (STAGES | APPENDICES).items():
    for values in VARIANTS.get(name, [{}]):
        defaults = {field: about.default for field, about in model.model_fields.items()}
        recipes.append([recipe_of(model.model_construct(**defaults | values)), name, values])
print(json.dumps(recipes))
"""


def recipes() -> list[tuple[str, str, dict[str, str]]]:
    """(recipe, notebook, parameters that choose the kind of stage) of the first edition."""
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", COMMIT], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        environment = {**os.environ, "PYTHONPATH": folder, "XPCI_ROOT": folder}
        command = [sys.executable, "-c", ASK]
        return json.loads(subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True).stdout)


def main() -> None:
    lines = [
        f'    "{recipe}": 1,  # {", ".join([name, *(f"{key}: {value}" for key, value in values.items())])}'
        for recipe, name, values in recipes()
    ]
    TARGET.write_text("\n".join([ABOUT, "VERSION_OF_RECIPE = {", *lines, "}", ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
