"""URLs of the web app. The gateway is not here: config/asgi.py mounts it beside Django."""

from django.urls import include, path

urlpatterns = [
    path("accounts/", include("allauth.urls")),
]
