"""Training of a segmentation network on annotated frames and, if there are any, synthetic pairs (Section 3.1)."""

from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import ConcatDataset

from xpci_utils import paths
from xpci_utils.frames import FrameSet, PairExamples, pad_image, pad_labels
from xpci_utils.randomness import numpy_rng, seed_of, stream_indices
from xpci_utils.segmentation.losses import dice_ce_loss
from xpci_utils.segmentation.prediction import network_input, predict
from xpci_utils.training import augment, poly_lr, run_steps
from xpci_utils.training.loop import set_lr

Examples = Sequence[tuple[np.ndarray, np.ndarray]]
View = Callable[[np.ndarray, np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]
Score = Callable[[FrameSet, dict[str, np.ndarray]], float]

MIXINGS = ("half", "concat", "pretrain")


class BestWeights:
    """The weights that scored best on the validation frames, and at which step; kept in the checkpoint."""

    def __init__(self):
        self.score, self.step, self.weights = -1.0, 0, {}

    def offer(self, score: float, step: int, network: nn.Module) -> None:
        """Keep a copy of the network's weights if ``score`` is the best so far; a NaN never is."""
        if score > self.score:
            self.score, self.step = score, step
            self.weights = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    def load_into(self, network: nn.Module) -> nn.Module:
        """Give the network these weights; it keeps its own when no evaluation gave a score."""
        if self.weights:
            network.load_state_dict(self.weights)
        return network

    def state_dict(self) -> dict:
        return {"score": self.score, "step": self.step} | {f"w.{name}": w for name, w in self.weights.items()}

    def load_state_dict(self, state: dict) -> None:
        self.score, self.step = state["score"], state["step"]
        self.weights = {name[2:]: tensor for name, tensor in state.items() if name.startswith("w.")}


class Batches:
    """The training batch of every step, a function of (seed, step) alone.

    ``mixing`` "half" takes half of every batch from each source, so that cells with different counts of synthetic
    pairs see the same annotated frames in the same order; "concat" shuffles the plain union, as the paper does;
    "pretrain" shows synthetic pairs alone in the first half of ``steps`` and annotated frames alone in the second.
    With one source only, all three are the same stream of it. ``view`` is what happens to every example.
    """

    def __init__(
        self,
        annotated: Examples,
        synthetic: Examples,
        mixing: str,
        batch_size: int,
        seed: int,
        *,
        view: View = augment,
        steps: int = 0,
    ):
        if mixing not in MIXINGS:
            raise ValueError(f"There is no mixing {mixing!r}; choose from {', '.join(MIXINGS)}.")
        self.sources = {"annotated": annotated, "synthetic": synthetic}
        if mixing == "concat" and len(annotated) and len(synthetic):
            self.sources = {"union": ConcatDataset([annotated, synthetic])}
        self.mixing, self.batch_size, self.seed, self.view, self.steps = mixing, batch_size, seed, view, steps

    def sizes(self, step: int) -> dict[str, int]:
        """How many examples of each source the batch of a step holds."""
        present = [name for name, source in self.sources.items() if len(source)]
        if len(present) < 2:
            return dict.fromkeys(present, self.batch_size)
        if self.mixing == "pretrain":
            return {"synthetic" if step < self.steps // 2 else "annotated": self.batch_size}
        return {"annotated": self.batch_size - self.batch_size // 2, "synthetic": self.batch_size // 2}

    def __call__(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Images float [N, 1, H, W] in [-1, 1] and labels uint8 [N, H, W], padded, each in a random view."""
        rng = numpy_rng("augment", self.seed, step)
        examples = [
            self.sources[name][int(index)]
            for name, size in self.sizes(step).items()
            for index in stream_indices(len(self.sources[name]), size, name, self.seed, step=step)
        ]
        views = [self.view(pad_image(image), pad_labels(labels), rng) for image, labels in examples]
        images, labels = (np.stack(part) for part in zip(*views, strict=True))
        return network_input(images), torch.from_numpy(labels)


def synthetic_examples(pairs_folder: str | Path, labels_folder: str | Path, count: int, seed: int) -> Examples:
    """The first ``count`` pairs of a synthetic pool in the order that ``seed`` permutes, with a labeller's labels.

    Subsets of one seed are nested: 500 pairs are among its 1000. Raises ValueError when the pool is too small.
    """
    if count == 0:
        return ()
    pool = len(list((paths.resolve(pairs_folder) / "images").glob("*.png")))
    if count > pool:
        raise ValueError(
            f"{paths.display(pairs_folder)} holds {pool} pairs, {count} are wanted; sample more (notebook 04)."
        )
    return PairExamples(pairs_folder, labels_folder, numpy_rng("pool order", seed).permutation(pool)[:count])


def training_steps(annotated: int, synthetic: int, batch_size: int, epochs: int) -> int:
    """Optimiser steps of ``epochs`` passes over the union of both sources: 100 epochs of 200 frames by 4 are 5000."""
    return ceil(epochs * (annotated + synthetic) / batch_size)


def loss_of(network: nn.Module, images: torch.Tensor, labels: torch.Tensor, loss: str) -> torch.Tensor:
    """Scalar training loss: each network's "published" one, or "common", cross-entropy + Dice of the prediction.

    The paper does not say which it used. With the common one the three networks differ in architecture alone.
    """
    if loss not in ("published", "common"):
        raise ValueError(f"There is no loss {loss!r}; choose published or common.")
    return network.loss(images, labels) if loss == "published" else dice_ce_loss(network(images), labels)


def train_network(
    network: nn.Module,
    annotated: Examples,
    *,
    synthetic: Examples = (),
    mixing: str = "half",
    view: View = augment,
    steps: int,
    batch_size: int = 4,
    learning_rate: float = 1e-4,
    betas: tuple[float, float] = (0.99, 0.999),
    weight_decay: float = 0.1,
    loss: str = "published",
    seed: int = 0,
    bf16: bool = False,
    device: str | torch.device | None = None,
    validation: FrameSet | None = None,
    score: Score | None = None,
    evaluations: int = 20,
    work: Path,
    identity: str,
    history: Path,
) -> BestWeights:
    """Train ``network`` in place for ``steps`` steps and return the weights that were best on ``validation``.

    ``annotated`` and ``synthetic`` are sequences of (image, labels) uint8 of one size. AdamW and the poly schedule
    (power 0.9, per step) are the paper's (Section 3.1); ``loss``: see `loss_of`; flips and quarter turns, all that
    keep the frame's shape, are the same in every cell. ``score`` judges label maps of the validation frames (higher is
    better) after every 1 / ``evaluations`` of the training, whatever its length, and goes to ``history`` as
    ``validation_score``. A run that stops goes on from its checkpoint in ``work``, bit for bit.
    """
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    network.to(device, memory_format=torch.channels_last)  # 10 to 30 % faster on CPU, never slower
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, betas=betas, weight_decay=weight_decay)
    batches, best = Batches(annotated, synthetic, mixing, batch_size, seed, view=view, steps=steps), BestWeights()

    def update(step: int) -> dict[str, float]:
        images, labels = (tensor.to(device) for tensor in batches(step))
        torch.manual_seed(seed_of("dropout", seed, step))
        set_lr(optimizer, poly_lr(learning_rate, step, steps))
        network.train()
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            value = loss_of(network, images, labels, loss)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return {"loss": value.item()}

    def evaluate(done: int) -> dict[str, float]:
        value = score(validation, predict(network, validation))
        best.offer(value, done, network)
        return {"validation_score": value}

    watch = validation is not None and score is not None
    run_steps(
        steps=steps,
        update=update,
        state={"network": network, "optimizer": optimizer, "best": best},
        work=work,
        identity=identity,
        history=history,
        log_every=min(50, ceil(steps / 20)),
        evaluate=evaluate if watch else None,
        evaluate_at={ceil(steps * k / evaluations) for k in range(1, evaluations + 1)} if watch else (),
        description=f"training {network.config['name']}",
    )
    return best
