"""What an application wrote into its release's folder: found by the real script, compared, decided, and copied."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from blocks.pipeline.fields import DataRole
from blocks.values.facts import ContainerFact
from blocks.values.manifests import Manifest
from blocks.values.release_data import MountFact, ReleaseData, WrittenMount
from tasks.host.scripts import script
from tasks.host.shape import ComposeShape
from tasks.release_data.commands.carry import IS_SETTLED, KEEP_SETTLED, UNSETTLED, copy, copy_lines
from tasks.release_data.commands.data_roles import judge, named, outdated, role_of
from tasks.release_data.commands.release_data import (
    compare,
    in_use,
    late_mounts,
    look,
    mount_points,
    parse_listing,
    tracked_lines,
    writable_sources,
)
from tests.flows.domain import samples
from tests.flows.domain.samples import NOW, release

BUNDLE = {
    "compose.yaml": "services: {}",
    "data/README": "read me",
    "data/prices.csv": "1",
    "data/sub/kept": "kept",
    "acme.json": "{}",
    "code/app.py": "print()",
}


class Host:
    """A folder with an application's releases, as on a host."""

    def __init__(self, path: Path) -> None:
        self.directory = path
        self.folder = path / "releases" / release().id
        for name, text in BUNDLE.items():
            self.write(name, text)
        (self.folder / "sluice.manifest.json").write_text("{}")
        (path / "shared").mkdir()
        (path / "current").symlink_to(f"releases/{release().id}")

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def data(
        self,
        *sources: str,
        made: tuple[str, ...] = (),
        apart: tuple[str, ...] = (),
        beside: tuple[str, ...] = (),
        late: bool = False,
        **said: Any,
    ) -> ReleaseData:
        """Look at what a service may write to, sources as compose names them."""
        known = manifest(**said)
        pairs = [("web", f"{self.directory}/current/{source}") for source in sources]
        argv = look(f"{self.directory}/current", [source for _, source in pairs])
        done = subprocess.run(argv, input=tracked_lines(known), capture_output=True, check=True)
        listing = parse_listing(done.stdout.decode("utf-8", "replace"))
        assert listing is not None
        return compare(
            listing,
            known,
            pairs,
            directory=str(self.directory),
            made=made,
            apart=apart,
            beside=beside,
            late=pairs if late else (),
        )


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def manifest(**changes: Any) -> Manifest:
    values = {"checksums": {name: sha(text) for name, text in BUNDLE.items()}, "links": {}}
    return samples.manifest(**(values | changes))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "shop")


def test_what_nobody_wrote_to_does_not_differ(host: Host) -> None:
    data = host.data("./data", "acme.json", ".", "data/sub/")
    assert data.differs == ()
    assert {one.source for one in data.mounts} == {"data", "acme.json", ".", "data/sub"}


def test_what_was_changed_added_and_deleted_is_told(host: Host) -> None:
    host.write("data/prices.csv", "2")
    host.write("data/a b;$(x)", "")
    host.write("data/new/deep/file", "")
    host.write("data/new\nline", "")
    (host.folder / "data/README").unlink()
    (host.folder / "data/latest").symlink_to("prices.csv")
    host.write("code/app.py", "not mounted")
    data = host.data("./data")
    assert data.changed == ("data/prices.csv",)
    assert data.added == ("data/a b;$(x)", "data/latest", "data/new\nline", "data/new/")
    assert data.deleted == ("data/README",)


def test_a_single_file_and_a_place_by_another_way_are_found(host: Host) -> None:
    host.write("acme.json", "certificates")
    assert host.data("acme.json").changed == ("acme.json",)
    assert host.data("code/../data/../acme.json").changed == ("acme.json",)
    (host.directory / "elsewhere").symlink_to(host.folder / "acme.json")
    assert host.data("../../elsewhere").mounts == (WrittenMount(service="web", source="acme.json"),)


def test_what_lies_outside_of_the_release_is_not_looked_at(host: Host) -> None:
    (host.directory / "shared/uploads").mkdir()
    (host.directory / "shared/uploads/file").write_text("x")
    (host.folder / "uploads").symlink_to(host.directory / "shared/uploads")
    assert host.data("uploads", "../../shared", "../../../../etc").mounts == ()
    # In a mount of everything, the links that Sluice made are no data of the release; others are.
    assert host.data(".").differs == ()
    (host.folder / "other").symlink_to("/etc/hostname")
    assert host.data(".").added == ("other",)
    assert host.data(".", links={"other": "/etc/hostname"}).differs == ()
    assert host.data(".", links={"other": "/etc/hosts"}).changed == ("other",)
    assert host.data(".", links={"gone": "x", "other": "/etc/hostname"}).deleted == ("gone",)


def test_a_manifest_of_an_earlier_version_does_not_say_which_links_there_are(host: Host) -> None:
    (host.folder / "other").symlink_to("/etc/hostname")
    assert host.data(".", links=None).differs == ()


def test_without_checksums_all_is_unknown_and_so_differs(host: Host) -> None:
    assert host.data("acme.json", checksums={}).added == ("acme.json",)


def test_a_file_that_became_a_link_or_a_folder_differs(host: Host) -> None:
    (host.folder / "acme.json").unlink()
    (host.folder / "acme.json").symlink_to("data/README")
    assert host.data("acme.json").mounts == (WrittenMount(service="web", source="data/README"),)
    assert host.data(".").deleted == ("acme.json",)
    (host.folder / "acme.json").unlink()
    host.write("acme.json/inner", "x")
    assert host.data(".").deleted == ("acme.json",)


def test_a_place_that_is_gone_differs_where_the_bundle_had_files(host: Host) -> None:
    (host.folder / "acme.json").unlink()
    assert host.data("acme.json").deleted == ("acme.json",)
    assert host.data("never-there").differs == ()


def test_what_may_not_be_read_is_unknown(host: Host) -> None:
    host.write("data/private/db", "x")
    (host.folder / "data/private").chmod(0)
    (host.folder / "data/prices.csv").chmod(0)
    for path in (host.directory.parent, *host.directory.parent.parents):
        if path != Path("/"):
            path.chmod(path.stat().st_mode | 0o755)
    argv = look(f"{host.directory}/current", [f"{host.directory}/current/data"])
    # Root reads everything.
    reader = 65534 if os.geteuid() == 0 else None
    done = subprocess.run(argv, input=tracked_lines(manifest()), capture_output=True, check=True, user=reader)
    listing = parse_listing(done.stdout.decode())
    assert listing is not None
    sources = [("web", f"{host.directory}/current/data")]
    data = compare(listing, manifest(), sources, directory=str(host.directory))
    assert data.unknown == ("data/prices.csv", "data/private")


def test_empty_folders_alone_are_no_difference(host: Host) -> None:
    (host.folder / "data/tmp/deep").mkdir(parents=True)
    data = host.data("data")
    assert (data.differs, data.empty) == ((), ("data/tmp",))


def test_what_the_engine_makes_for_a_mount_within_a_mount_is_no_data(host: Host) -> None:
    source = f"{host.directory}/current/data"
    mounts = (
        MountFact(target="/data", source=source),
        MountFact(target="/data/conf", source="/etc/conf", writable=False),
        MountFact(target="/database", source="/srv/x"),
    )
    one = ContainerFact(id="1", service="web", image="i", status="running", mounts=mounts)
    made = tuple(mount_points([one], {source: "data"}))
    assert made == ("data/conf",)
    host.write("data/conf", "")
    assert host.data("data", made=made).differs == ()
    assert host.data("data").added == ("data/conf",)
    host.write("data/conf", "of another service, which has no mount there")
    assert host.data("data", made=made).added == ("data/conf",)


def test_a_file_of_the_bundle_mounted_within_its_own_folder_is_compared(host: Host) -> None:
    host.write("acme.json", "certificates")
    assert host.data(".", "acme.json", made=("acme.json",)).changed == ("acme.json",)


def test_a_mount_that_the_folder_is_in_is_one_of_all_of_it(host: Host) -> None:
    for source in ("../..", "../../.."):
        assert host.data(source).mounts == (WrittenMount(service="web", source="."),)
        assert host.data(source).differs == ()
    host.write("data/new", "")
    assert host.data("../..").added == ("data/new",)
    # It sees what the link leads to, whenever it was started.
    assert host.data("../..", late=True, beside=("web",)).elsewhere == ()
    assert host.data("../..", beside=("web",)).beside == ()


def test_who_is_no_service_and_would_go_on_writing_is_refused(host: Host) -> None:
    seen = host.data("data", beside=("shop-web-run-1",))
    assert seen.beside == ()
    seen = host.data("data", beside=("web",))
    assert seen.beside == (WrittenMount(service="web", source="data"),)
    assert judge(seen, {"data": "release"}, {}, {}).refused == ()
    undecided: tuple[dict[str, DataRole], ...] = ({}, {"data": "carry"})
    for roles in undecided:
        (line,) = judge(seen, roles, {}, {}).refused
        assert "web, which is no service of" in line
    # One that has an earlier release's folder is told as such.
    late = host.data("data", beside=("web",), late=True)
    assert (late.beside, late.elsewhere) == ((), seen.beside)


def test_a_list_that_was_cut_is_no_list(host: Host) -> None:
    argv = look(f"{host.directory}/current", [f"{host.directory}/current/data"])
    text = subprocess.run(argv, input=b"", capture_output=True, check=True).stdout.decode()
    for part in (text[10:], text[:-3]):
        with pytest.raises(ValueError, match="incomplete"):
            parse_listing(part)
    assert parse_listing("") is None


def test_containers_and_compose_both_say_what_may_be_written_to() -> None:
    mounts = (
        MountFact(target="/a", source="/x/a"),
        MountFact(target="/b", source="/x/b", writable=False),
        MountFact(target="/volume"),
    )
    one = ContainerFact(id="1", service="web", image="i", status="exited", mounts=mounts)
    volumes = [
        {"type": "bind", "source": "/x/$$y", "target": "/c"},
        {"type": "bind", "source": "/x/d", "target": "/d", "read_only": True},
        {"type": "volume", "source": "named", "target": "/e"},
    ]
    shape = ComposeShape({"job": {"volumes": volumes}, "none": {"volumes": None}}, {})
    assert writable_sources([one], shape) == (("job", "/x/$y"), ("web", "/x/a"))
    assert writable_sources([one], None) == (("web", "/x/a"),)


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("data/x", "carry"),
        ("data/cache/x", "release"),
        ("data/cache/", "release"),
        ("data2/x", None),
        ("acme.json", "carry"),
    ],
)
def test_what_is_said_of_the_nearest_folder_counts(path: str, role: str | None) -> None:
    assert role_of(path, {"data": "carry", "data/cache": "release", "acme.json": "carry"}) == role
    assert role_of(path, {".": "release", "data": "carry"}) == (
        "carry" if path.startswith("data/") else "release"
    )


def data(**said: Any) -> ReleaseData:
    mounts = (WrittenMount(service="web", source="data"), WrittenMount(service="job", source="data"))
    return ReleaseData(release_id="r1", mounts=mounts, **said)


BEFORE = {"data/README": "1", "data/prices.csv": "1"}


def test_what_nothing_is_said_of_is_refused_with_the_key_to_set() -> None:
    verdict = judge(data(added=tuple(f"data/{n}" for n in range(5))), {"cache": "carry"}, BEFORE, BEFORE)
    (line,) = verdict.refused
    for part in ("./data of job, web (", "./data/2 and 2 more", "data: {./data: carry}"):
        assert part in line


def test_what_the_application_wrote_wins_over_what_the_commit_left_alone() -> None:
    seen = data(
        changed=("data/prices.csv",), added=("data/new/",), deleted=("data/README",), empty=("data/tmp",)
    )
    verdict = judge(seen, {"data": "carry"}, BEFORE, BEFORE | {"data/more": "1"})
    assert verdict.refused == ()
    assert verdict.carried == ("data/new/", "data/prices.csv", "data/tmp/")
    assert verdict.deleted == ("data/README",)


@pytest.mark.parametrize(
    ("said", "after"),
    [
        ({"changed": ("data/prices.csv",)}, BEFORE | {"data/prices.csv": "2"}),
        ({"changed": ("data/prices.csv",)}, {"data/README": "1"}),
        ({"deleted": ("data/README",)}, BEFORE | {"data/README": "2"}),
        ({"unknown": ("data/prices.csv",)}, BEFORE | {"data/prices.csv": "2"}),
        ({"added": ("data/new",)}, BEFORE | {"data/new": "1"}),
        ({"added": ("data/new/",)}, BEFORE | {"data/new/file": "1"}),
        ({"added": ("data/new",)}, BEFORE | {"data/new/file": "1"}),
    ],
)
def test_what_both_changed_is_refused(said: dict[str, Any], after: dict[str, str]) -> None:
    (line,) = judge(data(**said), {"data": "carry"}, BEFORE, after).refused
    assert "changed by the application and by the commits" in line
    assert judge(data(**said), {"data": "release"}, BEFORE, after).refused == ()


@pytest.mark.parametrize("name", ["data/a\nb", "data/\ufffd"])
def test_what_cannot_be_copied_is_refused_before_anything_stops(name: str) -> None:
    (line,) = judge(data(added=(name,)), {"data": "carry"}, BEFORE, BEFORE).refused
    assert "cannot be copied" in line
    assert judge(data(added=(name,)), {"data": "release"}, BEFORE, BEFORE).refused == ()


def test_what_stays_behind_on_purpose_is_told() -> None:
    verdict = judge(data(added=("data/x",)), {"data": "release"}, BEFORE, BEFORE)
    assert (verdict.refused, verdict.carried, verdict.left) == ((), (), ("data/x",))


def test_names_are_shown_on_one_line() -> None:
    assert named(("b\nc", "a\x1b[31m")) == "./a?[31m, ./b?c"


def test_files_are_copied_as_they_are_and_twice_ends_the_same(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    (old / "data/own/deep").mkdir(parents=True)
    (old / "data/own/deep/-x y").write_text("deep")
    (old / "data/db").write_text("orders")
    (old / "data/link").symlink_to("db")
    # Only root gives files to others; anybody else keeps its own.
    owner, group = (1234, 1235) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(old / "data/db", owner, group)
    (old / "data/db").chmod(0o600)
    os.utime(old / "data/db", (1, 1_000_000))
    os.chown(old / "data", owner, group)
    for index in range(450):
        (old / f"data/{index}").write_text("x")
    (new / "data").mkdir(parents=True)
    (new / "data/db").symlink_to("/etc/hostname")
    (new / "data/stale").write_text("x")
    (new / "data/gone").write_text("x")
    lines = copy_lines(
        carried=(
            "data/db",
            "data/own/",
            "data/link",
            "moved/in/",
            *(f"data/{index}" for index in range(450)),
        ),
        deleted=("data/gone",),
        stale=("data/stale",),
        keeps_stale=True,
        folders=("data", "."),
    )
    (old / "moved/in").mkdir(parents=True)
    for _ in range(2):
        argv = copy(str(old), str(new), str(tmp_path / "aside"))
        done = subprocess.run(argv, input=lines, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        copied = (new / "data/db").stat()
        assert (copied.st_uid, copied.st_gid, copied.st_mode & 0o777, copied.st_mtime) == (
            owner,
            group,
            0o600,
            1e6,
        )
        assert (new / "data/link").readlink() == Path("db")
        assert (new / "data/own/deep/-x y").read_text() == "deep"
        assert (new / "data").stat().st_uid == owner
        assert len(list((new / "data").iterdir())) == 453
        assert (new / "moved/in").is_dir()
        assert (tmp_path / "aside/data/stale").read_text() == "x"
    assert Path("/etc/hostname").stat().st_uid == 0


def test_a_folders_access_list_is_copied_too(tmp_path: Path) -> None:
    entries = ((1, 7, -1), (2, 7, 1234), (4, 5, -1), (16, 7, -1), (32, 5, -1))
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *one) for one in entries)
    for name in ("old", "new"):
        (tmp_path / name / "data").mkdir(parents=True)
    try:
        os.setxattr(tmp_path / "old/data", "system.posix_acl_default", acl)
        os.setxattr(tmp_path / "old/data", "system.posix_acl_access", acl)
    except OSError:
        pytest.skip("this file system has no access lists")
    lines = copy_lines(carried=(), deleted=(), stale=(), keeps_stale=True, folders=("data",))
    argv = copy(str(tmp_path / "old"), str(tmp_path / "new"), str(tmp_path / "aside"))
    subprocess.run(argv, input=lines, capture_output=True, check=True)
    for kind in ("default", "access"):
        assert os.getxattr(tmp_path / "new/data", f"system.posix_acl_{kind}") == acl


def test_a_copy_whose_list_was_cut_is_no_copy(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    done = subprocess.run(
        copy(str(tmp_path), str(tmp_path / "b"), ""), input=b"- x\n", capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, b"the list is incomplete\n")


def test_a_name_that_cannot_be_written_down_is_refused() -> None:
    for name in ("a\nb", "a\ufffd"):
        with pytest.raises(ValueError, match="a"):
            copy_lines(carried=(name,), deleted=(), stale=(), keeps_stale=True, folders=())


def test_a_container_that_is_older_than_the_link_has_the_folder_of_an_earlier_release() -> None:
    mounts = (MountFact(target="/data", source="/app/current/data"),)
    values = {"id": "1", "service": "web", "image": "i", "status": "running", "mounts": mounts}
    early, late = "2026-11-21T05:32:59.123456789Z", "2026-11-21T05:33:00.5Z"
    for started, found in ((early, 1), (late, 0), ("", 0), ("0001-01-01T00:00:00Z", 1)):
        one = ContainerFact.model_validate(values | {"started_at": started})
        assert len(late_mounts([one], int(NOW.timestamp()))) == found, started
    stopped = ContainerFact.model_validate(values | {"started_at": early, "status": "exited"})
    assert late_mounts([stopped], int(NOW.timestamp())) == ()


def test_what_lies_in_an_earlier_releases_folder_is_refused_even_where_nothing_differs() -> None:
    seen = data(elsewhere=(WrittenMount(service="web", source="data"),))
    (line,) = judge(seen, {"data": "carry"}, BEFORE, BEFORE).refused
    assert "web was started before r1 became current" in line
    assert judge(seen, {"data": "release"}, BEFORE, BEFORE).refused == ()


def test_what_is_as_brought_again_is_so_in_the_release_that_is_gone_back_to() -> None:
    there = data(changed=("data/prices.csv", "data/other"), deleted=("data/README",))
    roles: dict[str, DataRole] = {"data": "carry"}
    assert outdated(there, data(), roles, BEFORE) == ("data/prices.csv", "data/README")
    assert outdated(there, data(deleted=("data/README",)), roles, BEFORE) == ("data/prices.csv",)
    assert outdated(there, data(), {"data": "release"}, BEFORE) == ()


@pytest.mark.timeout(30)
def test_very_many_files_are_judged_in_a_time_that_grows_as_they_do() -> None:
    seen = data(
        added=tuple(f"data/{number}" for number in range(100_000)),
        changed=tuple(f"data/old/{number}" for number in range(20_000)),
        deleted=tuple(f"data/gone/{number}" for number in range(20_000)),
    )
    before = dict.fromkeys((*seen.changed, *seen.deleted), "1")
    assert len(judge(seen, {"data": "carry"}, before, before).carried) == 120_000
    assert "and 139997 more" in judge(seen, {}, before, before).refused[0]
    assert outdated(seen, data(), {"data": "carry"}, before) == (*seen.changed, *seen.deleted)


def test_what_all_releases_shared_is_not_hidden_by_a_file_of_the_next_one(host: Host) -> None:
    (host.directory / "shared/uploads").mkdir()
    (host.folder / "uploads").symlink_to(host.directory / "shared/uploads")
    assert host.data("./uploads").shared == ()
    (host.directory / "shared/uploads/file").write_text("x")
    seen = host.data("./uploads")
    assert (seen.shared, seen.mounts) == ((WrittenMount(service="web", source="uploads"),), ())
    assert judge(seen, {}, {}, {"uploads2/README": "1"}).refused == ()
    undecided: tuple[dict[str, DataRole], ...] = ({}, {"uploads": "carry"})
    for roles in undecided:
        (line,) = judge(seen, roles, {}, {"uploads/README": "1"}).refused
        assert "is in shared/uploads" in line
        assert "the next release brings ./uploads/README" in line
        (line,) = judge(seen, roles, {}, {"app.py": "1"}, written=(".",)).refused
        assert "the next release mounts . instead" in line
    assert judge(seen, {"uploads": "release"}, {}, {"uploads/README": "1"}).refused == ()
    assert judge(seen, {}, {}, {"app.py": "1"}, written=(".", "uploads")).refused == ()
    assert judge(seen, {}, {}, {}, written=("uploads2",)).refused == ()
    deep = data(shared=(WrittenMount(service="web", source="data/uploads"),))
    assert judge(deep, {}, {}, {"app.py": "1"}, written=("data",)).refused == ()
    assert len(judge(deep, {}, {}, {"data/README": "1"}, written=("data",)).refused) == 1


def test_links_of_the_commit_are_brought_like_its_files() -> None:
    known = manifest(links={"uploads": "public"})
    assert known.brought["uploads"] == "-> public"
    assert known.brought["acme.json"] == known.checksums["acme.json"]
    assert manifest(links=None).brought == manifest().checksums
    seen, before = data(changed=("data/latest",)), {"data/latest": "-> a"}
    assert judge(seen, {"data": "carry"}, before, before).refused == ()
    assert len(judge(seen, {"data": "carry"}, before, {"data/latest": "-> b"}).refused) == 1
    # An earlier version did not remember links.
    assert judge(seen, {"data": "carry"}, before, {}).refused == ()


def test_what_is_written_after_it_was_carried_on_is_not_carried_on(tmp_path: Path) -> None:
    for name in ("r1", "r2", "r3"):
        (tmp_path / "releases" / name / "data").mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/r3")
    (tmp_path / "settled").mkdir()
    for name in ("r1", "r2"):
        (tmp_path / "settled" / name).touch()
    time.sleep(0.02)
    (tmp_path / "releases/r2/data/late").touch()
    listed = subprocess.run(script(UNSETTLED, "x", str(tmp_path)), capture_output=True, check=True).stdout
    assert listed == b"r2\n"
    told = [
        subprocess.run(script(IS_SETTLED, "x", str(tmp_path), name), check=False).returncode == 0
        for name in ("r1", "r2", "r3")
    ]
    assert told == [True, False, False]
    for name in ("r2", "r3"):
        subprocess.run(script(KEEP_SETTLED, "x", str(tmp_path), name), check=True)
    assert subprocess.run(script(IS_SETTLED, "x", str(tmp_path), "r2"), check=False).returncode == 0
    assert not (tmp_path / "settled/r3").exists()


def test_an_applications_own_manifest_is_its_own(host: Host) -> None:
    host.write("manifest.json", "{}")
    assert host.data(".").added == ("manifest.json",)
    # An earlier version of Sluice kept its own there.
    assert host.data(".", links=None).differs == ()


def test_the_releases_that_ran_about_when_a_container_was_started_are_in_use() -> None:
    ran = [(name, float(at)) for name, at in (("a", 1000), ("b", 2000), ("c", 3000), ("d", 4000))]
    values = {"id": "1", "service": "web", "image": "i", "status": "running"}

    def used(
        started: str, source: str = "/app/current/site", status: str = "running", since: int = 3500
    ) -> set[str]:
        mounts = (MountFact(target="/site", source=source, writable=False),)
        told = {"mounts": mounts, "started_at": started, "status": status}
        return set(in_use([ContainerFact.model_validate(values | told)], ran, "/app", since))

    assert used("1970-01-01T00:41:40Z") == {"b", "c"}
    assert used("1970-01-01T00:49:00Z") == {"b", "c", "d"}
    assert used("1970-01-01T00:00:01Z") == {"a"}
    assert used("1970-01-01T00:41:40Z", since=2499) == set()
    assert used("") == set()
    assert used("1970-01-01T00:41:40Z", "/app/shared/x") == set()
    assert used("1970-01-01T00:41:40Z", status="exited") == set()
    assert used("1970-01-01T00:59:00Z", "/app/releases/old/data") == {"old"}
