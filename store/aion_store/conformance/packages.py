"""Scenarios of packages and routes."""

from __future__ import annotations

from datetime import datetime

from aion_store.conformance.checks import refused, same
from aion_store.conformance.events import SECOND, START
from aion_store.contract import EventStore
from aion_store.errors import LimitExceededError
from aion_store.limits import MAX_ARCHIVE_BYTES
from aion_store.model.packages import PackageRecord, PackageRouteRecord


def _package(
    workflow_type: str = "order", content_hash: str = "aa", *, archive: bytes = b"archive", at: datetime = START
) -> PackageRecord:
    return PackageRecord(workflow_type=workflow_type, content_hash=content_hash, archive=archive, deployed_at=at)


async def _routes(store: EventStore) -> dict[str, str]:
    return {route.workflow_type: route.content_hash for route in await store.list_package_routes()}


async def s21_packages_are_listed_in_deploy_order(store: EventStore) -> None:
    """By when they were deployed, then type, then hash; an empty store has neither packages nor routes."""
    same(await store.list_packages(), [], "the packages of an empty store")
    same(await store.list_package_routes(), [], "the routes of an empty store")
    packages = [
        _package("parcel", "cc", at=START - SECOND),
        _package("order", "aa"),
        _package("order", "bb"),
        _package("parcel", "aa"),
        _package("order", "00", at=START.replace(microsecond=1)),
    ]
    for package in (packages[2], packages[4], packages[0], packages[3], packages[1]):
        await store.put_package(package)
    same(await store.list_packages(), packages, "the packages")


async def s22_putting_a_package_again_replaces_it(store: EventStore) -> None:
    """The same type and hash: one row, with the new archive and time."""
    await store.put_package(_package(archive=b"old"))
    await store.put_package(_package("parcel"))
    replaced = _package(archive=b"new", at=START + SECOND)
    await store.put_package(replaced)
    same(await store.list_packages(), [_package("parcel"), replaced], "the packages")


async def s23_putting_a_package_points_its_route(store: EventStore) -> None:
    """The type's route points at what was put last, also when that is an old package put again."""
    await store.put_package(_package(content_hash="aa"))
    same(await _routes(store), {"order": "aa"}, "the route after the first package")
    await store.put_package(_package(content_hash="bb"))
    same(await _routes(store), {"order": "bb"}, "the route after the second package")
    await store.put_package(_package(content_hash="aa"))
    same(await _routes(store), {"order": "aa"}, "the route after the first package again")


async def s24_a_route_points_elsewhere_without_touching_archives(store: EventStore) -> None:
    """Routes move on their own; the package they point at need not exist."""
    packages = [_package(content_hash="aa"), _package(content_hash="bb")]
    for package in packages:
        await store.put_package(package)
    await store.put_package_route("order", "aa")
    await store.put_package_route("parcel", "nowhere")
    same(await _routes(store), {"order": "aa", "parcel": "nowhere"}, "the routes")
    same(await store.list_packages(), packages, "the packages")


async def s25_deleting_removes_its_target_only(store: EventStore) -> None:
    """The archive goes, other packages and every route stay; deleting an absent one is fine, twice too."""
    for package in (_package(content_hash="aa"), _package(content_hash="bb"), _package("parcel", "aa")):
        await store.put_package(package)
    for _ in range(2):
        await store.delete_package("order", "aa")
        left = [_package(content_hash="bb"), _package("parcel", "aa")]
        same(await store.list_packages(), left, "the packages after the deletion")
    await store.delete_package("order", "bb")
    await store.delete_package("never", "was")
    same(await store.list_packages(), [_package("parcel", "aa")], "the packages in the end")
    same(await _routes(store), {"order": "bb", "parcel": "aa"}, "the routes in the end")


async def s26_routes_are_listed_in_type_order(store: EventStore) -> None:
    """By workflow type, whatever the order of writing."""
    for workflow_type in ("parcel", "order", "refund", "audit"):
        await store.put_package_route(workflow_type, f"{workflow_type}-hash")
    wanted = [
        PackageRouteRecord(workflow_type=each, content_hash=f"{each}-hash")
        for each in ("audit", "order", "parcel", "refund")
    ]
    same(await store.list_package_routes(), wanted, "the routes")


async def s36_a_package_and_its_routes_are_one_unit(store: EventStore) -> None:
    """The row and the routes that are named, no others; with one bad name nothing at all is written."""
    await store.put_package_route("order", "old")
    await store.put_package_route("refund", "old")
    package = _package(content_hash="new")
    await store.put_package_with_routes(package, ["refund", "audit", "refund"])
    same(await store.list_packages(), [package], "the packages")
    routes = {"audit": "new", "order": "old", "refund": "new"}
    same(await _routes(store), routes, "the routes")
    unnamed = _package(content_hash="unrouted", at=START + SECOND)
    await store.put_package_with_routes(unnamed, [])
    for names in (["order", ""], ["order", "\x00"], ["x" * 1_025]):
        call = store.put_package_with_routes(_package(content_hash="refused"), names)
        await refused(ValueError, call, f"workflow types {names!r:.40}")
    same(await store.list_packages(), [package, unnamed], "the packages after refused puts")
    same(await _routes(store), routes, "the routes after refused puts")


async def s56_archives_survive_byte_for_byte(store: EventStore) -> None:
    """Every byte value, no bytes at all, and the largest archive allowed; one byte more is refused."""
    archives = {"every value": bytes(range(256)) * 3, "none": b"", "largest": b"\xf0\x00" * (MAX_ARCHIVE_BYTES // 2)}
    for content_hash, archive in archives.items():
        await store.put_package(_package(content_hash=content_hash, archive=archive))
    too_large = _package(content_hash="too large", archive=b"x" * (MAX_ARCHIVE_BYTES + 1))
    for call in (store.put_package(too_large), store.put_package_with_routes(too_large, ["order"])):
        error = await refused(LimitExceededError, call, "an archive over the limit")
        same((error.maximum, error.actual), (MAX_ARCHIVE_BYTES, MAX_ARCHIVE_BYTES + 1), "the limit's facts")
    found = {package.content_hash: package.archive for package in await store.list_packages()}
    same(sorted(found), sorted(archives), "the packages' hashes")
    for content_hash, archive in archives.items():
        if found[content_hash] != archive:
            raise AssertionError(f"the archive of package {content_hash!r} came back changed")
    same(await _routes(store), {"order": "largest"}, "the routes")
