"""What other people wrote is shown, and never obeyed."""

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
