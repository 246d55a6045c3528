"""What a revision file does beside its SQL, read without running it."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.domain.database.verdicts.revision_source import look_into
from tasks.database.postgresql.verdicts.source_types import existing_types

HEAD = "import sqlalchemy as sa\nfrom alembic import op\n"


def hidden(body: str, head: str = HEAD) -> str:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return "\n".join(what for _, what in look_into(f"{head}def upgrade():\n{lines}").hidden)


@pytest.mark.parametrize(
    "body",
    [
        "pass",
        "return",
        '"""Nothing."""',
        "op.add_column('a', sa.Column('b', sa.Integer()))",
        "name: str = 'a'\nop.drop_table(name)",
        "for name in ('a', 'b'):\n    op.drop_table(name)",
        "for name in [f'{x}_old' for x in ('a', 'b')]:\n    op.drop_table(name)",
        "op.execute('SELECT {}'.format(1))",
        "op.execute(sa.table('a', sa.column('b')).insert().values(b=sa.func.now()))",
        "with op.batch_alter_table('a') as batch:\n    batch.drop_column('b')",
        "with op.get_context().autocommit_block():\n    op.execute('SELECT 1')",
        "sa.Enum('x', name='k').create(op.get_bind(), checkfirst=True)",
    ],
)
def test_plain_operations_hide_nothing(body: str) -> None:
    assert hidden(body) == ""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("op.get_bind().execute(sa.text('SELECT 1'))", "it asks the database: op.get_bind()"),
        ("ask = op.get_bind\nask()", "op.get_bind"),
        ("operations = op\noperations.get_bind()", "it calls operations.get_bind"),
        ("getattr(op, 'get_bind')()", "it calls getattr(op, 'get_bind')"),
        ("while True:\n    pass", "a while statement"),
        ("try:\n    op.drop_table('a')\nexcept Exception:\n    pass", "a try statement"),
        ("with open('f') as f:\n    op.execute(f.read())", "a with statement"),
        ("op.execute(open('f').read())", "it calls open"),
        ("exec('x')", "it calls exec"),
        ("globals()['upgrade_b']()", "it calls globals"),
        ("import shop\nshop.migrate()", "it calls shop.migrate"),
        ("from shop import *", "it imports everything from shop"),
        ("from .helpers import fill\nfill()", "it calls fill"),
        ("from shop.models import Order\nop.create_table(Order.__table__)", "it uses Order"),
        ("from shop import Client\nClient().post('x')", "it calls Client().post"),
        ("from shop import Client\nClient('x')", "it calls Client"),
        ("op.execute('a' if op.x else 'b')", "'a' if op.x else 'b'"),
        ("sa.create_engine('x')", "it calls sa.create_engine"),
        ("from pathlib import Path\nPath('x').write_text('y')", "it calls Path('x').write_text"),
        ("raise RuntimeError", "a raise statement"),
        ("global x", "a global statement"),
    ],
)
def test_everything_else_is_named(body: str, said: str) -> None:
    assert said in hidden(body)


def test_type_of_the_application_may_stand_in_a_column() -> None:
    body = "import shop.types\nop.add_column('a', sa.Column('b', shop.types.Money(length=3)))"
    assert hidden(body) == ""


def test_functions_of_the_file_are_read_where_they_are_called() -> None:
    unused = HEAD + "def other():\n    op.get_bind()\n\ndef upgrade():\n    pass\n"
    used = unused.replace("pass", "other()")
    assert look_into(unused).hidden == ()
    assert look_into(used).hidden == ((4, "it asks the database: op.get_bind()"),)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def upgrade(:", "not Python that can be read"),
        ("x = 1", "no function upgrade()"),
        ("\0", "not Python that can be read"),
        ("def upgrade():\n    return " + "(" * 500, "not Python that can be read"),
        ("def upgrade():\n    x = " + "-" * 20_000 + "1", ""),
        ("print('hello')\ndef upgrade():\n    pass", "it calls print"),
        ("@twice\ndef upgrade():\n    pass", "upgrade() is decorated"),
        ("#" * 1_000_001, "too long"),
    ],
)
def test_files_that_are_no_plain_revision(source: str, said: str) -> None:
    (found, *_) = look_into(source).hidden
    assert said in found[1]


@given(st.text(max_size=200))
def test_any_text_can_be_looked_into(text: str) -> None:
    assert look_into(text).hidden or "upgrade" in text


@pytest.mark.parametrize(
    ("call", "found"),
    [
        ("op.alter_column('a', 'b', existing_type=sa.String(20))", {"a.b": "varchar(20)"}),
        ("op.alter_column('a', 'b', existing_type=sa.VARCHAR)", {"a.b": "varchar"}),
        (
            "op.alter_column('a', 'b', existing_type=sa.Numeric(precision=6, scale=2), schema='s')",
            {"s.a.b": "numeric(6,2)"},
        ),
        ("op.alter_column(table_name='a', column_name='b', existing_type=TEXT())", {"a.b": "text"}),
        (
            "op.alter_column('a', 'b', existing_type=postgresql.TIMESTAMP(timezone=True))",
            {"a.b": "timestamp with time zone"},
        ),
        ("op.alter_column('a', 'b', existing_type=sa.DateTime())", {"a.b": "timestamp"}),
        ("op.alter_column('a', 'b', existing_type=sa.Enum('x'))", {}),
        ("op.alter_column('a', 'b', existing_type=kind)", {}),
        ("op.alter_column(name, 'b', existing_type=sa.Text())", {}),
        ("op.alter_column('a', 'b')", {}),
        (
            "with op.batch_alter_table('a') as t: t.alter_column('b', existing_type=sa.BigInteger())",
            {"a.b": "bigint"},
        ),
    ],
)
def test_types_that_the_file_tells(call: str, found: dict[str, str]) -> None:
    assert existing_types(ast.parse(f"def upgrade():\n    {call}\n")) == found
    assert existing_types(ast.parse("x = 1")) == {}
