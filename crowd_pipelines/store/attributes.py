"""The member attributes a tenant has, with type and label for whoever shows them."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from crowd_pipelines.model.records import MemberAttribute
from crowd_pipelines.store.schema import member_attribute_settings


def ensure(conn: Connection, tenant_id: UUID, attributes: Sequence[MemberAttribute]) -> int:
    """Create those that the tenant lacks; returns how many those were."""
    rows = [
        {"tenant_id": tenant_id, "name": attribute.name, "type": attribute.type, "label": attribute.label}
        for attribute in attributes
    ]
    if not rows:
        return 0
    new = insert(member_attribute_settings).values(rows).on_conflict_do_nothing()
    return len(conn.execute(new.returning(member_attribute_settings.c.name)).all())
