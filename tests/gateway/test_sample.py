"""What is kept of an answer to judge it by: its beginning and, of JSON and streams, its end."""

import pytest

from usage.gateway.answer import HEAD, TAIL, Sample

PIECES = (999, 5000, HEAD + TAIL)


def sample_of(body: bytes, piece: int, **options: bool) -> Sample:
    sample = Sample(**{"tail": True, **options})
    for at in range(0, len(body), piece):
        sample.add(body[at : at + piece])
    return sample


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("length", [0, 10, HEAD - 1, HEAD, HEAD + 1, HEAD + TAIL])
def test_what_fits_is_kept_whole(length: int, piece: int) -> None:
    body = bytes(number % 251 for number in range(length))
    sample = sample_of(body, piece)
    assert sample.complete
    assert sample.body == body


@pytest.mark.parametrize("piece", PIECES)
def test_of_what_does_not_fit_both_ends_are_kept_apart(piece: int) -> None:
    body = bytes(number % 251 for number in range(HEAD + TAIL + 1000))
    sample = sample_of(body, piece)
    assert not sample.complete
    assert sample.body == body[:HEAD] + b"\n\n" + body[-TAIL:]


def test_without_a_tail_the_beginning_alone_is_kept() -> None:
    sample = sample_of(b"x" * (HEAD + 5), 999, tail=False)
    assert (sample.complete, sample.body) == (False, b"x" * HEAD)


def test_only_a_stream_says_that_it_is_finished() -> None:
    body = b'{"said": "data: [DONE]"}'
    assert not sample_of(body, 999).finished
    assert sample_of(body, 999, stream=True).finished
