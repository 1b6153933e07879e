"""Reading what people paste: tables and .env files."""

import string
from io import StringIO

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from keys import pasted, tokens
from keys.models import Provider
from keys.pasted import Unreadable
from keys.providers.anthropic import ANTHROPIC
from keys.providers.custom import spec_of
from keys.providers.modelslab import MODELSLAB
from keys.providers.openai import OPENAI

STRIPE = spec_of(
    Provider(
        slug="stripe", name="Stripe", base_url="https://api.stripe.com", credential_in="bearer"
    )
)
SPECS = [MODELSLAB, OPENAI, ANTHROPIC, STRIPE]
BY_SLUG = {spec.slug: spec for spec in SPECS}
SK = "sk-proj-0123456789abcdefABCDEF"
ANT = "sk-ant-api03-0123456789abcdefABCDEF"


def told(rows):
    return [(row.line, row.provider, row.name, row.secret.reveal()) for row in rows]


def test_a_table_without_a_first_line_has_provider_name_secret():
    rows = pasted.read_table("openai,Main,sk-1\n\nmodelslab, Second ,ml-2\n")

    assert told(rows) == [(1, "openai", "Main", "sk-1"), (3, "modelslab", "Second", "ml-2")]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_first_line_gives_the_order_of_the_columns(separator):
    head = ["Name", "secret", "Provider", "tags"]
    text = "\r\n".join(separator.join(cells) for cells in [head, ["A", "s", "openai", "eu prod"]])
    (row,) = pasted.read_table("\ufeff" + text)

    assert told([row]) == [(2, "openai", "A", "s")]
    assert (row.tags, row.note, row.environment) == ("eu prod", "", "live")


def test_a_quoted_cell_may_hold_separators_and_quotes():
    (row,) = pasted.read_table('openai,"Main, ""old""",sk-1,"a note; two"')

    assert (row.name, row.note) == ('Main, "old"', "a note; two")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name,secret\na,b", "lacks the column provider"),
        ("provider,name,secret,colour\n", "'colour'"),
        ("modelslab,secret,Sk-Live-0123", "names 'modelslab'; columns are"),
        ("sk-live-0123,secret", "names what is no column; columns are"),
        ('openai,"a\n', "Line"),
    ],
)
def test_a_table_that_is_none_says_why(text, why):
    if text.startswith("openai"):
        pasted.read_table(text)  # an open quote reads to the end: the row lacks its secret
        return
    with pytest.raises(Unreadable, match=why):
        pasted.read_table(text)


def test_a_row_with_too_many_columns_is_read_with_its_fault():
    good, bad = pasted.read_table("openai,Main,sk-1\nopenai,b,c,d,e,live,g\n")

    assert good.fault is None
    assert bad.fault == ("row", "It has 7 columns; at most 6 are known.")


RANDOM = "Zx81kqPo0aa72hQmmWv3"


@pytest.mark.parametrize("column", ["name", "note", "tags"])
def test_a_random_text_beside_a_secret_that_is_a_word_is_told(column):
    cells = {"provider": "openai", "name": "Main", "secret": "account", column: RANDOM}
    (row,) = pasted.read_table(f"{','.join(cells)}\n{','.join(cells.values())}")

    assert row.fault == (column, "This looks like the secret: are the columns mixed up?")


@pytest.mark.parametrize(
    "line",
    [
        f"openai,{RANDOM},{RANDOM[::-1]}",  # the secret is none that anybody would call a word
        f"openai,{RANDOM[:19]},Main account",
        "openai,production-eu-main-account,words-alone",
        "openai,Main account 2 of the web shop,words-alone",
    ],
)
def test_names_that_may_be_meant_are_left_alone(line):
    (row,) = pasted.read_table(line)

    assert row.fault is None


def test_a_dotenv_is_told_from_a_table():
    assert pasted.is_dotenv("# ours\n\nexport OPENAI_API_KEY=sk-1")
    assert pasted.is_dotenv("A = b")
    assert not pasted.is_dotenv("provider,name,secret\nopenai,a,b=c")
    assert not pasted.is_dotenv("")


def test_keys_are_known_by_their_shape_and_by_their_variable():
    read = pasted.read_dotenv(
        f"DEBUG=1\nMODELSLAB_API_KEY=ml-123\nLLM='{ANT}'\nBACKUP_OPENAI_KEY={SK}\n"
        "STRIPE_LIVE_SECRET_KEY=whatever\nSTRIPE_URL=https://x\nTWILIO_API_KEY=abc\n"
        "EMPTY_API_KEY=\n",
        SPECS,
    )

    assert told(read.found) == [
        (2, "modelslab", "MODELSLAB_API_KEY", "ml-123"),
        (3, "anthropic", "LLM", ANT),
        (4, "openai", "BACKUP_OPENAI_KEY", SK),
        (5, "stripe", "STRIPE_LIVE_SECRET_KEY", "whatever"),
    ]
    assert read.left == ("TWILIO_API_KEY",)


def test_the_shape_counts_more_than_the_variable():
    (row,) = pasted.read_dotenv(f"OPENAI_API_KEY={ANT}", SPECS).found

    assert row.provider == "anthropic"


def test_an_app_key_of_ours_is_left_alone():
    text = f"MODELSLAB_API_KEY={tokens.new_app_key('live', 'a' * 12)}"

    assert pasted.read_dotenv(text, SPECS).found == ()


def test_the_file_comes_back_with_app_keys_and_where_calls_go_now(settings):
    settings.GATEWAY_URL = "https://keys.example/gateway"
    text = (
        "# production\nDEBUG=1\n\nexport OPENAI_API_KEY='" + SK + "'  # main\n"
        'MODELSLAB_API_KEY=ml-123\nOTHER="a b"\n'
    )
    read = pasted.read_dotenv(text, SPECS)
    made = {SK: "kd_live_o", "ml-123": "kd_live_m"}

    assert pasted.replacement(read, made, BY_SLUG) == (
        "# production\nDEBUG=1\n\nexport OPENAI_API_KEY='kd_live_o'  # main\n"
        "OPENAI_BASE_URL=https://keys.example/gateway/openai/v1\n"
        "MODELSLAB_API_KEY=kd_live_m\n"
        "# ModelsLab is called at https://keys.example/gateway/modelslab now, "
        "not at https://modelslab.com\n"
        'OTHER="a b"\n'
    )


def test_a_base_url_that_is_there_already_is_changed_in_its_place(settings):
    settings.GATEWAY_URL = "https://keys.example/gateway"
    text = f"ANTHROPIC_BASE_URL=https://api.anthropic.com\nANTHROPIC_API_KEY={ANT}"
    read = pasted.read_dotenv(text, SPECS)

    assert pasted.replacement(read, {ANT: "kd_live_a"}, BY_SLUG) == (
        "ANTHROPIC_BASE_URL=https://keys.example/gateway/anthropic\nANTHROPIC_API_KEY=kd_live_a"
    )


def test_what_stays_of_the_file_stands_in_its_old_lines():
    text = (
        f"# was {SK}\r\n\r\nOPENAI_API_KEY='{SK}' # {SK}\r\nbroken line {SK}\r\n"
        f'B_OPENAI_KEY="\n{SK}"\nC_OPENAI_KEY="{SK}\\n"\nOPENAI_BASE_URL=https://{SK}@x\nURL={SK}'
    )
    read = pasted.read_dotenv(text.replace(f"URL={SK}", f"URL=https://{SK}@y"), SPECS)
    made = {SK: "kd_live_o"}
    kept = pasted.rest(read, made, BY_SLUG)

    assert len(pasted.lines(kept)) == len(pasted.lines(text)) == 9
    assert pasted.lines_with(kept, made) == (1, 3, 4, 9)


@given(st.text("ab\r\n\x0b\u2028", max_size=20))
def test_lines_are_those_of_an_editor(text):
    assert "".join(pasted.lines(text)) == text
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    assert len(pasted.lines(text)) == plain.count("\n") + (plain[-1:] not in ("", "\n"))


def test_nothing_read_shows_a_secret_when_printed():
    read = pasted.read_dotenv(f"OPENAI_API_KEY={SK}\nDATABASE_URL=postgres://u:hunter2@h/d", SPECS)

    assert SK not in repr(read)
    assert "hunter2" not in repr(read)


NAMES = st.from_regex(r"[A-Z][A-Z0-9_]{0,20}", fullmatch=True)
VALUES = st.text(string.ascii_letters + string.digits + "-_.:/+=", max_size=40)


@given(st.dictionaries(NAMES, VALUES, max_size=8), st.sampled_from(["{}", "'{}'", '"{}"']))
def test_every_other_line_stays_as_it_was(variables, quoted):
    text = "".join(f"{name}={quoted.format(value)}\n" for name, value in variables.items())
    text += f"ZZZ_OPENAI_API_KEY={quoted.format(SK)}\n"
    read = pasted.read_dotenv(text, SPECS)
    secrets = {row.secret.reveal().strip() for row in read.found}
    texts = {secret: f"kd_live_{number}" for number, secret in enumerate(secrets)}
    made = {row.name: texts[row.secret.reveal().strip()] for row in read.found}
    back = pasted.replacement(read, texts, BY_SLUG)
    values = dotenv_values(stream=StringIO(back))

    assert SK not in back
    for name, value in variables.items():
        if name not in made and name not in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
            assert values[name] == value
    assert {name: values[name] for name in made} == made


@given(st.text(max_size=300))
def test_no_text_breaks_the_readers(text):
    read = pasted.read_dotenv(text, SPECS)
    assert pasted.replacement(read, {}, BY_SLUG) == pasted.rest(read, {}, BY_SLUG) == text
    try:
        rows = pasted.read_table(text)
    except Unreadable:
        return
    assert all(1 <= row.line <= len(text.splitlines()) + 1 for row in rows)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("A=x" + " " * 200 + "y", "Line 1 has more than 100 blanks in a row"),
        ("A=1\nB=2\nC=" + "\t" * 101 + "y", "Line 3 has more than 100 blanks"),
        ("A='x\n" * 20_000, "100,000 characters long; at most 50,000"),
        ("acme,Key,sk-acme-0001\n" * 50_000, "1,100,000 characters long; at most 1,000,000"),
    ],
)
def test_what_would_take_long_to_read_is_refused_before_it_is_read(text: str, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        pasted.require_bounded(text)


def test_an_ordinary_file_with_indents_and_blank_lines_is_read() -> None:
    pasted.require_bounded("\n\n\n# keys\n    A=1        # one\n\n\n\nB=2\n" * 500)
