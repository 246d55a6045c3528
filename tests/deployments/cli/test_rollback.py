"""`sluice rollback`, as far as it goes without servers; `tests/flows/test_offline.py` plays it on real ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tasks.services.rescue import rescue_file, write_rescue
from tests.deployments.conftest import Sluice
from tests.tasks.services.test_rescue import rescue


def test_with_server_and_ledger_it_names_the_run(sluice: Sluice) -> None:
    printed = sluice("rollback", "prod")
    assert printed.code == 1
    assert "`prefect deployment run rollback/prod`" in printed.err


def test_it_says_where_it_looked_for_the_way_to_the_hosts(sluice: Sluice, home: Path) -> None:
    printed = sluice("rollback", "prod", "--offline")
    assert printed.code == 1
    assert str(home / "offline") in printed.err
    assert len(printed.err.splitlines()) == 1


def test_a_host_nobody_knows_cannot_be_left_out(sluice: Sluice, home: Path) -> None:
    write_rescue(home, rescue())
    printed = sluice("rollback", "prod", "--offline", "--without", "web-9")
    assert printed.code == 1
    assert "web-9 is no host of prod — its hosts are web-1, web-2" in printed.err
    every = ("--without", "web-1", "--without", "web-2")
    assert "no host is left" in sluice("rollback", "prod", "--offline", *every).err


def test_a_key_that_cannot_be_read_is_told_and_not_shown(sluice: Sluice, home: Path) -> None:
    one = rescue()
    gone = one.hosts[0].model_copy(update={"address": "127.0.0.1", "port": 9})
    write_rescue(home, one.model_copy(update={"hosts": (gone,)}))
    printed = sluice("rollback", "prod", "--offline", "--yes")
    assert printed.code == 1
    assert "web-1" in printed.err
    assert "k3y-0f-web" not in printed.err + printed.out


def test_a_rescue_file_of_another_version_is_told(sluice: Sluice, home: Path) -> None:
    write_rescue(home, rescue())
    rescue_file(home, "shop", "prod").write_text('{"pipeline": "shop"}')
    assert "another version of Sluice" in sluice("rollback", "prod", "--offline").err


def test_nothing_of_it_imports_prefect_or_the_ledger() -> None:
    rooms = ("deployments.cli.main", "flows.rollback.offline_hosts", "flows.rollback.offline_execute")
    modules = ", ".join((*rooms, "tasks.services.rescue", "blocks.settings"))
    code = f"import sys, {modules}; sys.exit(bool({{'prefect', 'sqlalchemy'}} & {{*sys.modules}}))"
    assert subprocess.run((sys.executable, "-c", code), timeout=120, check=False).returncode == 0
