"""Strict parameter models: no unknown names, no silent conversion, and errors that name the cure."""

import ast
import difflib
import json
import reprlib
from collections import Counter
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from xpci_utils import paths

SHORT = reprlib.Repr()
SHORT.maxlevel, SHORT.maxstring = 2, 80  # lists of lists of lists have no end in YAML


class ParameterError(ValueError):
    """A parameter is wrong; the message names it and says what would be right."""


class Parameters(BaseModel):
    """What every notebook and the sweep share: strict types, no unknown names, errors for people."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _readable(cls, value: object) -> object:
        """Texts become paths and names, which no file system takes with a NUL or a line break in them."""
        if isinstance(value, str) and not value.isprintable():
            raise ValueError("a text without control characters is needed")
        return value

    @classmethod
    def checked(cls, values: dict, source: str = "the parameters") -> Self:
        """Build the model from ``values``; ParameterError lists every fault with its cure."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            faults = "\n".join(f"  {_explain(cls, dict(fault))}" for fault in error.errors())
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
        values = parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParameterError(f"there is no parameter file {paths.display(path)}{_suggest_profile(path)}") from None
    except OSError as error:
        raise ParameterError(f"{paths.display(path)} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ParameterError(f"{paths.display(path)} is not valid YAML: {error}") from None
    if not isinstance(values, dict):
        raise ParameterError(f"{paths.display(path)} must hold 'name: value' lines")
    if strange := [name for name in values if not isinstance(name, str)]:
        raise ParameterError(
            f"{paths.display(path)} has the name {strange[0]!r}; names are words (YAML takes on, off, yes and no for "
            "true or false)"
        )
    return values


class _Loader(yaml.SafeLoader):
    """No objects of Python, and no name twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(names)) < len(names):
            repeated = Counter(names).most_common(1)[0][0]
            raise yaml.constructor.ConstructorError(None, None, f"{repeated!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str) -> object:
    """The content of YAML text; ValueError for whatever it cannot be read as, in the words of the reader."""
    try:
        return yaml.load(text, _Loader)  # a safe loader
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (AttributeError, TypeError) as error:  # PyYAML about a tag that its value does not fit
        raise ValueError(f"a value does not fit its tag ({error})") from None


def assigned_names(cells: list[str]) -> list[str]:
    """Names that the last cells assign, going back as long as a cell does nothing but assign plain values."""
    names: list[str] = []
    for cell in reversed(cells):
        body = ast.parse(cell).body
        assignments = [node for node in body if isinstance(node, ast.Assign) and _is_plain(node.value)]
        if not body or len(assignments) < len(body):
            return names
        names += [target.id for node in assignments for target in node.targets if isinstance(target, ast.Name)]
    return names


def _is_plain(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def _explain(model: type[BaseModel], fault: dict) -> str:
    """One sentence for one pydantic fault."""
    name, given = ".".join(str(part) for part in fault["loc"]), SHORT.repr(fault["input"])
    if fault["type"] == "extra_forbidden":
        return f"{name} is not a parameter{suggest(name, model.model_fields)}"
    if fault["type"] in ("float_type", "int_type") and isinstance(fault["input"], str):
        number = "a point and a sign in numbers, as in 1.0e-4" if fault["type"] == "float_type" else "plain digits"
        return f"{name} is the text {given}; YAML wants {number}"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{name}: {message} (given: {given}{_example(model, fault['loc'][0])})" if name else message


def _example(model: type[BaseModel], name: str) -> str:
    """The default of a field as YAML shows it, unless that is empty or long."""
    text = json.dumps(model.model_fields[name].default)
    return f"; for example {name}: {text}" if text not in ('""', "[]") and len(text) < 60 else ""


def suggest(name: str, choices) -> str:
    near = difflib.get_close_matches(str(name), list(choices), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(choices)}"


def _suggest_profile(path: Path) -> str:
    profiles = sorted(path.parent.name for path in (paths.root() / "params").glob("*/sweep.yaml"))
    return f"; profiles are {', '.join(profiles)}" if path.parent.name not in profiles else ""
