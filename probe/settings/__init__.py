"""The only reader of the environment and of the settings file."""

from probe.settings.doubts import doubts, measuring_s, rehearsal_s
from probe.settings.loading import NOT_SETTINGS, load, password
from probe.settings.problems import SettingsError
from probe.settings.schema import (
    LOAD,
    SCHEDULED,
    CloudRun,
    Connector,
    Egress,
    Monitoring,
    Profile,
    Route,
    Settings,
    SqlAdmin,
)
from probe.settings.table import settings_table

__all__ = [
    "LOAD",
    "NOT_SETTINGS",
    "SCHEDULED",
    "CloudRun",
    "Connector",
    "Egress",
    "Monitoring",
    "Profile",
    "Route",
    "Settings",
    "SettingsError",
    "SqlAdmin",
    "doubts",
    "load",
    "measuring_s",
    "password",
    "rehearsal_s",
    "settings_table",
]
