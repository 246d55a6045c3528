"""products and orders"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

PRODUCTS = [
    ("tide-clock", "Tide clock", "Tells how long until the water turns.", 8900, 40),
    ("storm-lantern", "Storm lantern", "Burns through force nine.", 4950, 60),
    ("lock-mug", "Lock keeper's mug", "Holds half a litre, and its heat.", 1290, 500),
    ("sounding-line", "Sounding line", "Twenty metres, marked by hand.", 2400, 120),
    ("oilskin", "Oilskin jacket", "Yellow, as it should be.", 12900, 25),
    ("signal-flags", "Signal flags", "The whole alphabet, cotton.", 6400, 30),
]


def upgrade() -> None:
    products = op.create_table(
        "products",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("sku", sa.Text, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("price_cents", sa.Integer, nullable=False),
        sa.Column("stock", sa.Integer, nullable=False),
        sa.CheckConstraint("price_cents >= 0", name="products_price_not_negative"),
        sa.CheckConstraint("stock >= 0", name="products_stock_not_negative"),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("product_id", sa.Integer, sa.ForeignKey("products.id"), nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("total_cents", sa.Integer, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
    columns = ("sku", "name", "description", "price_cents", "stock")
    op.bulk_insert(products, [dict(zip(columns, row, strict=True)) for row in PRODUCTS])


def downgrade() -> None:
    op.drop_table("orders")
    op.drop_table("products")
