"""Say that a change of code gives the same results, or see which stages it concerns.

    python scripts/code_digests.py                  which stages' code differs from what is noted
    python scripts/code_digests.py --same-results   note the code as it is (make same-results)

Beside the version of each stage, tests/house/code_digests.json keeps a digest of the code that the stage imports: its
notebook and the whole closure of its imports. When that code changes, a test fails until somebody answers: either the
results stay the same (--same-results), or the version of the stage is raised with a reason, in the `changes` of its
parameter model, and the new code is noted. Nothing at run time reads this file. Sentences do not count: docstrings,
comments, type hints, descriptions of parameters and what is raised or printed are left out of the digest.
"""

import argparse
import ast
import hashlib
import json
import sys
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import imports

from xpci_utils.params import APPENDICES, STAGES

NOTED = imports.ROOT / "tests/house/code_digests.json"
MODELS = STAGES | APPENDICES


class _Program(ast.NodeTransformer):
    """A syntax tree without its sentences and without type hints."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant):
            return None
        call = node.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print":
            return None
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return ast.Pass()

    def visit_keyword(self, node: ast.keyword) -> ast.AST | None:
        return None if node.arg in ("description", "help") else self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)


def digest_of(tree: ast.Module) -> str:
    """16 hex digits of a program without its sentences."""
    text = ast.dump(_Program().visit(tree))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@cache
def module_digest(module: str) -> str:
    """The digest of one module of the package."""
    return digest_of(ast.parse(imports.modules()[module].read_text(encoding="utf-8")))


def code_of(notebook: str) -> dict[str, str]:
    """Module, notebook or data file -> digest, of everything that the stage of a notebook runs."""
    tree = imports.notebook_code(notebook)
    needed = imports.closure(imports.imported_by(tree))
    digests = {module: module_digest(module) for module in sorted(needed)}
    digests[f"notebooks/{notebook}.ipynb"] = digest_of(tree)
    for name in MODELS[notebook].data_files:
        digests[name] = hashlib.blake2b((imports.ROOT / name).read_bytes(), digest_size=8).hexdigest()
    return digests


def present() -> dict[str, dict]:
    """What the noted file should hold: per stage its last version and one digest, and the digest of every module."""
    stages, parts = {}, {}
    for notebook, model in MODELS.items():
        code = code_of(notebook)
        parts |= code
        joined = hashlib.blake2b(json.dumps(code).encode(), digest_size=8).hexdigest()
        stages[notebook] = {"version": max(model.changes, default=1), "digest": joined}
    return {"stages": stages, "code": dict(sorted(parts.items()))}


def unanswered(noted: dict[str, dict]) -> list[str]:
    """One sentence per stage whose code or version is not what is noted."""
    now, sentences = present(), []
    changed = {part for part, digest in now["code"].items() if noted["code"].get(part) != digest}
    for notebook, stage in now["stages"].items():
        if noted["stages"].get(notebook) != stage:
            parts = sorted(changed & code_of(notebook).keys()) or ["what it imports"]
            sentences.append(f"{notebook}, version {stage['version']}: {', '.join(parts)} changed")
    return sentences


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--same-results", action="store_true", help="note the code as it is")
    same = parser.parse_args().same_results
    noted = json.loads(NOTED.read_text()) if NOTED.is_file() else {"stages": {}, "code": {}}
    sentences = unanswered(noted)
    print("\n".join(sentences) or "the code of every stage is what is noted")
    if same:
        NOTED.write_text(json.dumps(present(), indent=1) + "\n", encoding="utf-8")
        print(f"written: {NOTED.relative_to(imports.ROOT)}")
    return int(bool(sentences) and not same)


if __name__ == "__main__":
    sys.exit(main())
