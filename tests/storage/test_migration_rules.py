"""What a migration may do to processes of the version before, which still run while an update goes on: docs/upgrade.md.

It adds (expand). What it takes away, renames or narrows (contract) needs a sentence in its docstring, behind `Older processes:`,
that says why they survive it or that they have to be stopped.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from postprober.storage import database

VERSIONS = sorted((Path(database.__file__).parent / "migrations" / "versions").glob("*.py"))
NOTE = "Older processes:"
NARROWS = {
    "drop_table",
    "drop_column",
    "rename_table",
    "alter_column",
    "drop_constraint",
    "create_unique_constraint",
    "create_check_constraint",
    "create_foreign_key",
}
SQL = re.compile(
    r"\b(DROP|RENAME|SET NOT NULL|ALTER COLUMN|ADD CONSTRAINT|DELETE FROM|TRUNCATE|CREATE UNIQUE)\b", re.IGNORECASE
)


def harms(source: str) -> list[str]:
    """What a migration does on its way up that a process of the version before may not survive."""
    found: list[str] = []
    for part in ast.parse(source).body:
        if isinstance(part, ast.FunctionDef) and part.name != "downgrade":
            found += _in(part)
    return found


def _in(part: ast.FunctionDef) -> Iterator[str]:
    calls = [node for node in ast.walk(part) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    made = [call for call in calls if _name(call) == "create_table"]
    new_tables = {_text(call.args[0]) for call in made}
    in_new = {id(node) for call in made for node in ast.walk(call)}
    for call in calls:
        name, first = _name(call), _text(call.args[0]) if call.args else ""
        named = {word.arg: ast.unparse(word.value) for word in call.keywords}
        if name in NARROWS:
            yield f"{name} {first}"
        elif name == "drop_index" and first.startswith("uq_"):
            yield f"drop_index {first}"
        elif name == "create_index" and named.get("unique") == "True" and not _of_new(call, part, new_tables):
            yield f"unique index {first}"
        elif (
            name == "Column"
            and id(call) not in in_new
            and named.get("nullable") == "False"
            and "server_default" not in named
        ):
            yield f"column {first} that older processes do not write"
        elif name == "execute" and (said := SQL.search(ast.unparse(call))):
            yield f"SQL with {said[0]}"


def _of_new(index: ast.Call, part: ast.FunctionDef, tables: set[str]) -> bool:
    """Whether the index is of a table that the migration makes."""
    if len(index.args) > 1 and _text(index.args[1]) in tables:
        return True
    for block in ast.walk(part):  # with op.batch_alter_table("name") as …
        if isinstance(block, ast.With) and any(one is index for one in ast.walk(block)):
            opened = block.items[0].context_expr
            return isinstance(opened, ast.Call) and _text(opened.args[0]) in tables
    return False


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Call) and node.args:  # batch_op.f("name")
        return _text(node.args[0])
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: path.stem)
def test_what_older_processes_may_not_survive_is_explained(path: Path) -> None:
    source = path.read_text()
    if path == VERSIONS[0]:
        return  # nobody was there before
    note = ast.get_docstring(ast.parse(source)) or ""
    assert not harms(source) or NOTE in note, f"{path.name}: {', '.join(harms(source))}"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('op.drop_table("posts")', "drop_table posts"),
        ('op.drop_column("posts", "content")', "drop_column posts"),
        ('op.alter_column("posts", "content", new_column_name="words")', "alter_column posts"),
        ('op.rename_table("posts", "writings")', "rename_table posts"),
        ('op.drop_index("uq_accounts_identity", "accounts")', "drop_index uq_accounts_identity"),
        ('op.create_index("x", "posts", ["content"], unique=True)', "unique index x"),
        (
            'op.add_column("posts", sa.Column("a", sa.Text(), nullable=False))',
            "column a that older processes do not write",
        ),
        ('op.execute("ALTER TABLE posts DROP COLUMN content")', "SQL with DROP"),
        ('op.execute("DELETE FROM posts")', "SQL with DELETE FROM"),
        ('op.add_column("posts", sa.Column("a", sa.Text()))', ""),
        ('op.add_column("posts", sa.Column("a", sa.Text(), nullable=False, server_default=""))', ""),
        ('op.drop_index("ix_posts_status", "posts")', ""),
        ('op.create_table("a", sa.Column("b", sa.Text(), nullable=False))', ""),
        ('op.create_table("a")\n    op.create_index("x", "a", ["b"], unique=True)', ""),
    ],
)
def test_the_rule_finds_what_it_is_for_and_lets_the_rest_pass(line: str, said: str) -> None:
    harmless = "\n\ndef downgrade():\n    op.drop_table('a')\n"
    assert harms(f"def upgrade():\n    {line}{harmless}") == ([said] if said else [])
