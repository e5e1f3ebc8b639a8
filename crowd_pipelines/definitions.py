"""The code location: everything that Dagster shows and runs, built from the registry of platforms."""

import warnings

import dagster as dg

from crowd_pipelines.defs.assets import assets_of
from crowd_pipelines.defs.jobs import job_for
from crowd_pipelines.defs.lost_workers import lost_workers_sensor
from crowd_pipelines.defs.resources import resources
from crowd_pipelines.defs.retention import retention_job, retention_schedule
from crowd_pipelines.defs.schedules import ticks_of
from crowd_pipelines.defs.sensors import onboarding_sensor, resume_sensor
from crowd_pipelines.http.logs import redact_logs
from crowd_pipelines.integrations import registry

# Code servers and run workers begin here.
redact_logs()

# Dagster passes a parameter to itself that it then warns about, on every load of the code location.
warnings.filterwarnings(
    "ignore", message="Parameter `owners` of initializer `SensorDefinition", category=dg.BetaWarning
)

_platforms = registry()
_jobs = {platform: job_for(integration) for platform, integration in _platforms.items()}

defs = dg.Definitions(
    assets=[spec for integration in _platforms.values() for spec in assets_of(integration)],
    jobs=[*_jobs.values(), retention_job],
    schedules=[
        *(ticks_of(one, _jobs[name]) for name, one in _platforms.items() if one.ticks_between_checks >= 0),
        retention_schedule,
    ],
    sensors=[onboarding_sensor(_jobs), resume_sensor(_jobs), lost_workers_sensor(_jobs)],
    resources=resources(),
)
