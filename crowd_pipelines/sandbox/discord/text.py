"""Words for names and messages."""

import random


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


WORDS = _words(
    """
    alpha apple autumn bakery ballad banner basket beacon bicycle blanket bottle branch bridge bronze bucket
    butter button candle canyon carpet castle cedar chapel circle clover cobble copper cotton cradle crayon
    dagger daisy desert dollar dragon drawer dusk engine evening fabric feather fiddle flower forest fossil
    fountain garden ginger glacier goblet granite hammer harbor hazel helmet hollow honey island ivory jacket
    jungle kettle ladder lagoon lantern lemon library lumber magnet maple marble meadow mirror morning mountain
    napkin needle ocean olive orchard paddle palace pepper pillow pocket prairie puzzle quarry ribbon river
    saddle sailor shadow silver spiral sunset thimble thunder timber tunnel valley velvet village walnut window
    winter yellow
    """
)
ENDINGS = (
    "",
    "",
    "",
    "!",
    "?",
    " 🎉",
    " `a < b`",
    " **bold** & <b>raw</b>",
    "\n> quoted",
    " https://example.com/?a=1&b=2",
)
ODD_NAMES = (
    "Alice 🦊", "مطوّر", "東京タワー", 'Ira "Tanna" \\:/', "\u202edesrever", "<b>Bold</b>",
    "O'Brien; DROP TABLE members;--", "  spaces  ", "Z̴̧̛a̵l̶g̸o̷", "null",
)  # fmt: skip


def sentence(dice: random.Random) -> str:
    words = " ".join(dice.choices(WORDS, k=3 + dice.randrange(9)))
    return words.capitalize() + dice.choice(ENDINGS)


def title(dice: random.Random) -> str:
    return " ".join(dice.choices(WORDS, k=2 + dice.randrange(3))).capitalize()


def username(place: int) -> str:
    return f"{WORDS[place % len(WORDS)]}.{place}"


def display(place: int) -> str | None:
    if place < len(ODD_NAMES):
        return ODD_NAMES[place]
    return None if place % 3 == 0 else f"{WORDS[(7 * place) % len(WORDS)].capitalize()} {place}"
