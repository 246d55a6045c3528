"""Python in a revision file: what its SQL does not show.

Offline, Alembic renders what `op` is told. Code that asks the database, branches or calls something else does
there what it does not do on the live database. So only a small language passes: calls of `op` whose arguments are
plain, loops over what is written down, and functions of the file itself under the same rule. All else is named, and
opaque.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tasks.kernel.text import one_line

# Modules whose functions, given plain values, only compute.
_MODULES = "__future__ alembic collections datetime decimal enum json pathlib sqlalchemy textwrap typing uuid"
_PLAIN_MODULES = frozenset(_MODULES.split())
# What reaches the database or the world although it comes from these modules.
_REACHES = (
    "Session sessionmaker scoped_session create_engine engine_from_config inspect connect automap_base "
    "create_async_engine AsyncSession async_sessionmaker write_text write_bytes unlink touch mkdir rmdir symlink_to"
)
_REACHING = frozenset(_REACHES.split())
# What `op` has that shows more than it renders.
_ASKING = frozenset(
    {"get_bind", "get_context", "run_async", "invoke", "migration_context", "impl", "drop_all"}
)
_NAMES = "dict enumerate frozenset int len list range reversed set sorted str tuple zip"
_BUILTINS = frozenset(_NAMES.split())
_LONGEST = 1_000_000


@dataclass(frozen=True)
class SourceFacts:
    """What a revision file says beside its SQL.

    Attributes:
        hidden: Line number and what stands there, for each thing the SQL does not show.
        types: `table.column` → the type the file says it had (`existing_type`), as the engine writes it.
    """

    hidden: tuple[tuple[int, str], ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)


def look_into(
    source: str, existing_types: Callable[[ast.Module], Mapping[str, str]] | None = None
) -> SourceFacts:
    """Look for Python in a revision file that its rendered SQL does not show.

    Args:
        existing_types: The engine's own reading of the types it says.

    Returns:
        What was found. Nothing hidden means: the SQL is all that `upgrade()` does.
    """
    if len(source) > _LONGEST:
        return SourceFacts(hidden=((1, "the file is too long to be looked through"),))
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return SourceFacts(
            hidden=((1, f"the file is not Python that can be read here: {one_line(str(error))}"),)
        )
    try:
        hidden = tuple(dict.fromkeys(_RevisionReader(module).read()))
    except RecursionError:
        hidden = ((1, "the file nests too deep to be looked through"),)
    return SourceFacts(hidden=hidden, types=existing_types(module) if existing_types else {})


class _RevisionReader:
    """Reads one file. Names that stand for something else than plain values are kept."""

    def __init__(self, module: ast.Module) -> None:
        self._module = module
        self._functions = {one.name: one for one in module.body if isinstance(one, ast.FunctionDef)}
        self._foreign: set[str] = set()
        self._reaching: set[str] = set()
        self._imported: set[str] = set()
        self._operations = {"op"}
        self._read: set[str] = set()

    def read(self) -> Iterator[tuple[int, str]]:
        for statement in self._module.body:
            yield from self._top(statement)
        if "upgrade" not in self._functions:
            yield 1, "there is no function upgrade()"
            return
        yield from self._function("upgrade")

    def _top(self, statement: ast.stmt) -> Iterator[tuple[int, str]]:
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)) or _is_text(statement):
            return
        yield from self._statement(statement)

    def _function(self, name: str) -> Iterator[tuple[int, str]]:
        if name in self._read:
            return
        self._read.add(name)
        function = self._functions[name]
        if function.decorator_list:
            yield function.lineno, f"{name}() is decorated"
        for statement in function.body:
            yield from self._statement(statement)

    def _statement(self, statement: ast.stmt) -> Iterator[tuple[int, str]]:
        match statement:
            case ast.Pass() | ast.Return(value=None):
                pass
            case ast.Import() | ast.ImportFrom():
                yield from self._import(statement)
            case ast.Expr(value=value):
                yield from self._alone(value)
            case ast.Return(value=ast.expr() as value):
                yield from self._expression(value)
            case (
                ast.Assign(value=value)
                | ast.AnnAssign(value=ast.expr() as value)
                | ast.AugAssign(value=value)
            ):
                yield from self._expression(value)
            case ast.AnnAssign():
                pass
            case ast.For(iter=over, body=body, orelse=[]):
                yield from self._expression(over)
                yield from self._block(body)
            case ast.With(items=items, body=body):
                yield from self._with(items, body)
            case ast.If():
                yield statement.lineno, f"a branch: if {_say(statement.test)}"
            case _:
                word = type(statement).__name__.lower()
                yield statement.lineno, f"a {word} statement: {_say(statement)}"

    def _block(self, body: list[ast.stmt]) -> Iterator[tuple[int, str]]:
        for statement in body:
            yield from self._statement(statement)

    def _alone(self, node: ast.expr) -> Iterator[tuple[int, str]]:
        """Read an expression nobody takes the value of: it is there for what it does."""
        if isinstance(node, ast.Call) and _root(node.func) in self._foreign:
            yield node.lineno, f"it calls {_say(node.func)}"
        else:
            yield from self._expression(node)

    def _import(self, statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[int, str]]:
        relative = isinstance(statement, ast.ImportFrom) and statement.level > 0
        for alias in statement.names:
            path = (
                alias.name if isinstance(statement, ast.Import) else f"{statement.module or ''}.{alias.name}"
            )
            bound = alias.asname or (path.split(".")[0] if isinstance(statement, ast.Import) else alias.name)
            self._imported.add(bound)
            if alias.name == "*":
                yield statement.lineno, f"it imports everything from {path.removesuffix('.*')}"
            elif path == "alembic.op":
                self._operations.add(bound)
            elif relative or path.split(".")[0] not in _PLAIN_MODULES or path == "alembic.context":
                self._foreign.add(bound)
            elif path.rpartition(".")[2] in _REACHING:
                self._reaching.add(bound)

    def _with(self, items: list[ast.withitem], body: list[ast.stmt]) -> Iterator[tuple[int, str]]:
        for item in items:
            call = item.context_expr
            if self._is_autocommit(call):
                continue
            batch = isinstance(call, ast.Call) and self._method(call.func) == "batch_alter_table"
            if not batch:
                yield call.lineno, f"a with statement: {_say(call)}"
            yield from self._expression(call)
            if batch and isinstance(item.optional_vars, ast.Name):
                self._operations.add(item.optional_vars.id)
        yield from self._block(body)

    def _is_autocommit(self, node: ast.expr) -> bool:
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Call(func=asked, args=[]), attr="autocommit_block"), args=[]
            ):
                return self._method(asked) == "get_context"
        return False

    def _method(self, node: ast.expr) -> str | None:
        """Return the method's name in `op.method`, None for anything else."""
        match node:
            case ast.Attribute(value=ast.Name(id=root), attr=name) if root in self._operations:
                return name
        return None

    def _expression(self, node: ast.expr) -> Iterator[tuple[int, str]]:
        match node:
            case ast.Call():
                yield from self._call(node)
            case ast.Attribute(value=value, attr=name):
                if self._method(node) in _ASKING or name in _REACHING:
                    yield node.lineno, _say(node)
                yield from self._expression(value)
            case ast.Name(id=name):
                if name in self._foreign or name in self._reaching:
                    yield node.lineno, f"it uses {name}, which is not Alembic's or SQLAlchemy's"
            case ast.Lambda() | ast.Await() | ast.Yield() | ast.YieldFrom() | ast.NamedExpr() | ast.IfExp():
                yield node.lineno, _say(node)
            case _:
                for child in ast.iter_child_nodes(node):
                    yield from self._child(child)

    def _child(self, child: ast.AST) -> Iterator[tuple[int, str]]:
        if isinstance(child, ast.expr):
            yield from self._expression(child)
        elif isinstance(child, ast.comprehension):
            for part in (child.iter, *child.ifs):
                yield from self._expression(part)

    def _call(self, call: ast.Call) -> Iterator[tuple[int, str]]:
        yield from self._callee(call)
        for part in (*call.args, *(keyword.value for keyword in call.keywords)):
            if not self._is_type_creation(call, part):
                yield from self._expression(part)

    def _callee(self, call: ast.Call) -> Iterator[tuple[int, str]]:
        callee = call.func
        if isinstance(callee, ast.Name) and callee.id in self._functions:
            yield from self._function(callee.id)
        elif self._method(callee) is not None:
            if self._method(callee) in _ASKING:
                yield call.lineno, f"it asks the database: {_say(call)}"
        elif not self._only_computes(callee):
            yield call.lineno, f"it calls {_say(callee)}"
        elif isinstance(callee, ast.Attribute) and not _is_dotted(callee):
            yield from self._expression(callee.value)

    def _only_computes(self, callee: ast.expr) -> bool:
        parts = _dotted(callee)
        if not parts:
            # A method of a computed value: `sa.table(…).insert()`, `"…".format(…)`, `Path(…).read_text()`.
            own = isinstance(callee, ast.Attribute) and callee.attr not in _REACHING | _ASKING
            return own and _root(callee) not in self._foreign
        if (_REACHING | _ASKING).intersection(parts) or parts[0] in self._reaching:
            return False
        if parts[0] in self._foreign:
            # A column type of another library, or of the application: what it renders stands in the SQL.
            return parts[-1][:1].isupper()
        return len(parts) > 1 or parts[0] in _BUILTINS or parts[0] in self._imported or parts[0][:1].isupper()

    def _is_type_creation(self, call: ast.Call, part: ast.expr) -> bool:
        """Say whether it is `some_enum.create(op.get_bind())`, which renders as CREATE TYPE."""
        creates = isinstance(call.func, ast.Attribute) and call.func.attr in {"create", "drop"}
        asks = isinstance(part, ast.Call) and self._method(part.func) == "get_bind" and not part.args
        return creates and asks


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _root(node: ast.expr) -> str:
    """Return the name an expression begins with: `a` for `a.b(…).c[…]`, nothing where it begins otherwise."""
    while not isinstance(node, ast.Name):
        match node:
            case ast.Attribute(value=inner) | ast.Call(func=inner) | ast.Subscript(value=inner):
                node = inner
            case _:
                return ""
    return node.id


def _is_dotted(node: ast.expr) -> bool:
    return bool(_dotted(node))


def _dotted(node: ast.expr) -> tuple[str, ...]:
    """Return the parts of `a.b.c`, nothing for any other expression."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return (*reversed([*parts, node.id]),) if isinstance(node, ast.Name) else ()


def _say(node: ast.AST) -> str:
    return one_line(ast.unparse(node), 80)
