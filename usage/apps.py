"""The app that owns calls: gateway, wrapper, spool, ledger, rollups, charts."""

from django.apps import AppConfig


class UsageConfig(AppConfig):
    name = "usage"
