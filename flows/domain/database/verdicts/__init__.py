"""Verdicts on pending migrations: what each means for the release that runs now. Pure; nothing is run or read here."""

from flows.domain.database.verdicts.judge import judge_migrations, pending_unknown
from flows.domain.database.verdicts.rendered import RenderedMigration, rendered_whole, split_rendered

__all__ = ["RenderedMigration", "judge_migrations", "pending_unknown", "rendered_whole", "split_rendered"]
