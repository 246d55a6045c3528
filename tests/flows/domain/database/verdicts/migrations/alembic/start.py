"""What was there."""

revision = "start"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing: the tests begin here."""
