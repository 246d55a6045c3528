"""What a cut compose left half replaced, and how it is put right."""

from __future__ import annotations

from blocks.values.facts import ContainerFact
from tasks.host.replace import half_replaced

OLD = "0123456789ab" + "c" * 52
NEW = "f" * 64


def container(name: str, **changes: object) -> ContainerFact:
    values = {"id": NEW, "service": "web", "image": "i", "status": "created", "successor": True, "name": name}
    return ContainerFact.model_validate(values | changes)


SUCCESSOR = container("0123456789ab_shop-web-1")


def test_a_successor_goes_where_the_one_before_it_is_still_there() -> None:
    old = container("shop-web-1", id=OLD, status="exited")
    (found,) = half_replaced((SUCCESSOR, old))
    assert found.argv() == ("docker", "container", "rm", NEW)


def test_a_successor_gets_the_name_where_the_one_before_it_is_gone() -> None:
    other = container("shop-db-1", id="d" * 64, status="running")
    (found,) = half_replaced((SUCCESSOR, other))
    assert found.argv() == ("docker", "container", "rename", NEW, "shop-web-1")


def test_a_successor_goes_where_another_container_has_the_name() -> None:
    (found,) = half_replaced((SUCCESSOR, container("shop-web-1", id="e" * 64, status="running")))
    assert found.discarded


def test_of_two_successors_one_gets_the_name() -> None:
    found = half_replaced((SUCCESSOR, container("ba9876543210_shop-web-1", id="e" * 64)))
    assert [one.discarded for one in found] == [False, True]


def test_what_compose_brought_to_an_end_is_left_alone() -> None:
    assert not half_replaced(
        (
            container("shop-web-1"),
            container("0123456789ab_shop-web-2", status="running"),
            # A name a person chose.
            container("0123456789ab_job", successor=False),
            container("0123456789a_shop-web-3"),
        )
    )
