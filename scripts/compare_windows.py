"""Which 8-bit window, linear or logarithmic, shows a network more? Balanced accuracy on crops of single particles.

    python scripts/compare_windows.py          about 4 minutes of one core

A small convolutional network learns from the crops of 400 simulated frames and names the particles of 240 frames of
other sequences, three seeds per window. No mask is given. Answers the question of notebook 01, section 6.
"""

import numpy as np
import torch
from torch import nn

from xpci_utils.randomness import seed_of, torch_generator
from xpci_utils.simulation import intensity_window, relative_to_uint8, simulate_frames
from xpci_utils.simulation.difficulty import recall_matrix
from xpci_utils.training import dihedral, poly_lr
from xpci_utils.training.loop import set_lr

HALF, STEPS, BATCH = 20, 350, 64


def crops(frames: list, window: tuple[float, float], log: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Crops [N, 1, 40, 40] in [-1, 1] around every visible particle, and its class counted from 0."""
    images, classes = [], []
    for frame in frames:
        grey = np.pad(relative_to_uint8(frame.image, window, log), HALF + 4, mode="reflect")
        for particle in (p for p in frame.table if p.visible):
            y, x = (round(c) + HALF + 4 for c in (particle.y, particle.x))
            images.append(grey[y - HALF : y + HALF, x - HALF : x + HALF])
            classes.append(particle.class_index - 1)
    return torch.from_numpy(np.stack(images)).float()[:, None] / 127.5 - 1, torch.tensor(classes)


def network(seed: int) -> nn.Sequential:
    """Five 3 x 3 convolutions, three poolings, one linear layer."""
    torch.manual_seed(seed_of("window network", seed))
    layers: list[nn.Module] = []
    for width_in, width, pool in ((1, 12, 0), (12, 16, 1), (16, 24, 1), (24, 32, 1), (32, 48, 0)):
        layers += [nn.Conv2d(width_in, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] * pool
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(48 * 25, 9))


def recalls(train: tuple, held_out: tuple, seed: int) -> np.ndarray:
    """Recall of each class on the held-out crops after training with inverse class frequencies as weights."""
    net, (images, classes) = network(seed), train
    weight = 1 / torch.bincount(classes, minlength=9).float()
    optimizer = torch.optim.AdamW(net.parameters(), 4e-3, weight_decay=1e-2)
    for step in range(STEPS):
        chosen = torch.randint(len(images), (BATCH,), generator=torch_generator("window batch", seed, step))
        set_lr(optimizer, poly_lr(4e-3, step, STEPS))
        scores = net(dihedral(images[chosen], step % 8))
        loss = nn.functional.cross_entropy(scores, classes[chosen], weight=weight / weight.mean())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        named = net.eval()(held_out[0]).argmax(1)
    return np.diag(recall_matrix(held_out[1].numpy() + 1, named.numpy() + 1))


def main() -> None:
    """Print balanced accuracy and the lowest class recall per window and seed."""
    frames = list(simulate_frames(640, 64, 64, 7, "reduced"))
    for kind in ("linear", "log"):
        window = intensity_window((frame.image for frame in frames[:400]), log=kind == "log")
        train, held_out = (crops(part, window, kind == "log") for part in (frames[:400], frames[400:]))
        trials = [recalls(train, held_out, seed) for seed in range(3)]
        accuracies = [recall.mean() for recall in trials]
        print(f"{kind:6s} balanced accuracy {np.mean(accuracies):.3f} (seeds {np.round(accuracies, 3)}),", end=" ")
        print(f"lowest class recall {min(recall.min() for recall in trials):.2f}")


if __name__ == "__main__":
    main()
