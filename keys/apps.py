"""The app that owns keys: applications, members, vault, lifecycle, providers, checks."""

from django.apps import AppConfig


class KeysConfig(AppConfig):
    name = "keys"
