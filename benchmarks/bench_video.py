"""A film of 624 x 640 through a trained network: frames per second, and memory that does not grow with the film.

    python benchmarks/bench_video.py [--frames 100] [--threads 2] [--model model.safetensors]

Without ``--model`` the network of notebook 07's default cell is taken (after ``make reproduce``). The film is simulated
(preset aps32id_u18, 12-bit raw frames with flats and darks) and passes through everything that notebook 07 does to a
film but its figures: reading, flat field, network, particles, label stack, tracks. A quarter of the film and
the whole of it run in processes of their own; their peak memories must agree within 32 MiB, or the script fails.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from xpci_utils import paths
from xpci_utils.params import ApplyToVideo

HEIGHT, WIDTH, PRESET, INTERVAL_US = 624, 640, "aps32id_u18", 20.0
FLAT_MIB = 32


def simulate(folder: Path, frames: int) -> float:
    """Make the film; returns the wall seconds per frame."""
    from xpci_utils.simulation import make_film
    from xpci_utils.video import simulate_film

    begun = time.perf_counter()
    film = make_film(frames, HEIGHT, WIDTH, 0, PRESET)
    simulate_film(film, folder / "film", folder / "blocks", 16, folder / "history.jsonl")
    return (time.perf_counter() - begun) / frames


def process(film: Path, folder: Path, model: Path, threads: int, frames: int) -> dict:
    """Take the first ``frames`` frames of the film through the network; seconds per frame and peak memory [MiB]."""
    from resource import RUSAGE_SELF, getrusage

    from xpci_utils import video
    from xpci_utils.segmentation import class_scores, load_network
    from xpci_utils.training import set_threads

    set_threads(threads)
    network, known = load_network(model)
    recording = video.open_recording(film, known["window"], known["pixel_size_um"])
    settings = {"limits": video.ParticleLimits(6, 0.99), "block_frames": 16, "history": folder / "history.jsonl"}
    wall, cpu = time.perf_counter(), time.process_time()
    blocks = video.segment_film(
        recording.first(frames),
        partial(class_scores, network),
        folder / "blocks",
        tile=network.config["image_size"][0] if network.config["name"] == "transunet" else 0,
        pixel_size_um=known["pixel_size_um"],
        **settings,
    )
    scale = (known["class_names"], known["class_colours"], known["pixel_size_um"], INTERVAL_US)
    particles, _, _ = video.join_film(blocks, folder / "labels.tif", *scale)
    video.link_tracks(particles, 3.0, INTERVAL_US)
    seconds = {"wall": (time.perf_counter() - wall) / frames, "cpu": (time.process_time() - cpu) / frames}
    return {**seconds, "peak_mib": getrusage(RUSAGE_SELF).ru_maxrss / 1024, "particles": len(particles) / frames}


def measured(folder: Path, options: argparse.Namespace, frames: int) -> dict:
    """`process` in a process of its own."""
    command = [sys.executable, __file__, "--frames", str(frames), "--threads", str(options.threads)]
    command += [
        "--model",
        str(options.model),
        "--film",
        str(folder / "film/film.h5"),
        "--folder",
        str(folder / str(frames)),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def main(options: argparse.Namespace) -> None:
    if not options.model.is_file():
        sys.exit(f"{paths.display(options.model)} is missing: run 'make reproduce' first, or name a --model")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{platform.machine()}, {os.cpu_count()} cores, {options.threads} threads; {options.frames} frames")
        print(f"simulating   {simulate(folder, options.frames):7.3f} s per frame (one core)")
        short, whole = (measured(folder, options, frames) for frames in (options.frames // 4, options.frames))
    print(f"segmenting   {whole['wall']:7.3f} s per frame, {1 / whole['wall']:.1f} frames/s, {whole['cpu']:.3f} CPU s")
    print(f"particles    {whole['particles']:7.1f} per frame")
    print(f"peak memory  {short['peak_mib']:7.0f} MiB for a quarter, {whole['peak_mib']:.0f} MiB for the whole film")
    if whole["peak_mib"] - short["peak_mib"] > FLAT_MIB:
        sys.exit(f"memory grows with the film: more than {FLAT_MIB} MiB from a quarter to the whole")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", type=Path, default=ApplyToVideo().inputs[0] / "model.safetensors")
    parser.add_argument("--film", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.film:
        print(json.dumps(process(given.film, given.folder, given.model, given.threads, given.frames)))
    else:
        main(given)
