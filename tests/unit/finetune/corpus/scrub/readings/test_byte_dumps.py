# SPDX-License-Identifier: Apache-2.0
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.corpus.scrub.readings.byte_dumps import dumps, rewritten

TEXT = "first line of it\nthe password=harbor12 stands here, größer\n and the last one "
PROGRAMS = [
    ["xxd"],
    ["xxd", "-u", "-g", "1", "-c", "8"],
    ["xxd", "-c", "32"],
    ["hexdump", "-C"],
    ["hexdump"],
    ["od", "-A", "x", "-t", "x1z"],
    ["od", "-t", "x1"],
    ["od", "-x"],
]


def printed(program: list[str], text: str) -> str:
    """What a program of the system prints."""
    if not shutil.which(program[0]):
        pytest.skip(f"{program[0]} is not installed")
    run = subprocess.run(program, input=text.encode(), capture_output=True, timeout=20, check=True)
    return run.stdout.decode().rstrip("\n")


@pytest.mark.parametrize("program", PROGRAMS, ids=" ".join)
@pytest.mark.parametrize("margin", ["", "+", "  | "])
def test_what_a_program_dumped_is_read(program: list[str], margin: str) -> None:
    text = "\n".join(margin + line for line in printed(program, TEXT).split("\n"))

    (blob,) = dumps(f"before\n{text}\nafter", ())

    assert blob.text.rstrip("\0") == TEXT


@pytest.mark.parametrize("program", PROGRAMS, ids=" ".join)
@pytest.mark.parametrize("word", ["harbor99", "[PHONE_1]!", "xy", "a much longer value than before it was"])
def test_what_is_written_is_what_the_program_would_print(program: list[str], word: str) -> None:
    dump = printed(program, TEXT)
    (blob,) = dumps(dump, ())
    changed = rewritten(dump[: blob.end], lambda text: text.replace("harbor12", word))
    expected = printed(program, TEXT.replace("harbor12", word))

    assert changed
    (again,) = dumps(changed, ())
    assert again.text.rstrip("\0") == TEXT.replace("harbor12", word)
    lines = zip(changed.split("\n"), expected.split("\n"), strict=False)
    assert all(one.rstrip() == two.rstrip() for one, two in lines)


@pytest.mark.parametrize("text", ["00000000 rows", "0000: x", "000000 deleted lines", "at 00001234: abcdefg"])
def test_zeros_in_text_are_no_dump(text: str) -> None:
    assert list(dumps(text, ())) == []


@given(st.text(alphabet="0123456789abcf: |>.\n", max_size=300))
def test_any_text_is_searched_and_places_lie_inside_it(text: str) -> None:
    for blob in dumps(f"000000{text}", ()):
        assert 0 <= blob.start < blob.end <= len(text) + 6
        rewritten(f"000000{text}"[blob.start : blob.end], str.upper)


@pytest.mark.parametrize("escaped", [False, True])
def test_a_written_out_break_in_the_column_of_signs_ends_no_line(escaped: bool) -> None:
    text = '{"key": "first line\\nsecond line\\nthe third one of them"}'
    dump = "\n".join(
        f"{at:08x}: {text[at : at + 16].encode().hex(' ', 2):39}  {text[at : at + 16]}"
        for at in range(0, len(text), 16)
    )
    written = dump.replace("\\", "\\\\").replace("\n", "\\n") if escaped else dump
    around = f'{{"output": "{written}"}}' if escaped else f"see\n{written}\nend"

    (blob,) = dumps(around, [])

    assert blob.text == text
    assert around[blob.start : blob.end] == written
