"""What the README says of committed results is what they say."""

import re

import pytest

from xpci_utils import paths
from xpci_utils.params import STAGES
from xpci_utils.report.committed import load_results, outdated
from xpci_utils.report.versions import earlier_sentences, earlier_versions


def words(text):
    return " ".join(text.split())


def test_the_readme_lists_results_of_an_earlier_version():
    """The sentences stand in the README word for word, and no sentence of former results is left over."""
    readme = words((paths.root() / "README.md").read_text())
    sentences = earlier_sentences(load_results("figures/laptop/results"))
    for sentence in sentences:
        assert words(sentence) in readme, f"the README lacks: {sentence}"
    assert readme.count(": version ") == len(sentences)


def test_every_outdated_result_is_listed():
    """What is printed is all that there is: no result differs from the present code or parameters without a word."""
    results = load_results("figures/laptop/results")
    printed, found = earlier_versions(results), outdated("laptop", results)
    assert sorted(printed["place"]) == sorted(found["place"])


def choices():
    """Rows of the README's table of what the paper leaves open: (open, chosen, alternative, parameter)."""
    readme = (paths.root() / "README.md").read_text()
    section = readme[readme.index("## What the paper leaves open") : readme.index("## Tests")]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in lines]


def test_every_choice_names_a_parameter_of_the_notebooks_it_says():
    """`augmentation` (02, 03, 05): each notebook has it. Where nothing switches a choice, the table says so."""
    models = {name[:2]: model for name, model in STAGES.items()}
    switches = [(*row[2:], names, numbers) for row in choices() for names, numbers in switched_by(row[-1])]
    assert len(switches) >= 18
    for *_, names, numbers in switches:
        for name in names:
            assert all(name in models[number].model_fields for number in numbers), (name, numbers)


def switched_by(text):
    """[(["keep", "evaluations"], ["02"]), ...] of "`keep`, `evaluations` (02)"."""
    found = re.findall(r"((?:`[a-z_0-9]+`(?:, )?)+) \((\d\d(?:, \d\d)*)\)", text)
    return [(re.findall(r"`([a-z_0-9]+)`", names), numbers.split(", ")) for names, numbers in found]


@pytest.mark.parametrize(
    ("subject", "parameter"),
    [
        ("augmentation", "augmentation"),
        ("only the adapter layers", "trainable"),
        ("blocks of SAM's encoder", "adapter_blocks"),
        ("generalised Dice is cited", "dice"),
        ("beta 1", "beta1"),
        ("time that the U-Net sees", "rescale_timesteps"),
        ("average of the denoiser's weights", "ema_warmup"),
        ("weights of the denoiser are kept", "keep"),
        ("batch 1: per card", "batch_size"),
        ("schedule of the three networks", "-"),
        ("ImageNet start", "pretrained"),
        ("mixing", "mixing"),
        ("equal epochs or equal steps", "epochs"),
        ("no tolerance is stated", "tolerance_px"),
        ("unlabelled frames", "-"),
    ],
)
def test_every_open_choice_is_listed_with_what_switches_it(subject, parameter):
    (row,) = [row for row in choices() if subject in row[0]]
    assert len(row) == 4
    assert all(row), "the choice and its alternative are said"
    assert parameter in row[-1]
