"""Files made from the parameter models and the profiles' overlays.

``make params`` writes ``params/<profile>/*.yaml`` and the parameter cell of every notebook; ``make lint`` only says
which of them differ from the models.
"""

import json
from pathlib import Path

import yaml

from xpci_utils import files, paths
from xpci_utils.params.profiles import MODELS, overlay, profile_values, profiles
from xpci_utils.params.stages import APPENDICES, STAGES


def yaml_text(profile: str, name: str) -> str:
    """The YAML file: one commented line per parameter, numbers written so that YAML reads them as numbers."""
    fields = MODELS[name].model_fields
    lines = [_yaml_line(key, value) for key, value in profile_values(profile, name).items()]
    width = max(len(line) for line, _ in lines if len(line) < 60)
    comments = [field.description for field in fields.values()]
    body = "\n".join(
        f"{line:<{width}}  # {comment}{below}" for (line, below), comment in zip(lines, comments, strict=True)
    )
    title = f"# {name}, profile {profile}: made by 'make params' from xpci_utils/params/ and params/{profile}.yaml"
    return f"{title}\n{body}\n"


def parameter_cell(name: str, profile: str = "quick", **changed: object) -> str:
    """The source of a notebook's parameter cell: a profile's values, and ``changed`` ones, with their descriptions."""
    values = profile_values(profile, name) | changed
    lines = [f"{key} = {_python_value(value)}" for key, value in values.items()]
    comments = [field.description for field in MODELS[name].model_fields.values()]
    return "\n".join(f"{line}  # {comment}" for line, comment in zip(lines, comments, strict=True))


def expected_files() -> dict[Path, str]:
    """Path -> content of everything that is made from the models."""
    names = [(profile, name) for profile in profiles() for name in overlay(profile).files]
    made = {paths.root() / "params" / profile / f"{name}.yaml": yaml_text(profile, name) for profile, name in names}
    for name in STAGES | APPENDICES:
        path = paths.root() / "notebooks" / f"{name}.ipynb"
        if path.is_file():
            made[path] = _with_parameter_cell(path, parameter_cell(name))
    return made


def write_files(check: bool = False) -> list[Path]:
    """Write the files that differ from what is made, or with ``check`` only find them; returns their paths."""
    stale = [(p, text) for p, text in expected_files().items() if not p.is_file() or p.read_text() != text]
    for path, text in stale:
        print(f"{'differs' if check else 'written'}: {paths.display(path)}")
        if not check:
            files.write_text(path, text)
    return [path for path, _ in stale]


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
