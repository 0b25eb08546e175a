"""Strict parameter models: no unknown names, no silent conversion, and errors that name the cure."""

import ast
import difflib
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from xpci_utils import paths


class ParameterError(ValueError):
    """A parameter is wrong; the message names it and says what would be right."""


class Parameters(BaseModel):
    """What every notebook and the sweep share: strict types, no unknown names, errors for people."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=True)

    @classmethod
    def checked(cls, values: dict, source: str = "the parameters") -> Self:
        """Build the model from ``values``; ParameterError lists every fault with its cure."""
        try:
            return cls(**values)
        except ValidationError as error:
            faults = "\n".join(f"  {_explain(cls, fault)}" for fault in error.errors())
            raise ParameterError(f"{source} cannot be used:\n{faults}") from None

    @classmethod
    def from_yaml(cls, path: str | Path, overrides: dict | None = None) -> Self:
        """Read a flat YAML file that names every parameter, and apply ``overrides``."""
        values = read_yaml(path)
        parameters = cls.checked({**values, **(overrides or {})}, str(path))
        missing = [name for name in cls.model_fields if name not in values]
        if missing:
            raise ParameterError(f"{path} lacks {', '.join(missing)}; 'make params' shows what a complete file holds")
        return parameters


def read_yaml(path: str | Path) -> dict:
    """A flat YAML mapping; ParameterError names the file and line when it is not one."""
    path = paths.resolve(path)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParameterError(f"there is no parameter file {paths.display(path)}{_suggest_profile(path)}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParameterError(f"{paths.display(path)} is not valid YAML: {error}") from None
    if not isinstance(values, dict):
        raise ParameterError(f"{paths.display(path)} must hold 'name: value' lines")
    return values


def assigned_names(cells: list[str]) -> list[str]:
    """Names that the last cells assign, going back as long as a cell does nothing but assign plain values."""
    names = []
    for cell in reversed(cells):
        body = ast.parse(cell).body
        if not body or not all(isinstance(node, ast.Assign) and _is_plain(node.value) for node in body):
            return names
        names += [target.id for node in body for target in node.targets if isinstance(target, ast.Name)]
    return names


def _is_plain(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def _explain(model: type[BaseModel], fault: dict) -> str:
    """One sentence for one pydantic fault."""
    name = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{name} is not a parameter{suggest(name, model.model_fields)}"
    if fault["type"] == "float_type" and isinstance(fault["input"], str):
        return f"{name} is the text {fault['input']!r}; YAML wants a point and a sign in numbers, as in 1.0e-4"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{name + ': ' if name else ''}{message} (given: {fault['input']!r})" if name else message


def suggest(name: str, choices) -> str:
    near = difflib.get_close_matches(str(name), list(choices), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(choices)}"


def _suggest_profile(path: Path) -> str:
    profiles = sorted(path.parent.name for path in (paths.root() / "params").glob("*/sweep.yaml"))
    return f"; profiles are {', '.join(profiles)}" if path.parent.name not in profiles else ""
