"""What the parameters of every stage share: the places it reads and writes, and what decides its result."""

from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field

from xpci_utils import grid, paths
from xpci_utils.recipe import noted_sha256
from xpci_utils.strict import Parameters, assigned_names

CellName = Annotated[str, AfterValidator(lambda name: grid.Cell.parse(name).name)]


class StageParameters(Parameters):
    """Parameters of one notebook and the places it reads and writes."""

    notebook: ClassVar[str]
    rooms: ClassVar[tuple[str, ...]]
    data_files: ClassVar[tuple[str, ...]] = ()
    products: ClassVar[tuple[str, ...]]

    run_root: str = Field("runs/quick", min_length=1, description="folder of the run; relative to the repository root")
    output_folder: str = Field("", description="where the products go; empty: their place below run_root")
    force: bool = Field(False, description="repeat a finished stage and replace its products")
    threads: int = Field(1, ge=1, le=256, description="CPU threads; part of the result's last bits")

    @property
    def root(self) -> Path:
        return paths.resolve(self.run_root)

    @property
    def folder(self) -> Path:
        """The one folder this stage writes."""
        return paths.resolve(self.output_folder) if self.output_folder else self.root / self.place

    @property
    def work(self) -> Path:
        """Where its checkpoints lie while it runs."""
        return self.folder / "work" if self.output_folder else self.root / "work" / self.place

    @property
    def part(self) -> str:
        """Which part of the stage this run does, where several share its folder; empty: all of it."""
        return ""

    @property
    def history(self) -> Path:
        """Where records of progress are appended."""
        return self.folder / "history.jsonl"

    @property
    def place(self) -> str:
        raise NotImplementedError

    @property
    def inputs(self) -> list[Path]:
        """Finished folders that this stage reads."""
        return []

    def hashed(self) -> dict:
        """The parameters that decide the result: all but where it lies and whether it is repeated."""
        return self.model_dump(exclude={"run_root", "output_folder", "force"})

    @classmethod
    def from_notebook(cls, namespace: dict) -> Self:
        """Collect the parameters from a notebook's globals.

        Every name that the cells just before this one assign (the parameter cell, and the one papermill injects) must
        be a parameter; IPython keeps the text of executed cells in ``In``.
        """
        given = {name: namespace[name] for name in cls.model_fields if name in namespace}
        assigned = {name: namespace[name] for name in assigned_names(namespace["In"][:-1])}
        return cls.checked({**assigned, **given}, "the parameters of this notebook")


class SeededParameters(StageParameters):
    """Parameters of a stage that draws random numbers."""

    seed: int = Field(0, ge=0, description="seed of everything random in this stage")


class ShippableParameters(SeededParameters):
    """Parameters of a training that weights which come with the repository can stand in for (`xpci_utils.shipped`)."""

    weights_file: ClassVar[str]

    shipped: str = Field("", description="folder of shipped weights to take instead of training; empty: train")

    @property
    def hash_note(self) -> str:
        """Name of the file with the sha256 of the weights, beside them."""
        return str(Path(self.weights_file).with_suffix(".sha256"))

    def hashed(self) -> dict:
        """Of shipped weights the content counts."""
        values = super().hashed()
        folder = values.pop("shipped")
        if folder:
            note = paths.resolve(folder) / self.place / self.hash_note
            values["shipped_sha256"] = noted_sha256(note)
        return values
