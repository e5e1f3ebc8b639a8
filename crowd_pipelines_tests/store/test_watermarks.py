"""Watermarks and lookups are remembered per integration and tenant."""

import secrets
from typing import Any

from sqlalchemy import Engine

from crowd_pipelines.model.records import AttributeType, MemberAttribute
from crowd_pipelines.store import attributes, watermarks
from crowd_pipelines_tests.store.tenant import PLATFORM, Tenant


def write(tenant: Tenant, **values: dict[str, Any]) -> None:
    with tenant.engine.begin() as conn:
        watermarks.write(conn, {(tenant.integration_id, subject): value for subject, value in values.items()})


def read(tenant: Tenant, *subjects: str) -> dict[str, Any]:
    with tenant.engine.begin() as conn:
        return watermarks.read(conn, tenant.integration_id, subjects)


def test_a_watermark_is_read_as_it_was_written_last(tenant: Tenant) -> None:
    write(tenant, a={"at": 1}, b={"at": 2})
    write(tenant, a={"at": 3, "ids": [None, "x"]})
    assert read(tenant, "a", "b", "unknown") == {"a": {"at": 3, "ids": [None, "x"]}, "b": {"at": 2}}
    assert read(tenant) == {}


def test_the_same_watermark_again_writes_nothing(tenant: Tenant) -> None:
    write(tenant, a={"at": 1}, b={"at": 1})
    before = tenant.versions("watermarks")
    write(tenant, b={"at": 1}, a={"at": 1})
    assert tenant.versions("watermarks") == before


def test_integrations_have_watermarks_of_their_own(engine: Engine, tenant: Tenant) -> None:
    second = Tenant.connect(engine, integration="Second")
    write(tenant, a={"at": 1})
    assert read(second, "a") == {}


def test_a_lookup_is_remembered_once_and_renewed(tenant: Tenant) -> None:
    seen = (tenant.id, PLATFORM, "key")
    with tenant.engine.begin() as conn:
        watermarks.remember_lookups(conn, [seen, seen])
    first = tenant.value("SELECT looked_up_at FROM lookups")
    with tenant.engine.begin() as conn:
        watermarks.remember_lookups(conn, [seen])
    assert tenant.value("SELECT looked_up_at FROM lookups") > first


def test_member_attributes_are_created_where_the_tenant_lacks_them(engine: Engine, tenant: Tenant) -> None:
    declared = (
        MemberAttribute(name="bio", label="Bio"),
        MemberAttribute(name="url", label="Profile", type=AttributeType.URL),
    )
    with tenant.engine.begin() as conn:
        assert attributes.ensure(conn, tenant.id, declared[:1]) == 1
        assert attributes.ensure(conn, tenant.id, declared) == 1
        assert attributes.ensure(conn, tenant.id, declared) == 0
        assert attributes.ensure(conn, tenant.id, ()) == 0
    rows = tenant.rows("SELECT name, type, label FROM member_attribute_settings ORDER BY name")
    assert rows == [
        {"name": "bio", "type": "string", "label": "Bio"},
        {"name": "url", "type": "url", "label": "Profile"},
    ]


def test_subjects_of_any_text_can_be_asked_for(tenant: Tenant) -> None:
    with tenant.engine.begin() as conn:
        assert watermarks.read(conn, tenant.integration_id, ["user:\ud83d", "user:\x00"]) == {}


def test_a_subject_longer_than_an_index_takes_is_found_again(tenant: Tenant) -> None:
    long = secrets.token_hex(6_000)
    write(tenant, **{long: {"page": 1}})
    assert read(tenant, long) == {long: {"page": 1}}


def test_an_empty_watermark_is_forgotten(tenant: Tenant) -> None:
    write(tenant, a={"page": 1}, b={"page": 2})
    write(tenant, a={}, b={"page": 3}, c={})
    assert read(tenant, "a", "b", "c") == {"b": {"page": 3}}
    assert tenant.value("SELECT count(*) FROM watermarks") == 1
