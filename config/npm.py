"""Finds the few files of npm packages that pages use, and nothing else of those packages."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage
from servestatic.storage import CompressedManifestStaticFilesStorage

from config.env import BASE_DIR

NODE_MODULES = BASE_DIR / "node_modules"

# The `{% icon %}` tag draws these (keys/templatetags/keydeck.py).
ICONS = (
    "activity alert-circle alert-triangle apps arrow-left arrow-right ban bell brand-docker brush "
    "bulb chart-bar check chevron-down chevron-right circle-check circle-dashed circle-x "
    "clipboard-check clock code copy credit-card dots-vertical download edit external-link eye "
    "file-import filter heartbeat history hourglass info-circle key lifebuoy list-details lock "
    "lock-open login logout menu-2 moon player-pause player-play plug plug-connected plus refresh "
    "rotate search server settings shield-check shield-lock shield-x snowflake sun terminal-2 "
    "trash user user-plus users vector wallet x"
)

# URL below /static/ -> file below node_modules/
FILES = {
    "vendor/tabler.css": "@tabler/core/dist/css/tabler.min.css",
    "vendor/tabler.js": "@tabler/core/dist/js/tabler.min.js",
    "vendor/htmx.js": "htmx.org/dist/htmx.min.js",
    "vendor/chart.js": "chart.js/dist/chart.umd.min.js",
    "vendor/luxon.js": "luxon/build/global/luxon.min.js",
    "vendor/chart-luxon.js": "chartjs-adapter-luxon/dist/chartjs-adapter-luxon.umd.min.js",
    "vendor/inter.woff2": "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
    **{
        f"vendor/icons/{name}.svg": f"@tabler/icons/icons/outline/{name}.svg"
        for name in ICONS.split()
    },
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
        source = NODE_MODULES / FILES[path] if path in FILES else Path()
        found = str(source) if source.is_file() else ""
        if find_all:
            return [found] if found else []
        return found

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[Any]:
        for name in FILES:
            yield name, self.storage


class HashedStorage(CompressedManifestStaticFilesStorage):
    """Names with content hashes; leaves alone the source map comments of minified packages.

    The maps are not served, and looking for them would make collectstatic fail.
    """

    patterns = tuple(
        (glob, tuple(rule for rule in rules if "sourceMappingURL" not in str(rule)))
        for glob, rules in CompressedManifestStaticFilesStorage.patterns
    )
