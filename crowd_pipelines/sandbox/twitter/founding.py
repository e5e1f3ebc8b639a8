"""Founds a community from a seed and a size."""

import random
from dataclasses import dataclass
from datetime import datetime

from crowd_pipelines.sandbox.platform import records_wanted
from crowd_pipelines.sandbox.twitter import cases, text
from crowd_pipelines.sandbox.twitter.community import DAY, MENTIONS_SHOWN, SEARCH_WINDOW, Community
from crowd_pipelines.sandbox.twitter.model import Person, Post, snowflake

ACCOUNT = 783_214_000_001
TAGS = ("crowdsandbox", "Gemeinschaft", "東京の会")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of everything; `tagged` is per hashtag, `older` what lies beyond the reach of the API."""

    followers: int
    mentions: int
    tagged: int
    tags: int
    older: int


NAMED = {
    "small": Plan(followers=230, mentions=130, tagged=60, tags=2, older=12),
    "medium": Plan(followers=3_400, mentions=740, tagged=450, tags=2, older=150),
    "large": Plan(followers=14_200, mentions=900, tagged=1_750, tags=3, older=900),
}


def plan(size: str) -> Plan:
    wanted = records_wanted(size)
    if wanted is None:
        return NAMED[size]
    mentions = min(MENTIONS_SHOWN - 20, wanted // 5)
    followers = wanted * 3 // 5
    return Plan(followers=followers, mentions=mentions, tagged=(wanted - followers - mentions) // 2, tags=2, older=10)


def found(*, seed: int, size: str, until: datetime) -> Community:
    """The same arguments make the same community."""
    community, wanted = Community(seed=seed, now=int(until.timestamp())), plan(size)
    dice = random.Random(f"{seed}/{size}")
    community.hashtags = list(TAGS[: wanted.tags])
    _account(community)
    people = _people(community, wanted.followers + max(20, wanted.mentions // 3), dice)
    for person in people[: wanted.followers]:
        community.follow(person.id)
    _posts(community, wanted, [person.id for person in people], dice)
    cases.build(community, people)
    _draw_the_line(community)
    return community


def _account(community: Community) -> None:
    community.account = ACCOUNT
    community.add_person(
        Person(
            id=ACCOUNT,
            username="crowd_sandbox",
            name="Crowd Sandbox",
            joined=community.now - 2_000 * DAY,
            followers=0,
            description="Where simulated people meet.",
        )
    )


def _people(community: Community, count: int, dice: random.Random) -> list[Person]:
    """Accounts from the first year of X have short ids, the newest have nineteen digits."""
    return [
        community.add_person(
            Person(
                id=(12 + place) if place % 50 == 0 else community.new_person_id() if place % 3 else 10**9 + 7 * place,
                username=text.username(place),
                name=text.ODD_NAMES[place] if place < len(text.ODD_NAMES) else text.person_name(place),
                joined=community.now - dice.randrange(30, 4_000) * DAY,
                followers=int(dice.paretovariate(0.7)) - 1,
                description=text.words(place, 7) if place % 3 else "",
                location=text.PLACES[place % len(text.PLACES)],
                url=f"https://t.co/p{place}" if place % 4 == 0 else "",
            )
        )
        for place in range(count)
    ]


def _posts(community: Community, wanted: Plan, authors: list[int], dice: random.Random) -> None:
    """In the order of time, so that ids grow with it; a tenth is posted in the same second as the one before."""
    tagged = [(tag, SEARCH_WINDOW - DAY // 4) for tag in community.hashtags for _ in range(wanted.tagged)]
    plans: list[tuple[int, str | None]] = [(dice.randrange(DAY // 8, span), tag) for tag, span in tagged]
    plans += [(dice.randrange(DAY // 8, 400 * DAY), None) for _ in range(wanted.mentions)]
    plans += [(SEARCH_WINDOW + dice.randrange(DAY, 300 * DAY), community.hashtags[0]) for _ in range(wanted.older)]
    for number, (age, tag) in enumerate(sorted(plans, key=lambda planned: (-planned[0], planned[1] or ""))):
        _post(community, dice.choice(authors), tag, at=community.now - age, number=number, dice=dice)


def _post(community: Community, author: int, tag: str | None, *, at: int, number: int, dice: random.Random) -> None:
    said = text.sentence(text.number_of(community.seed, number))
    tags = (tag,) if tag else ()
    names = tag is None or dice.random() < 0.03
    post = Post(
        author=author,
        versions=[],
        names_account=names,
        tags=tags,
        reply_to=snowflake(at - DAY) if number % 4 == 0 else None,
        media=(f"3_{number + 1}",) if number % 6 == 0 else (),
    )
    community.publish(post, written(community, said, names=names, tags=tags), at=at)


def written(community: Community, said: str, *, names: bool, tags: tuple[str, ...]) -> str:
    """A post's text with whom and what it names."""
    addressed = f"@{community.people[community.account].username} " if names else ""
    return addressed + said + "".join(f" #{tag}" for tag in tags)


def _draw_the_line(community: Community) -> None:
    """What the API does not reach now is not expected of anybody."""
    shown = community.mentions()
    community.mentions_from = shown[-1].current.id if shown else 0
    community.search_from = snowflake(community.now - SEARCH_WINDOW)
