"""Words for names and messages; a number always makes the same text."""

import zlib

from crowd_pipelines.sandbox.slack.model import Part


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_WORDS = _words(
    """
    agree alert answer branch broken build client commit connect crash deploy doc error example feature fix flag fork
    guide hint host idea install issue key library link log merge model note option patch plan plugin proxy query
    question queue release repo retry review route schema script server session setup stream sync table task test
    thanks thread token tool trace update upgrade user version webhook welcome worker
    """
)
_GIVEN = _words("Ada Bo Chidi Dora Elif Femi Goran Hana Ivo Jun Kaya Lior Mila Nuno Oya Pia Quinn Rosa Sami Tove")
_FAMILY = _words("Abara Berg Costa Duarte Engel Farkas Gupta Holm Ibarra Jansen Kovac Lund Mori Novak Okoye Park")
_CHANNELS = _words("general random help announcements showcase jobs events contributors plugins python docs infra")

ODD_NAMES = (
    "🦀🎉 Crab 🏳️‍🌈", "مطوّر ويب", "\u202edesrever", "X", "<b>Bold</b> & Co", "O'Brien; DROP TABLE members;--",
    "  spaces   around  ", "null", "N" * 80,
)  # fmt: skip
TITLES = ("", "Engineer", "Community lead", "CTO & co-founder", "", "Студент")


def words(number: int, count: int) -> str:
    step = 2 * (number % 29) + 1
    return " ".join(_WORDS[(number + i * step + i * i) % len(_WORDS)] for i in range(count))


def real_name(number: int) -> str:
    return f"{_GIVEN[number % len(_GIVEN)]} {_FAMILY[number // len(_GIVEN) % len(_FAMILY)]}"


def user_name(number: int) -> str:
    return f"{_GIVEN[number % len(_GIVEN)].lower()}.{_FAMILY[number // len(_GIVEN) % len(_FAMILY)].lower()}{number}"


def channel_name(number: int) -> str:
    return _CHANNELS[number] if number < len(_CHANNELS) else f"team-{number}"


def parts(number: int, *, people: list[str], channels: list[tuple[str, str]]) -> tuple[Part, ...]:
    """A sentence; some with mentions, links or what has to be escaped."""
    value = zlib.crc32(f"message/{number}".encode())
    sentence = words(value, 3 + value % 14).capitalize() + ". "
    someone = people[value // 7 % len(people)]
    channel, name = channels[value // 11 % len(channels)]
    endings: tuple[tuple[Part, ...], ...] = (
        (), (), (), (), (),
        (("user", someone), ("text", " please look")),
        (("channel", channel, name),),
        (("channel", channel),),
        (("special", "here"), ("text", " :tada:")),
        (("link", "https://docs.example/a?b=1&c=2", "the docs"),),
        (("link", f"https://example.org/{value % 100}"), ("text", " if a < b && c > d")),
        (("text", "¿vale? 🎉 &amp; &lt;b&gt;"),),
    )  # fmt: skip
    return (("text", sentence), *endings[value % len(endings)])
