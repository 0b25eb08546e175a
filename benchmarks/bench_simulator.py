"""Frames per second of the simulator, how its cost grows with the field, and that memory does not grow with the count.

Run with ``python benchmarks/bench_simulator.py [workers]``. Exits with an error when 259 frames of 624 x 640 would take
longer than five minutes, frames of 64 x 64 come slower than 40 per second, or a process grows beyond 1.5 GiB.
"""

import resource
import sys
import time

from xpci_utils.simulation import simulate_frames

# height, width, preset, frames
CASES = (
    (64, 64, "reduced", 400),
    (128, 128, "reduced", 100),
    (256, 256, "aps32id_u18", 60),
    (624, 640, "aps32id_u18", 60),
)


def seconds_per_frame(height: int, width: int, preset: str, count: int, workers: int) -> float:
    """Wall seconds per frame, the start of the worker processes included."""
    begun = time.perf_counter()
    for _ in simulate_frames(count, height, width, 0, preset, workers=workers):
        pass
    return (time.perf_counter() - begun) / count


def peak_mib() -> float:
    """Largest resident memory of this process or of one of its workers [MiB]."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(kind).ru_maxrss for kind in kinds) / 1024


def main() -> None:
    workers = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    seconds = {}
    for height, width, preset, count in CASES:
        seconds[height] = seconds_per_frame(height, width, preset, count, workers)
        print(
            f"{height:4d} x {width:3d} {preset:12s} {1 / seconds[height]:6.1f} frames/s"
            f"  {1e6 * seconds[height] / (height * width):5.2f} us per pixel  peak {peak_mib():4.0f} MiB"
        )
    print(f"259 frames of 624 x 640: {259 * seconds[624] / 60:.1f} minutes with {workers} workers")
    if 259 * seconds[624] > 300 or seconds[64] > 1 / 40 or peak_mib() > 1536:
        sys.exit("the simulator misses its goals: 5 minutes for 259 frames, 40 small frames per second, 1.5 GiB")


if __name__ == "__main__":
    main()
