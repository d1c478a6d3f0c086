"""Claims in documents: what holds, what is stale, and that mending touches nothing else."""

from __future__ import annotations

import os
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfkv.check.claims import find_claims
from hfkv.check.question import Answer, parse_question
from hfkv.check.written import default_text, right_text
from hfkv.cli.compare import compare as compare_command
from hfkv.cli.kv import kv as kv_command
from hfkv.cli.lora import lora as lora_command
from hfkv.errors import InputError
from tests.check.conftest import LLAMA, QWEN, Project

KV = f"<!-- hfkv: kv {LLAMA} --tokens 100k -->"
END = "<!-- /hfkv -->"
BYTES = Answer(value=Fraction(32_768_000_000), unit="bytes")


@pytest.mark.parametrize(
    "text",
    [
        "32.77 GB", "32.8GB", "33 GB", "**32.768 GB**", "32,768,000,000 bytes", "32768000000",
        "32_768_000_000 B", "30.5 GiB", "about 33 GB of memory", "0.0328 TB", "31,250 MiB",
        "32.77&nbsp;GB", "32.77\u202fGB", "\n33 GB\n", "32768000000 in all",
        "31250.00 MiB", "0.03 TB",
    ],
)  # fmt: skip
def test_a_figure_holds_in_any_unit_and_to_its_own_digits(text: str) -> None:
    assert right_text(text, BYTES) == text


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("32.76 GB", "32.77 GB"),
        ("30 GB", "33 GB"),
        ("**31.9 GB** of it", "**32.8 GB** of it"),
        ("32.77 GiB", "30.52 GiB"),
        ("16 KB", "32,768,000 KB"),
        ("16,000 KB", "32,768,000 KB"),
        ("1 B", "32768000000 B"),
        ("1,000 B", "32,768,000,000 B"),
        ("32 gb", "33 gb"),
        ("**31.9** GB", "**32.8** GB"),
        ("<b>31.9</b> GB", "<b>32.8</b> GB"),
        ("`31`&nbsp;GB", "`33`&nbsp;GB"),
        ("$31.90\\,\\mathrm{GB}$", "$32.77\\,\\mathrm{GB}$"),
        ("31,9 Go", "32,8 Go"),
        ("31.9 gigabytes", "32.8 gigabytes"),
        ("31.9\u2009GB", "32.8\u2009GB"),
        ("31 000 000 000 bytes", "32 768 000 000 bytes"),
        ("31.000.000.000 bytes", "32.768.000.000 bytes"),
        ("31.9-GB", "32.8-GB"),
        ("31.9 | GB", "32.8 | GB"),
        ("31.9 [GB](x)", "32.8 [GB](x)"),
        ("31.9 \u0413\u0411", "32.8 \u0413\u0411"),
        ("~31.9 GiB", "~30.5 GiB"),
        ("", "32.77 GB"),
        ("to be measured", "32.77 GB"),
        ("0 TB", "0.033 TB"),
        ("0.0 GB", "32.8 GB"),
    ],
)
def test_a_stale_figure_is_written_anew_in_its_own_style(text: str, right: str) -> None:
    found = right_text(text, BYTES)
    assert found is not None
    assert found.replace(",", "") == right.replace(",", "")
    assert right_text(found, BYTES) == found


@pytest.mark.parametrize(
    "text",
    [
        "1 or 2 GB", "33 GB (H100: 80 GB)", "12-13", "x" * 500 + "1", "39x", "32.77 Gb", "14.75",
        "16", "H100", "-3 GB", "3e10 bytes", "31.9 Gbit/s", "31 * 10^9", "31 (of 80) GB", "31k",
        "31 billion", "31.9 GBP",
    ],
)  # fmt: skip
def test_what_is_not_understood_is_not_guessed_at(text: str) -> None:
    assert right_text(text, BYTES) is None


def test_what_cannot_be_mended_is_said_and_left(project: Project) -> None:
    text = f"{KV}14.75 of something{END}"
    project.write("README.md", text)
    (found,) = project.check(fix=True)
    assert (found.code, found.fixed) == ("HFKV301", False)
    assert "cannot be mended" in found.message
    assert (project.root / "README.md").read_text() == text


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        ("ratio", Fraction(3956, 100), "39.56x"),
        ("ratio", Fraction(1, 8), "12.5%"),
        ("ratio", Fraction(1, 8), "0.13"),
        ("percent", Fraction(58, 100), "0.58 %"),
        ("count", Fraction(15 * 10**12), "15T"),
        ("count", Fraction(15 * 10**12), "over 15 trillion tokens"),
        ("count", Fraction(70_553_706_496), "70.6B"),
        ("count", Fraction(2528), "2,528"),
    ],
)
def test_other_kinds_of_figures(unit: str, value: Fraction, text: str) -> None:
    answer = Answer(value=value, unit=unit)  # type: ignore[arg-type]
    assert right_text(text, answer) == text
    assert right_text(text, Answer(value=2 * value, unit=answer.unit)) != text


@given(
    st.fractions(min_value=0, max_value=10**16),
    st.sampled_from(["bytes", "count", "ratio", "percent"]),
    st.sampled_from(["exact", "at_least", "about", "up_to"]),
)
def test_what_is_put_in_is_found_right(value: Fraction, unit: str, qualifier: str) -> None:
    answer = Answer(value=value, unit=unit, qualifier=qualifier)  # type: ignore[arg-type]
    text = default_text(answer)
    assert right_text(text, answer) == text


@given(st.text(max_size=60), st.fractions(min_value=0, max_value=10**16))
def test_mending_any_text_is_idempotent(text: str, value: Fraction) -> None:
    answer = Answer(value=value, unit="bytes")
    right = right_text(text, answer)
    assert right is None or right_text(right, answer) == right


def test_text_fields() -> None:
    answer = Answer(value="bfloat16", unit="text")
    assert right_text("`bfloat16`", answer) == "`bfloat16`"
    assert right_text("**float16**", answer) == "**bfloat16**"
    assert right_text("", answer) == "bfloat16"


# -- documents -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{KV}32.77 GB{END}", []),
        (f"a\r\n\r\n{KV}31 GB{END}\r\n", [(3, "HFKV301")]),
        (f"{KV}31 GB{END} {KV}32 GB{END}", [(1, "HFKV301")] * 2),
        (f"| a |\n|---|\n| {KV}31 GB{END} |\n", [(3, "HFKV301")]),
        (f"{KV}32.77 GB\n", [(1, "HFKV302")]),
        (f"{KV}31 GB\n{KV}32.77 GB{END}", [(1, "HFKV302")]),
        (f"\n{END}\n", [(2, "HFKV302")]),
        (f"{KV}{KV}32.77 GB{END}{END}", [(1, "HFKV302")] * 2),
        ("<!-- hfkv: kv M\n\n text", [(1, "HFKV302")]),
        (f"<!-- <!-- hfkv: kv {LLAMA} --tokens 100k -->1 GB{END}", [(1, "HFKV301")]),
        (f"<!-- hfkv: {'x' * 5000} -->1{END}", [(1, "HFKV302")]),
        (f"<!-- hfkv: size {LLAMA} -->1{END}", [(1, "HFKV302")]),
        (f"<!-- hfkv: kv {LLAMA} --nope 1 -->1{END}", [(1, "HFKV302")]),
        (f"<!-- hfkv: kv {LLAMA} --tokens -->1{END}", [(1, "HFKV302")]),
        (f"<!-- hfkv: kv {LLAMA} --tokens lots -->1{END}", [(1, "HFKV302")]),
        (f"<!-- hfkv: kv {LLAMA} --field nope -->1{END}", [(1, "HFKV302")]),
        (f"<!-- hfkv: kv {LLAMA} --field notes -->1{END}", [(1, "HFKV302")]),
        (f"<!-- hfkv: kv {LLAMA} --engine abacus -->1{END}", [(1, "HFKV302")]),
        (f"<!-- hfkv: kv {LLAMA} --engine vllm -->32.77 GB{END}", []),
        (f"<!-- hfkv: kv {LLAMA} {QWEN} -->1{END}", [(1, "HFKV302")]),
        (f"<!-- hfkv: kv '{LLAMA} -->1{END}", [(1, "HFKV302")]),
        (f"<!-- hfkv: lora {LLAMA} --target-modules qq -->1{END}", [(1, "HFKV303")]),
        (f"<!-- hfkv: tokens mistralai/Mistral-7B-v0.1 -->1T{END}", [(1, "HFKV303")]),
        (f"<!-- hfkv: kv ./gone -->1T{END}", [(1, "HFKV003")]),
        (f"<!--hfkv:kv {LLAMA} --tokens 100k-->32.77 GB<!--/hfkv-->", []),
        (f"<!-- hfkv: hfkv kv {LLAMA} --tokens=100k -->32.77 GB{END}", []),
        (f"<!-- hfkv: lora {LLAMA} -r 32 --field parameters -->414,187,520{END}", []),
        (f"<!-- hfkv: compare {LLAMA} -->39.56x{END}", []),
        (f"<!-- hfkv: compare {LLAMA} --field break_even_tokens -->2,528{END}", []),
        (f"<!-- hfkv: compare {LLAMA} --field bytes_per_token.pretraining -->0.0094 B{END}", []),
        (f"<!-- hfkv: compare {LLAMA} --field lora_share_of_weights -->0.587%{END}", []),
        (f"<!-- hfkv: lora {LLAMA} --field trainable_percent -->0.584%{END}", []),
        (f"<!-- hfkv: tokens {LLAMA} -->over 15 trillion{END}", []),
        (f"<!-- hfkv: tokens {LLAMA} --field qualifier -->at_least{END}", []),
        (f"<!-- hfkv: kv {LLAMA} --field dtype -->float16{END}", [(1, "HFKV301")]),
        (f"{KV}31 GB{END} <!-- hfkv: ignore -->", []),
        (f"{KV}31 GB{END} <!-- hfkv: ignore[HFKV3] -->", []),
        (
            f"{KV}31 GB{END} <!-- hfkv: ignore[HFKV302] -->",
            [(1, "HFKV008"), (1, "HFKV301")],
        ),
        (f"{KV}31 GB{END}\n<!-- hfkv: ignore -->", [(1, "HFKV301"), (2, "HFKV008")]),
        (f"{KV}32.77 GB{END} <!-- hfkv: ignore -->", [(1, "HFKV008")]),
        (f"{KV}31 GB{END}\n\n<!-- hfkv: ignore-file[HFKV301] -->", []),
        (f"{KV}31 GB{END}\n\n`<!-- hfkv: ignore-file -->`", [(1, "HFKV301")]),
    ],
)
def test_documents(project: Project, text: str, expected: list[tuple[int, str]]) -> None:
    assert project.codes("README.md", text) == expected


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("```\nX\n```\n", False),
        ("```html\nX\n~~~\n```\nX", True),
        ("~~~\nX\n", False),
        ("> ```\n> X\n> ```\n", False),
        ("- a\n\n  ```\n  X\n  ```\n", False),
        ("- a\n\n  X\n", True),
        ("    X\n", False),
        ("\tX\n", False),
        ("a\n    X\n", True),
        ("1. a\n\n    X\n", True),
        ("a `X` b", False),
        ("a ``X ` b`` c", False),
        ("a ` X b", True),
        ("a `code` X `code`", True),
        ("```\r\nX\r\n```\r\n", False),
        ("a `b\nz X\nc` d", False),
    ],
)
def test_markers_in_code_are_shown_not_meant(text: str, meant: bool) -> None:
    text = text.replace("X", f"{KV}1 GB{END}")
    assert [claim.text for claim in find_claims(text)] == (["1 GB"] if meant else [])
    assert find_claims(text, markdown=False)


def test_html_and_text_have_no_code_of_markdown(project: Project) -> None:
    assert project.codes("page.html", f"<p>\n    `{KV}1 GB{END}`") == [(2, "HFKV301")]


@pytest.mark.posix
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_mending_touches_nothing_else(project: Project, mark: bytes) -> None:
    before = (
        f"# T\u00efel\r\n\r\nmixed \n{KV}31.90 GB{END}\ttab\t \r\n"
        f"```\r\n{KV}1 GB{END}\r\n```\r\n<!-- hfkv: kv {LLAMA} --tokens 1k -->{END}\x0c no newline"
    ).encode()
    file = project.write("README.md", mark + before)
    os.chmod(file, 0o640)
    project.lock()
    found = project.check(fix=True)
    assert [(item.code, item.fixed) for item in found] == [("HFKV301", True)] * 2
    after = file.read_bytes()
    expected = before.replace(b"31.90 GB", b"32.77 GB", 1)
    expected = expected.replace(f"1k -->{END}".encode(), f"1k -->327.7 MB{END}".encode())
    assert after == mark + expected
    assert file.stat().st_mode & 0o777 == 0o640
    assert project.report.rewritten == ("README.md",)
    assert project.check(fix=True) == []
    assert file.read_bytes() == after
    assert [path.name for path in project.root.iterdir() if path.name.startswith(".R")] == []


def test_what_is_ignored_is_not_mended(project: Project) -> None:
    text = f"{KV}31 GB{END} <!-- hfkv: ignore[HFKV301] -->\n"
    project.write("README.md", text)
    assert project.check(fix=True) == []
    assert (project.root / "README.md").read_text() == text


@pytest.mark.posix
def test_a_link_out_of_the_project_is_not_written_through(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "other.md"
    outside.write_text(f"{KV}31 GB{END}")
    (project.root / "README.md").symlink_to(outside)
    project.write("hfkv.toml", f'models = ["{LLAMA}"]')
    assert project.check(fix=True) == []  # a scan does not follow it either
    found = project.check("README.md", fix=True)
    assert [(item.code, item.fixed) for item in found] == [("HFKV001", False), ("HFKV301", False)]
    assert "31 GB" in outside.read_text()


@pytest.mark.posix
def test_a_link_within_the_project_stays_a_link(project: Project) -> None:
    project.write("docs/a.md", f"{KV}31 GB{END}")
    (project.root / "README.md").symlink_to("docs/a.md")
    assert {item.fixed for item in project.check("README.md", fix=True)} == {True}
    assert (project.root / "README.md").is_symlink()
    assert "33 GB" in (project.root / "docs/a.md").read_text()


def test_questions_take_the_options_of_the_commands() -> None:
    for name, command in (("kv", kv_command), ("lora", lora_command), ("compare", compare_command)):
        known = {option for item in command.params for option in item.opts}
        with pytest.raises(InputError) as error:
            parse_question(f"{name} M --nope 1")
        options = set(error.value.expected.split(", ")) - {"--field", "--engine"}
        # The adapter's own options go to `compare` as well, through its Python API.
        assert options <= known | ({*options} if name == "compare" else set())


def test_a_count_of_your_own_stands_in_the_settings(project: Project) -> None:
    claim = f"<!-- hfkv: tokens {LLAMA} -->15 trillion tokens<!-- /hfkv -->\n"
    project.write("README.md", claim)
    assert project.check() == []
    project.write("hfkv.toml", f'[pretraining-tokens]\n"{LLAMA.upper()}" = "4T"\n')
    assert [item.code for item in project.check(fix=True)] == ["HFKV301"]
    assert ">4 trillion tokens<" in (project.root / "README.md").read_text()
    assert project.check() == []
    for value in ("true", "0", '"many"', "-1", "1.5"):
        project.write("hfkv.toml", f"[pretraining-tokens]\nm = {value}\n")
        with pytest.raises(InputError, match="pretraining-tokens: m"):
            project.check()
