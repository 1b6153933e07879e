"""The sandbox as a provider: ModelsLab's shapes, and a page that no app key opens."""

import pytest

from keys import pasted, snippets
from keys.providers.registry import BUILT_IN
from keys.providers.sandbox import sandbox


@pytest.mark.parametrize("path", ["/", "/_sandbox/requests", "/%5fsandbox/keys/x/kill", "/;x"])
def test_its_page_and_its_controls_are_not_open_to_app_keys(path: str) -> None:
    assert sandbox(8001).denied("GET", path)


def test_what_modelslab_has_is_open() -> None:
    assert not sandbox(8001).denied("GET", "/api/v6/images/text2img")


def test_a_dotenv_means_it_by_the_variable_that_its_snippets_read():
    specs = [*BUILT_IN, sandbox(8001)]
    for spec in specs:
        (found,) = pasted.read_dotenv(snippets.dotenv_line(spec, "plain-key-1"), specs).found
        assert found.provider == spec.slug
