"""What the README says of committed results is what they say."""

from xpci_utils import paths
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
