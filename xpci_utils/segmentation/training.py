"""Training of a segmentation network on annotated frames and, if there are any, synthetic pairs (Section 3.1)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
import torch
from torch import nn
from torch.utils.data import ConcatDataset, Dataset

from xpci_utils import paths
from xpci_utils.frames import FrameSet, PairExamples, pad_image, pad_labels
from xpci_utils.randomness import numpy_rng, seed_of, stream_indices
from xpci_utils.segmentation.consistency import StrongBatches
from xpci_utils.segmentation.losses import Loss, dice_ce_loss, weighted_loss
from xpci_utils.segmentation.prediction import network_input, predict
from xpci_utils.training import (
    NetworkTraining,
    StagePlace,
    adamw,
    augment,
    default_device,
    poly_lr,
    precision,
    run_steps,
    set_lr,
)
from xpci_utils.training.augmentation import View

if TYPE_CHECKING:
    from xpci_utils.segmentation.networks import Network


class Examples(Protocol):
    """Pairs of (image, labels), both uint8 [H, W], by number: a sequence, or several in a row (`joined`)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> tuple[np.ndarray, np.ndarray]: ...


Score = Callable[[FrameSet, dict[str, np.ndarray]], float]

MIXINGS = ("half", "concat", "pretrain", "added")
BETA2 = 0.999  # Section 3.1


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


@dataclass(frozen=True)
class NetworkData:
    """What a network is trained on, and the frames by which it is evaluated while it trains.

    ``annotated`` and ``synthetic`` are sequences of (image, labels), both uint8 [H, W] of one size; ``view`` is what
    happens to every example. ``unlabelled`` images uint8 [H, W] are labelled by the network itself (`consistency`).
    ``score`` judges label maps of the ``validation`` frames, higher is better.
    """

    annotated: Examples
    synthetic: Examples = ()
    view: View = augment
    validation: FrameSet | None = None
    score: Score | None = None
    unlabelled: Sequence[np.ndarray] = ()


def joined(*parts: Examples) -> Examples:
    """The examples of one part after those of the other."""
    return ConcatDataset([cast(Dataset, part) for part in parts])  # which asks for no more than `Examples` has


class Batches:
    """The training batch of every step, a function of (seed, step) alone.

    ``mixing`` "half" takes half of every batch from each source, so that cells with different counts of synthetic
    pairs see the same annotated frames in the same order; "concat" shuffles the plain union, as the paper does;
    "pretrain" shows synthetic pairs alone in the first half of the steps and annotated frames alone in the second;
    "added" shows every batch of annotated frames as it is without pairs, in the same views, and as many pairs beside
    it; the network takes both in one pass, so batch normalisation is over both. With one source only, all are the same
    stream of it.
    """

    def __init__(self, data: NetworkData, settings: NetworkTraining):
        if settings.mixing not in MIXINGS:
            raise ValueError(f"There is no mixing {settings.mixing!r}; choose from {', '.join(MIXINGS)}.")
        self.data, self.settings = data, settings
        self.sources: dict[str, Examples] = {"annotated": data.annotated, "synthetic": data.synthetic}
        if settings.mixing == "concat" and len(data.annotated) and len(data.synthetic):
            self.sources = {"union": joined(data.annotated, data.synthetic)}

    def sizes(self, step: int) -> dict[str, int]:
        """How many examples of each source the batch of a step holds."""
        size = self.settings.batch_size
        present = [name for name, source in self.sources.items() if len(source)]
        if len(present) < 2:
            return dict.fromkeys(present, size)
        if self.settings.mixing == "pretrain":
            return {"synthetic" if step < self.settings.steps // 2 else "annotated": size}
        if self.settings.mixing == "added":
            return {"annotated": size, "synthetic": size}
        return {"annotated": size - size // 2, "synthetic": size // 2}

    def pairs_apart(self, step: int) -> int:
        """How many examples at the end of a batch are pairs with a loss of their own: those of "added"."""
        sizes = self.sizes(step)
        return sizes["synthetic"] if self.settings.mixing == "added" and len(sizes) == 2 else 0

    def __call__(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Images float [N, 1, H, W] in [-1, 1] and labels uint8 [N, H, W], padded, each in a random view."""
        seed = self.settings.seed
        rng = numpy_rng("augment", seed, step)
        examples = [
            self.sources[name][int(index)]
            for name, size in self.sizes(step).items()
            for index in stream_indices(len(self.sources[name]), size, name, seed, step=step)
        ]
        views = [self.data.view(pad_image(image), pad_labels(labels), rng) for image, labels in examples]
        images, labels = (np.stack(part) for part in zip(*views, strict=True))
        return network_input(images), torch.from_numpy(labels)


def synthetic_examples(pairs_folder: str | Path, labels_folder: str | Path, count: int, seed: int) -> Examples:
    """The first ``count`` pairs of a synthetic pool in the order that ``seed`` permutes, with a labeller's labels.

    Subsets of one seed are nested: 500 pairs are among its 1000. Raises ValueError when the pool is too small.
    """
    if count == 0:
        return ()
    return PairExamples(pairs_folder, labels_folder, first_of_pool(pairs_folder, count, seed))


def first_of_pool(pairs_folder: str | Path, count: int, seed: int) -> list[int]:
    """The first ``count`` numbers of a pool in the order that ``seed`` permutes; ValueError if it has fewer."""
    pool = len(list((paths.resolve(pairs_folder) / "images").glob("*.png")))
    if count > pool:
        raise ValueError(
            f"{paths.display(pairs_folder)} holds {pool} pairs, {count} are wanted; sample more (notebook 04a)."
        )
    return numpy_rng("pool order", seed).permutation(pool)[:count].tolist()


def training_steps(annotated: int, synthetic: int, batch_size: int, epochs: int) -> int:
    """Optimiser steps of ``epochs`` passes over the union of both sources: 100 epochs of 200 frames by 4 are 5000."""
    return ceil(epochs * (annotated + synthetic) / batch_size)


def loss_of(
    network: "Network", images: torch.Tensor, labels: torch.Tensor, loss: str, pairs: int = 0, weight: float = 1.0
) -> torch.Tensor:
    """Scalar training loss: each network's "published" one, or "common", cross-entropy + Dice of the prediction.

    The paper does not say which it used. With the common one the three networks differ in architecture alone. The last
    ``pairs`` examples are pairs with a loss of their own, which `weighted_loss` averages with that of the others by
    ``weight``; with none, the batch has one loss.
    """
    if loss not in ("published", "common"):
        raise ValueError(f"There is no loss {loss!r}; choose published or common.")
    judge: Loss = network.loss if loss == "published" else lambda outputs, labels: dice_ce_loss(outputs[0], labels)
    outputs = network.training_outputs(images) if loss == "published" else [network(images)]
    if not pairs:
        return judge(outputs, labels)
    return weighted_loss(judge, outputs, labels, len(labels) - pairs, weight)


def train_network(network: "Network", data: NetworkData, settings: NetworkTraining, stage: StagePlace) -> BestWeights:
    """Train ``network`` in place and return the weights that were best on the validation frames.

    AdamW and the poly schedule (power 0.9, per step) are the paper's (Section 3.1). The scores of the validation
    evaluations go to history.jsonl in the folder of ``stage`` as ``validation_score``. A run that stops goes on from
    its checkpoint, bit for bit.
    """
    network.to(default_device())
    network.to(memory_format=torch.channels_last)  # 10 to 30 % faster on CPU, never slower
    betas = (settings.beta1, BETA2)
    optimizer = adamw(network.parameters(), settings.learning_rate, betas=betas, weight_decay=settings.weight_decay)
    best, validation, score = BestWeights(), data.validation, data.score

    def evaluate(done: int) -> dict[str, float]:
        assert validation is not None
        assert score is not None
        value = score(validation, predict(network, validation))
        best.offer(value, done, network)
        return {"validation_score": value}

    run_steps(
        settings,
        update=make_update(network, optimizer, Batches(data, settings), settings),
        state={"network": network, "optimizer": optimizer, "best": best},
        stage=stage,
        evaluate=evaluate if validation is not None and score is not None else None,
        log_every=min(50, ceil(settings.steps / 20)),
        description=f"training {network.config['name']}",
    )
    return best


def make_update(
    network: "Network", optimizer: torch.optim.Optimizer, batches: Batches, settings: NetworkTraining
) -> Callable[[int], dict[str, float]]:
    """The optimiser step as a function of the step number; it returns the loss.

    Frames without annotation come beside every batch, labelled by the network itself. Their loss weighs the less the
    fewer of their pixels the network labelled; that share is returned, too, as ``pseudo_labelled``.
    """
    device = next(network.parameters()).device
    data = batches.data
    strong = StrongBatches(data.unlabelled, data.view, settings) if len(data.unlabelled) else None

    def update(step: int) -> dict[str, float]:
        images, labels = (tensor.to(device) for tensor in batches(step))
        apart, weight = batches.pairs_apart(step), settings.pair_weight
        torch.manual_seed(seed_of("dropout", settings.seed, step))
        set_lr(optimizer, poly_lr(settings.learning_rate, step, settings.steps))
        network.train()
        scalars = {}
        with precision(device, settings.bf16):
            if strong is not None:
                views, pseudo, share = strong(network, step)
                images, labels = torch.cat([images, views.to(device)]), torch.cat([labels, pseudo.to(device)])
                apart, weight, scalars = len(views), share * weight, {"pseudo_labelled": share}
            value = loss_of(network, images, labels, settings.loss, apart, weight)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return {"loss": value.item(), **scalars}

    return update
