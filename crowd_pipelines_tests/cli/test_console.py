"""What other people wrote is shown, and never obeyed; and tables can be read on every screen."""

import pytest

from crowd_pipelines.cli import console


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x07", r"\x1b[2J\x07"),
        ("right\u202eto left", r"right\u202eto left"),
        ("\x9b31m\u200b\ud800", r"\x9b31m\u200b\ud800"),
        ("Zoë, 東京, 👩\nand a line", "Zoë, 東京, 👩\nand a line"),
        ("[red]no markup[/]", "[red]no markup[/]"),
    ],
)
def test_a_text_neither_steers_the_terminal_nor_is_markup(
    text: str, shown: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("out", "err"):
        monkeypatch.setattr(console, name, console.Console(stderr=name == "err", highlight=False, width=160))
    console.tell(text)
    console.fail(text)
    console.print_table("Table", [{"what": text.replace("\n", " ")}], empty="")
    captured = capsys.readouterr()
    assert captured.err == f"{shown}\nerror: {shown}\n"
    assert shown.replace("\n", " ") in captured.out


ROWS = [
    {"id": "01a20deb-c454-72c5-baa0-ee05bbc3e915", "integration": "Our workspace (slack)", "seen": seen, "error": error}
    for seen, error in ((1, None), (2_000, "message: ts: Field required, and " + "x" * 200))
]


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160, 240])
def test_no_word_is_broken_however_narrow_the_screen(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "out", console.Console(highlight=False, width=width))
    console.print_table("Table", ROWS, empty="")
    printed = capsys.readouterr().out
    words = printed.split()
    for expected, times in {ROWS[0]["id"]: 2, "workspace": 2, "(slack)": 2, "2,000": 1, "required,": 1}.items():
        assert words.count(str(expected)) == times, printed
    assert printed.count("x") == 200
    assert all(len(line) <= width for line in printed.splitlines())
    assert words.count("integration") == (1 if width >= 100 else 2), "a table where there is room, else lines"
