"""The assets: what the pipeline fills. Their pages plot the growth that every Dagster run reports."""

from typing import Any

import dagster as dg

from crowd_pipelines.framework.integration import Integration


def assets_of(integration: Integration[Any, Any, Any]) -> list[dg.AssetSpec]:
    """Return the assets that a platform's job fills."""
    types = ", ".join(f"`{kind.name}` ({kind.score})" for kind in integration.activity_types)
    texts = {
        "activities": f"What members did on {integration.title}, by type (and score): {types}.",
        "members": f"The people seen on {integration.title}.",
    }
    return [
        dg.AssetSpec(key=[integration.platform, name], group_name=integration.platform, description=description)
        for name, description in texts.items()
    ]
