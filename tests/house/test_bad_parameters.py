"""Every field of every parameter file, spoilt in every way that the models tell apart: refused before a kernel starts.

Fields, types and bounds are read from the models, so that a new field is covered as soon as it exists. A file is spoilt
in all its fields at once, since every fault is listed on a line of its own; what counts is that no line is missing.
"""

import datetime
import os
import re
from itertools import pairwise, zip_longest
from typing import Literal, get_args, get_origin

import annotated_types
import pytest
import yaml

from xpci_utils import paths
from xpci_utils.params import generate
from xpci_utils.params.profiles import overlay, profiles
from xpci_utils.running import cli, notebook, reproduce

PARAMETER_FILES = [(profile, name) for profile in profiles() for name in overlay(profile).files]
CURES = re.compile(r"should |YAML wants|is needed|did you mean|choose|look like|like emcad__|a name of letters")
TYPES = {
    "nothing": (None, ()),
    "a mapping": ({"a": 1}, ()),
    "a list": ([[1]], ()),
    "a date": (datetime.date(2026, 1, 2), ()),
    "a text": ("much", (str,)),
    "a truth": (True, (bool,)),
    "a whole number": (3, (int, float)),
    "a fraction": (2.5, (float,)),
}


def kind(field):
    return type(field.default)


def beyond(name, field):
    """Values of the right type just outside of what the field takes."""
    if kind(field) is bool:
        return []
    if kind(field) is list:
        return [["no such thing"] if get_args(field.annotation) == (str,) else [-1]]
    if kind(field) is str:
        return ["no such thing"] if get_origin(field.annotation) is Literal else ["a\0b", "a\nb"]
    smallest = 1 if kind(field) is int else 1e-9
    outside = {
        annotated_types.Ge: lambda bound: bound.ge - smallest,
        annotated_types.Gt: lambda bound: bound.gt,
        annotated_types.Le: lambda bound: bound.le + smallest,
        annotated_types.Lt: lambda bound: bound.lt,
    }
    bounds = [outside[type(bound)](bound) for bound in field.metadata if type(bound) in outside]
    assert bounds, f"{name} has no bound; a number that decides a computation needs one"
    return [*map(kind(field), bounds), *([float("inf"), float("-inf"), float("nan")] if kind(field) is float else [])]


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Write the text as the file of a profile, run it, and return what was printed; fails unless the exit code is 2."""
    monkeypatch.setattr(notebook, "run_notebook", lambda *_: pytest.fail("a kernel would have started"))
    monkeypatch.setattr(reproduce, "run_snakemake", lambda *_: pytest.fail("Snakemake would have started"))

    def refuse(profile, name, text):
        file = tmp_path / f"{name}.yaml"
        file.write_text(text)
        if name == "sweep":  # read by 'make reproduce' beside the parameters of the notebooks
            for other in ("01_prepare_frames", "04a_sample_pairs", "06_tables_and_figures"):
                (tmp_path / f"{other}.yaml").write_text(generate.yaml_text(profile, other))
            code = cli.main(["reproduce", "--profile", os.path.relpath(tmp_path, paths.root() / "params")])
        else:
            code = notebook.main([name, "-f", str(file)])
        printed = capsys.readouterr().err
        assert code == notebook.BAD_PARAMETERS, printed
        assert str(file) in printed or os.path.relpath(file, paths.root() / "params") in printed
        return printed

    return refuse


def lines(printed):
    """Name of the parameter -> the line about it."""
    return {re.match(r"\w+", line.strip())[0]: line for line in printed.splitlines()[1:]}


def spoil(refused, profile, name, spoilt):
    """A complete file but for the spoilt fields: each of them is named on a line with a cure, and no other."""
    values = generate.profile_values(profile, name) | spoilt
    messages = lines(refused(profile, name, yaml.safe_dump(values, sort_keys=False)))
    assert set(messages) == set(spoilt)
    assert [line for line in messages.values() if not CURES.search(line)] == []


@pytest.mark.parametrize("wrong", TYPES)
@pytest.mark.parametrize(("profile", "name"), PARAMETER_FILES)
def test_a_wrong_type_is_refused_in_every_field(refused, profile, name, wrong):
    value, fits = TYPES[wrong]
    fields = generate.MODELS[name].model_fields
    if spoilt := {key: value for key, field in fields.items() if kind(field) not in fits}:
        spoil(refused, profile, name, spoilt)


@pytest.mark.parametrize(("profile", "name"), PARAMETER_FILES)
def test_a_value_out_of_range_is_refused_in_every_field(refused, profile, name):
    fields = generate.MODELS[name].model_fields
    values = {key: beyond(key, field) for key, field in fields.items()}
    assert all(values[key] for key, field in fields.items() if kind(field) is not bool)
    nothing = object()
    for row in zip_longest(*values.values(), fillvalue=nothing):
        spoil(refused, profile, name, {key: bad for key, bad in zip(values, row, strict=True) if bad is not nothing})


@pytest.mark.parametrize(("profile", "name"), PARAMETER_FILES)
def test_every_misspelt_name_is_refused_with_the_right_one(refused, profile, name):
    values = generate.profile_values(profile, name)
    messages = lines(
        refused(profile, name, yaml.safe_dump({f"{key}{key[-1]}": value for key, value in values.items()}))
    )
    assert set(messages) == {f"{key}{key[-1]}" for key in values}
    assert all(f"did you mean {key!r}?" in messages[f"{key}{key[-1]}"] for key in values)


@pytest.mark.parametrize("rest", [0, 1])
@pytest.mark.parametrize(("profile", "name"), PARAMETER_FILES)
def test_every_missing_name_is_told(refused, profile, name, rest):
    """Each name is missing in one of the two halves of the file."""
    values = generate.profile_values(profile, name)
    left_out = [key for number, key in enumerate(values) if number % 2 == rest]
    # These belong together.
    must_stay = {"source", "source_folder", "counts", "series", "labellers", "annotated", "contrasts", "contrast_seeds"}
    left_out = [key for key in left_out if key not in must_stay]
    printed = refused(profile, name, yaml.safe_dump({k: v for k, v in values.items() if k not in left_out}))
    assert f"lacks {', '.join(left_out)}; 'make params' shows" in printed


@pytest.mark.parametrize("text", ["1e-4", "1e3", "'3'", "3,5"])
@pytest.mark.parametrize(("profile", "name"), PARAMETER_FILES)
def test_a_number_that_yaml_takes_for_a_text_is_refused_in_every_field(refused, profile, name, text):
    """YAML 1.1 wants 1.0e-4: papermill, reading such a file, hands on the text."""
    content, fields = generate.yaml_text(profile, name), generate.MODELS[name].model_fields
    numbers = [key for key, field in fields.items() if kind(field) in (int, float)]
    for key in numbers:
        content, count = re.subn(rf"^{key}: [^ \n]+", f"{key}: {text}", content, flags=re.MULTILINE)
        assert count == 1
    if numbers:
        messages = lines(refused(profile, name, content))
        assert set(messages) == set(numbers)
        assert all("is the text" in line and "YAML wants" in line for line in messages.values())


LAUGHS = ["&a [x, x]", *(f"&{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in pairwise("abcdefghij"))]  # 9^9 leaves
FILES = {
    "a tag that calls": ("seed: !!python/object/apply:os.system ['touch {}']", "python/object/apply"),
    "a tag that imports": ("seed: !!python/name:os.system", "python/name"),
    "a tag that a value does not fit": ("seed: !!timestamp x", "does not fit its tag"),
    "an integer that is none": ("seed: !!int x", "invalid literal"),
    "a date that is none": ("seed: 2026-13-45", "month must be"),
    "more digits than Python reads": ("seed: " + "9" * 5000, "4300 digits"),
    "brackets without end": ("seed: " + "[" * 5000, "nested too deeply|not valid YAML"),
    "a list in itself": ("seed: &a [*a]", "seed: Input should be a valid integer"),
    "a billion laughs": (f"seed: [{', '.join(LAUGHS)}]", "seed: Input should be a valid integer"),
    "a name twice": ("seed: 1\nseed: 2", "'seed' is given twice"),
    "a name that YAML takes for a truth": ("seed: 1\non: 2", "has the name True; names are words"),
    "a number for a name": ("seed: 1\n7: 2", "has the name 7"),
    "a list for a name": ("seed: 1\n? [1]\n: 2", "unhashable key"),
    "a NUL": ("seed: \0", "special characters"),
    "a tab": ("seed:\t1\n\tx: 1", "cannot start any token"),
}


@pytest.mark.parametrize("fault", FILES)
def test_a_strange_file_is_refused_and_nothing_in_it_runs(refused, tmp_path, fault):
    text, words = FILES[fault]
    base = re.sub(r"^seed: .*\n", "", generate.yaml_text("quick", "02_train_ddpm"), flags=re.MULTILINE)
    printed = refused("quick", "02_train_ddpm", base + text.format(tmp_path / "ran"))
    assert re.search(words, printed), printed
    assert len(printed) < 5000
    assert not (tmp_path / "ran").exists()


def test_a_folder_in_place_of_a_file_is_refused(tmp_path, capsys):
    assert notebook.main(["02_train_ddpm", "-f", str(tmp_path)]) == notebook.BAD_PARAMETERS
    assert "cannot be read: Is a directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    "value", ["2026-13-45", "9" * 5000, "[" * 5000, "!!python/object/apply:os.getcwd []", "{", "a\nb"]
)
def test_a_strange_value_on_the_command_line_is_refused(monkeypatch, capsys, value):
    monkeypatch.setattr(notebook, "run_notebook", lambda *_: pytest.fail("a kernel would have started"))
    file = paths.root() / "params/quick/02_train_ddpm.yaml"
    for name in ("steps", "prediction"):
        assert notebook.main(["02_train_ddpm", "-f", str(file), "-p", name, value]) == notebook.BAD_PARAMETERS
        assert f"  {name}" in capsys.readouterr().err
