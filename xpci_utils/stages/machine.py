"""Which computer this is: what the last bits and the seconds of a result depend on."""

import os
import platform
from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
NUMBERS = {"family": "cpu family", "model": "model", "stepping": "stepping"}  # as printed -> as in that file


@cache
def processor() -> str:
    """The processor, as its maker calls it, with family, model and stepping where Linux tells them."""
    if not CPUINFO.is_file():
        return platform.processor() or platform.machine()
    first = CPUINFO.read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first)}
    numbers = [f"{name} {facts[key]}" for name, key in NUMBERS.items() if key in facts]
    return f"{facts.get('model name', platform.machine())}{' (' + ', '.join(numbers) + ')' if numbers else ''}"


def memory_gib() -> float:
    """Memory of this computer [GiB]."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
