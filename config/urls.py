"""URLs of the web app. The gateway is not here: config/asgi.py mounts it beside Django."""

from django.urls import include, path

from config import health
from config.api import api

handler500 = "config.failure.broken"

urlpatterns = [
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("accounts/", include("keys.account_urls")),
    path("api/v1/", api.urls),
    path("", include("keys.urls")),
    path("", include("usage.urls")),
]
