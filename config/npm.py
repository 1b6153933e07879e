"""Finds the few files of npm packages that pages use, and nothing else of those packages."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage

from config.env import BASE_DIR

NODE_MODULES = BASE_DIR / "node_modules"

# URL below /static/ -> file below node_modules/
FILES = {
    "vendor/tabler.css": "@tabler/core/dist/css/tabler.min.css",
    "vendor/tabler.js": "@tabler/core/dist/js/tabler.min.js",
    "vendor/htmx.js": "htmx.org/dist/htmx.min.js",
    "vendor/chart.js": "chart.js/dist/chart.umd.min.js",
    "vendor/luxon.js": "luxon/build/global/luxon.min.js",
    "vendor/chart-luxon.js": "chartjs-adapter-luxon/dist/chartjs-adapter-luxon.umd.min.js",
}


class _PackageStorage(FileSystemStorage):
    def path(self, name: str) -> str:
        return str(NODE_MODULES / FILES[name])


class PackageFinder(BaseFinder):
    """A staticfiles finder over FILES."""

    storage = _PackageStorage(location=str(NODE_MODULES))

    def check(self, **kwargs: Any) -> list[Any]:
        return []

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        source = FILES.get(path)
        found = str(NODE_MODULES / source) if source else ""
        if find_all:
            return [found] if found else []
        return found

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[Any]:
        for name in FILES:
            yield name, self.storage
