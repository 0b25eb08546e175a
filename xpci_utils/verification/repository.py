"""What is verified, in the order in which it is printed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from xpci_utils import files, paths, report, stages
from xpci_utils.frames.facts import facts_of
from xpci_utils.report.committed import load_results
from xpci_utils.report.results import Results
from xpci_utils.running.sittings import chain_folder
from xpci_utils.stages.machine import processor
from xpci_utils.verification import digests, drawings, retraining
from xpci_utils.verification.check import Check, Finding

FACTS = "data/cards"  # of the frames of each profile, written by scripts/make_cards.py
NOTEBOOKS = {"segmentation": ("05_train_segmentation", "cell"), "sam": ("03_adapt_sam", "labeller")}


@dataclass(frozen=True)
class Repository:
    """A checkout, a profile whose results are committed in it, and two folders.

    ``scratch`` is empty; ``runs`` may hold what an interrupted call had made again.
    """

    profile: str
    scratch: Path
    runs: Path

    @property
    def report(self) -> Path:
        """The committed report."""
        return paths.root() / "figures" / self.profile

    @cached_property
    def shipped(self) -> Path:
        """The committed weights of the profile, with the records of their stages; unpacked from its chain if it has
        one."""
        if self.chain is None:
            return paths.root() / "data/weights" / self.profile
        for place, file in stages.kept_files(self.chain).items():
            stages.restore(file, self.scratch / "chain" / place)
        return self.scratch / "chain"

    @property
    def chain(self) -> Path | None:
        """The folder of committed stages, of a study in several sittings."""
        return chain_folder(self.profile)

    @cached_property
    def results(self) -> Results:
        """The committed results; errors as of `load_results`."""
        return load_results(self.report / "results")

    @property
    def facts(self) -> dict[str, Any]:
        """Of the committed frames, or of those that were simulated for the committed results."""
        if self.chain is None:
            return files.read_json(paths.root() / FACTS / f"{self.profile}.json")
        made_on = files.read_json(self.shipped / "frames" / stages.RUN_FILE)["processor"]
        return facts_of(self.shipped / "frames") | {"processor": made_on}

    @cached_property
    def drawn(self) -> Path:
        """The report, drawn again."""
        report.use_style()
        report.write_report(self.results, self.scratch / "report")
        return self.scratch / "report"

    def checks(self, training: bool = True) -> Iterator[Check]:
        """Every check; without ``training`` those that take a minute together."""
        yield from self._of_bytes()
        yield from self._of_drawings()
        if training:
            yield from self._of_trainings()

    def _of_bytes(self) -> Iterator[Check]:
        weights, results = paths.root() / "data/weights", self.report / "results"
        summed = "find {} -name '*.sha256' -execdir sha256sum -c {{}} +".format
        yield Check("Weights are those that were measured", summed("data/weights"), partial(digests.digests, weights))
        yield Check(
            "Results are those that were collected",
            summed(f"figures/{self.profile}/results"),
            partial(digests.digests, *filter(None, (results, self.chain)), required="*.*"),
        )
        yield Check(
            "Shipped weights and the study have the same records and scores",
            "xpci verify --without-training",
            lambda: digests.shipped_records(self.shipped, self.results),
        )
        yield Check(
            "Every changed stage was answered for",
            "python scripts/code_digests.py",
            partial(digests.command_agrees, "scripts/code_digests.py"),
        )
        yield Check(
            "Parameter files follow from the models",
            "xpci params --check",
            partial(digests.command_agrees, "-m", "xpci_utils.running.cli", "params", "--check"),
        )

    def _of_drawings(self) -> Iterator[Check]:
        drawn_by = f"xpci figures --profile {self.profile}"
        yield Check(
            "Scores of networks follow from the scores of their frames",
            "xpci verify --without-training",
            lambda: digests.scores_of_frames(self.results),
        )
        yield Check(
            "Tables and page follow from the results",
            drawn_by,
            lambda: drawings.compare_texts(self.report, self.drawn),
        )
        yield Check(
            "Figures follow from the results", drawn_by, lambda: drawings.compare_figures(self.report, self.drawn)
        )

    def _of_trainings(self) -> Iterator[Check]:
        notebook = "01_prepare_frames"
        yield Check(
            "The annotated frames can be simulated again",
            f"xpci run {notebook} -f params/{self.profile}/{notebook}.yaml",
            self._simulate_again,
        )
        for claim, kind in (
            ("A network, trained again, has its committed scores", "segmentation"),
            ("A labeller, adapted again from shipped first weights, has its scores and weights", "sam"),
        ):
            notebook, what = NOTEBOOKS[kind]
            command = f"xpci run {notebook} -f params/{self.profile}/{notebook}.yaml -p {what} ..."
            yield Check(claim, command, partial(self._train_again, kind))

    def _simulate_again(self) -> Finding:
        minutes = retraining.make_again(self.profile, "frames", self.runs)
        finding = retraining.compare_frames(self.facts, self.runs / "frames", processor())
        return replace(finding, earlier_minutes=minutes)

    def _train_again(self, kind: str) -> Finding:
        shipped = self.shipped if kind == "sam" else None
        place = retraining.cheapest(self.profile, self.results, kind, shipped)
        minutes = retraining.make_again(self.profile, place, self.runs)
        return replace(retraining.compare(place, self.results, self.runs, shipped), earlier_minutes=minutes)
