"""A path has one reading, or is refused."""

from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage.gateway import paths
from usage.gateway.errors import Denial


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("/gateway/modelslab/api/v6/images", ("modelslab", "/api/v6/images")),
        ("/gateway/modelslab/api/", ("modelslab", "/api/")),
        ("/gateway/my-api/a%20b/c:d@e", ("my-api", "/a%20b/c:d@e")),
        ("/gateway/my-api/%E2%82%AC...", ("my-api", "/%E2%82%AC...")),
    ],
)
def test_a_plain_path_is_taken_as_it_is(raw: str, expected: tuple[str, str]) -> None:
    assert paths.split(raw) == expected


def test_a_path_without_a_provider_says_how_it_is_written() -> None:
    with pytest.raises(Denial, match="bad_request") as refused:
        paths.split("/gateway/")
    assert refused.value.message.startswith("Say /gateway/<provider>/")


@pytest.mark.parametrize("slug", ["sandbox", "modelslab", "my-api"])
@pytest.mark.parametrize("end", ["", "/"])
def test_a_provider_without_a_path_says_what_is_missing(slug: str, end: str) -> None:
    with pytest.raises(Denial, match="bad_request") as refused:
        paths.split(f"/gateway/{slug}{end}")
    assert refused.value.message.startswith(f"The path is missing: say /gateway/{slug}/<path")


@given(st.text(alphabet="/.%2eE5cCfF0;3bB\\a\t\n é", max_size=12))
def test_what_passes_has_one_reading(rest: str) -> None:
    try:
        path = paths.check("/" + rest)
    except Denial as refused:
        assert refused.code == "bad_request"
        return
    plain = unquote(path, errors="strict") if "%" in path else path
    assert "//" not in plain
    assert not {".", ".."} & {part.partition(";")[0].strip() for part in plain.split("/")}
    assert unquote(plain) == plain
    assert all(char.isprintable() or ord(char) > 127 for char in plain)


@pytest.mark.parametrize("path", ["/%C0%AE%C0%AE/x", "/a%C0%AFb", "/%FF"])
def test_bytes_that_are_no_text_are_refused(path: str) -> None:
    with pytest.raises(Denial):
        paths.check(path)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/public/..;/admin",
        "/v1/public/..%3b/admin",
        "/v1/public/..%3Bx=1/admin",
        "/v1/public/.;/admin",
        "/v1/public/;/admin",
        "/v1/public/x%20/..%20/admin",
        "/v1/public/%20../admin",
        "/v1/public/..%C2%A0/admin",
        "/v1/public/..;",
    ],
)
def test_what_a_lenient_server_reads_as_another_path_is_refused(path: str) -> None:
    with pytest.raises(Denial) as refused:
        paths.check(path)
    assert refused.value.code == "bad_request"


@given(st.text(alphabet="abcXYZ-_~ é", min_size=1, max_size=20))
def test_an_ordinary_segment_passes(segment: str) -> None:
    assert paths.check("/v1/" + quote(segment)) == "/v1/" + quote(segment)


def test_globs_match_the_decoded_whole_path() -> None:
    assert paths.allowed("/api/v6/images/text2img", ("/api/v6/images/*",))
    assert paths.allowed("/api/v6/im%61ges/text2img", ("/api/v6/images/*",))
    assert not paths.allowed("/api/v6/video/text2img", ("/api/v6/images/*",))
    assert not paths.allowed("/x/api/v6/images/a", ("/api/v6/images/*",))
    assert not paths.allowed("/api", ())


def test_a_glob_must_match_every_reading_of_a_path() -> None:
    assert paths.allowed("/v1/public/x;a=1", ("/v1/public/*",))
    assert not paths.allowed("/v1/admin;/x", ("/v1/admin;/*",))
    assert not paths.allowed("/v1/admin;public", ("/v1/*public",))
    assert not paths.allowed("/V1/Public/x", ("/v1/public/*",))
