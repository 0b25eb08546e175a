"""The import graph of the package, read from its source: which module needs which, lazily loaded names included."""

import ast
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "xpci_utils"
BEGIN, END = "<!-- made by scripts/imports.py -->", "<!-- end of what scripts/imports.py makes -->"


@cache
def modules() -> dict[str, Path]:
    """Name -> file of every module of the package, packages by their __init__.py."""
    paths = sorted((ROOT / PACKAGE).rglob("*.py"))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


@cache
def exports(package: str) -> dict[str, str]:
    """Public name -> module of a package whose __init__.pyi lists what is loaded on first use."""
    stub = modules()[package].with_suffix(".pyi")
    if not stub.is_file():
        return {}
    imports = [node for node in ast.parse(stub.read_text()).body if isinstance(node, ast.ImportFrom)]
    return {alias.name: f"{package}.{node.module}" for node in imports for alias in node.names}


def imported_by(tree: ast.AST) -> set[str]:
    """Modules of the package that a program imports, anywhere in it; `from room import *` is not used here.

    An alias of a room, `sim.make_film`, needs the module that the name comes from.
    """
    needed, rooms = set(), {}
    for name, alias in _imports(tree):
        needed.add(name)
        if alias and name in modules() and exports(name):
            rooms[alias] = name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in rooms:
            needed.add(exports(rooms[node.value.id]).get(node.attr, rooms[node.value.id]))
    return needed


def _imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(module, name under which a whole module is known or "") of every import of the package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == PACKAGE:
                    yield alias.name, alias.asname or alias.name
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE and not node.level:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if whole in modules():
                    yield whole, alias.asname or alias.name
                else:
                    yield exports(str(node.module)).get(alias.name, str(node.module)), ""


@cache
def needs(module: str) -> frozenset[str]:
    """Modules that a module imports itself."""
    return frozenset(imported_by(ast.parse(modules()[module].read_text()))) - {module, PACKAGE}


def closure(start: set[str], packages: bool = True) -> set[str]:
    """All modules that some modules need, directly or not, and with ``packages`` those that they lie in."""
    members: set[str] = set()
    waiting = set(start)
    while waiting:
        module = waiting.pop()
        members.add(module)
        above = module.rpartition(".")[0]
        waiting |= (needs(module) | ({above} if packages and above and above != PACKAGE else set())) - members
    return members


def notebook_code(notebook: str) -> ast.Module:
    """The program of a notebook's cells; the parameter cell is left out, its values are parameters."""
    cells = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [c for c in cells if c["cell_type"] == "code" and "parameters" not in c["metadata"].get("tags", [])]
    return ast.parse("\n".join("".join(cell["source"]) for cell in code))


def room_of(module: str) -> str:
    """The room of a module: the folder below the package, or the module's own name where it lies loose."""
    return module.split(".")[1] if "." in module else module


def rooms() -> dict[str, set[str]]:
    """Room -> rooms that it needs."""
    graph: dict[str, set[str]] = {}
    for module in modules():
        if module != PACKAGE:
            graph.setdefault(room_of(module), set()).update(room_of(one) for one in needs(module))
    return {room: needed - {room} for room, needed in graph.items()}


def ordered_rooms() -> list[str]:
    """All rooms, each after those that it needs; ValueError if they need each other in a circle."""
    graph, done = rooms(), []
    while len(done) < len(graph):
        ready = sorted(room for room, needed in graph.items() if room not in done and needed <= set(done))
        if not ready:
            raise ValueError(f"these rooms need each other in a circle: {', '.join(sorted(set(graph) - set(done)))}")
        done += ready
    return done


def circles() -> list[str]:
    """Modules that need themselves by way of others."""
    graph = {module: set(needs(module)) for module in modules() if module != PACKAGE}
    return [
        module for module, needed in graph.items() if any(module in closure({one}, packages=False) for one in needed)
    ]


def listing() -> str:
    """The rooms in order, each with what it needs, as CONTRIBUTING.md shows them."""
    graph, names = rooms(), ordered_rooms()
    width = max(map(len, names))
    lines = [f"{room:<{width}}  {' '.join(sorted(graph[room], key=names.index)) or '-'}" for room in names]
    return "\n".join(["```", *lines, "```"])


def in_contributing(text: str) -> str:
    """CONTRIBUTING.md with the present listing between its two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{listing()}\n{END}{after}"


def main() -> None:
    """Write the listing into CONTRIBUTING.md."""
    page = ROOT / "CONTRIBUTING.md"
    page.write_text(in_contributing(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
