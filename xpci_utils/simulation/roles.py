"""Roles of simulated frames: what each frame may be used for, and the one table that keeps the roles apart.

A simulated frame follows from the simulator's seed, the number of its sequence and its place in it. Frames of one seed
are kept apart by sequence. Frames of different streams are kept apart by seed: it is a hash of the stream's name and
the seed of the stage that asks (`randomness.seed_of`), so that no sequence number can bring the same scene twice.
"""

from dataclasses import dataclass

from xpci_utils.randomness import seed_of
from xpci_utils.simulation.scene import FRAMES_PER_SEQUENCE
from xpci_utils.simulation.simulate import spread_indices


@dataclass(frozen=True)
class Role:
    """Where the frames of a role are drawn from, and what they are for.

    stream         names that make the simulator's seed together with the stage's; none: the stage's seed itself
    sequences      which ones of the simulator's seed, in words
    per_sequence   frames that a sequence gives; frames of one sequence share powder, flat field and particles
    seed           whose seed the stage's is
    use            what learns from the frames, or is measured on them
    """

    stream: tuple[str, ...]
    sequences: str
    per_sequence: int
    seed: str
    use: str

    def simulator_seed(self, seed: int) -> int:
        """The seed that `simulate_frames` gets, for the ``seed`` of a stage."""
        return seed_of(*self.stream, seed) if self.stream else seed

    def indices(self, count: int, start: int = 0) -> list[int]:
        """Frame indices of the simulator's seed for frames ``start`` ... ``count`` - 1 of this role."""
        return spread_indices(count, self.per_sequence, start)


ALL, EACH, OF_01, OF_04C = FRAMES_PER_SEQUENCE, "0, 1, ...", "the seed of notebook 01", "the seed of notebook 04c"
ROLES = {
    "train": Role(
        (),
        "0, 1, ... (frames of each: `train_per_sequence`)",
        ALL,
        OF_01,
        "denoiser, labellers and networks learn from them",
    ),
    "validation": Role(
        (), "those after the training sequences", ALL, OF_01, "choices of a run: weights, settings, declared rows"
    ),
    "test": Role((), "those after the validation sequences", ALL, OF_01, "scores of tables and figures, no choice"),
    "shifted test": Role(("shifted frames",), EACH, ALL, OF_01, "scores on another beamline set-up (Table S)"),
    "fresh": Role(("fresh pool",), EACH, ALL, "the seed of notebook 04a", "pools `fresh` and `clamped`, arm `more`"),
    "development": Role(("fresh", "development"), EACH, 1, "0", "choices between methods; no run learns from them"),
    "knowledge": Role(("fresh", "knowledge"), EACH, 1, "the labeller's seed", "informed labellers learn from them"),
    "unlabelled": Role(("fresh", "unlabelled"), EACH, 1, "the seed of the stage", "frames whose labels are not used"),
    "reference": Role(("fresh", "reference"), EACH, 1, OF_04C, "what the frames of a pool are compared with"),
    "fresh (floor)": Role(("fresh", "fresh (floor)"), EACH, 1, OF_04C, "how far new frames lie from the reference"),
    "shifted (ceiling)": Role(("fresh", "shifted (ceiling)"), EACH, 1, OF_04C, "the same for another beamline set-up"),
    **{
        f"sampler study {name}": Role(("fresh", f"sampler study {name}"), EACH, 1, "0", "the same, docs/sampler_study")
        for name in ("reference", "floor", "ceiling")
    },
}
DEVELOPMENT_FRAMES, DEVELOPMENT_SEED = 400, 0


def role_of(name: str) -> Role:
    """The role of a name whose frames are drawn anew; ValueError for another name, or frames of notebook 01."""
    known = {key: role for key, role in ROLES.items() if role.stream}
    if name not in known:
        raise ValueError(f"no new frames are drawn for the role {name!r}; choose from {', '.join(known)}")
    return known[name]
