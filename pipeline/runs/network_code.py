"""What a network's code says, as a hash: other code is another run.

The source is read, not run: `make` asks for a run's name at every call, and torch alone takes
seconds to import.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pipeline.errors import UserError

_ROOT = Path(__file__).parents[2]
_REGISTRY, _TABLE = _ROOT / "pipeline" / "networks" / "__init__.py", "MODELS"


@cache  # a process runs the code of its start, whatever is edited meanwhile
def hash_network(name: str) -> str:
    """Return a hash of the code of a network; a name that is not in the table has one too.

    That is its entry in `networks.MODELS`, what the entry mentions of the repository's files, what
    this mentions, and so on, with the statements there that bind no name and so run in any case.
    Comments, docstrings and formatting do not count, nor do other networks. What source does not
    show, such as another version of a library, is left to `runs.kept`.
    """
    code: dict[ast.stmt, None] = {}  # in the order in which it is come upon
    wanted = [(_REGISTRY, _TABLE)]
    for file, mentioned in wanted:  # grows
        for statement, bound in _read(file, name):
            if statement not in code and (not bound or bound & {mentioned} or mentioned == "*"):
                code[statement] = None
                wanted += [each for each in _mentions(file, statement) if each not in wanted]
    return hashlib.sha256("\n".join(map(ast.unparse, code)).encode()).hexdigest()


@cache
def _read(file: Path, network: str) -> list[tuple[ast.stmt, set[str]]]:
    """The bare statements of a file, each with the names that it binds in the module."""
    try:
        tree = _Bare().visit(ast.parse(file.read_bytes()))
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{file.relative_to(_ROOT)} is not valid Python: {error}.") from None
    statements = [(statement, _names_bound(statement)) for statement in tree.body]
    for statement, bound in statements:
        table = getattr(statement, "value", None)
        if file == _REGISTRY and _TABLE in bound and isinstance(table, ast.Dict):
            for i, key in reversed(list(enumerate(table.keys))):
                if isinstance(key, ast.Constant) and key.value != network:
                    del table.keys[i], table.values[i]
    return statements


class _Bare(ast.NodeTransformer):
    """Takes docstrings away, and makes an import of several names several imports."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else node

    def visit_Import(self, node: ast.Import) -> list[ast.AST]:
        return [ast.Import([alias]) for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.AST]:
        return [ast.ImportFrom(node.module, [alias], node.level) for alias in node.names]


def _names_bound(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        alias = statement.names[0]
        return {alias.asname or alias.name.partition(".")[0]} - {"*"}
    nodes = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
    return {node.id for node in nodes if isinstance(node.ctx, ast.Store)}


def _mentions(file: Path, statement: ast.stmt) -> Iterator[tuple[Path, str]]:
    """Yield the names in a statement, each with the file where its meaning is looked for."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Name):
            yield file, node.id
        elif isinstance(node, ast.Import):
            yield from _in_module(_ROOT, node.names[0].name, "*")
        elif isinstance(node, ast.ImportFrom):
            base, name = file.parents[node.level - 1] if node.level else _ROOT, node.names[0].name
            yield from _in_module(base, node.module or "", name)
            yield from _in_module(base, f"{node.module or ''}.{name}", "*")


def _in_module(base: Path, module: str, name: str) -> Iterator[tuple[Path, str]]:
    """Yield the name in the file of a module, if that is one below the folder."""
    path = base.joinpath(*module.split("."))
    for file in (path / "__init__.py", path.with_suffix(".py")):
        if file.is_file():
            yield file, name
