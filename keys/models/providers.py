"""Custom providers. Built-in ones are code (`keys.providers`)."""

from django.db import models


class Provider(models.Model):
    """An upstream HTTP API that a site admin described."""

    PLACES = [("header", "header"), ("bearer", "bearer"), ("query", "query"), ("body", "body")]

    slug = models.SlugField(primary_key=True, max_length=50)
    name = models.CharField(max_length=100)
    base_url = models.URLField(max_length=300)
    credential_in = models.CharField(max_length=10, choices=PLACES)
    # Header, query parameter or JSON member; unused for bearer.
    credential_name = models.CharField(max_length=100, blank=True)
    # What stands before it in a header: a scheme, or nothing.
    credential_prefix = models.CharField(max_length=30, blank=True, default="")
    # Empty path: cannot be checked for free.
    probe_method = models.CharField(max_length=10, blank=True)
    probe_path = models.CharField(max_length=300, blank=True)
    keys_url = models.URLField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.slug
