"""The assets: what the pipeline fills. Their pages plot the growth that every Dagster run reports."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from crowd_pipelines.framework.integration import Integration
from crowd_pipelines.store.integrations import Totals


def assets_of(integration: Integration[Any, Any, Any]) -> list[dg.AssetSpec]:
    """Return the assets that a platform's job fills; one that only looks after members of another fills none."""
    if not integration.activity_types:
        return []
    types = ", ".join(f"`{kind.name}` ({kind.score})" for kind in integration.activity_types)
    texts = {
        "activities": f"What members did on {integration.title}, by type (and score): {types}.",
        "members": f"The people seen on {integration.title}.",
    }
    return [
        dg.AssetSpec(key=[integration.platform, name], group_name=integration.platform, description=description)
        for name, description in texts.items()
    ]


def growth(platform: str, totals: Totals, picture: str | None) -> Iterator[dg.AssetMaterialization]:
    """Yield what the platform's assets hold now; the asset pages plot it over time.

    `picture` is Markdown that shows the activities per month.
    """
    shown = {"per_month": dg.MetadataValue.md(picture)} if picture else {}
    yield dg.AssetMaterialization(asset_key=[platform, "activities"], metadata={"total": totals.activities, **shown})
    yield dg.AssetMaterialization(asset_key=[platform, "members"], metadata={"total": totals.members})
