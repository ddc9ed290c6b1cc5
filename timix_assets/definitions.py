"""What Dagster loads for the project: one workspace without a prefix, as the environment describes it."""

from timix_assets.quick_imports import quick_imports

with quick_imports():
    from timix_assets.ingest.time_zone import with_organization_time_zone
    from timix_assets.settings import Settings
    from timix_assets.workspace import build_definitions

    defs = build_definitions(with_organization_time_zone(Settings.from_environment()))
