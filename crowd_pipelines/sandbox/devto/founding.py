"""Founds a community from a seed and a size."""

import random
from dataclasses import dataclass
from datetime import datetime

from crowd_pipelines.sandbox.devto import cases, text
from crowd_pipelines.sandbox.devto.community import Community
from crowd_pipelines.sandbox.devto.model import CODE_BASE, Article, Organization, Person
from crowd_pipelines.sandbox.platform import records_wanted

DAY = 86_400
FIRST_PERSON = 1_000
FIRST_ARTICLE = 40_000
# Below this every digits-only code of five places lies, so that no planned comment can take one of them.
FIRST_NUMBER = CODE_BASE**5
SPARE_NUMBERS = 256
HISTORY_DAYS = 900
LIVE_SHARE = 0.97
STRANGERS = 9
TAGS = ("discuss", "python", "javascript", "beginners", "webdev", "tutorial", "opensource", "database", "devops")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of everything."""

    articles: int
    comments: int
    people: int
    organizations: int
    users: int


NAMED = {
    "small": Plan(articles=40, comments=220, people=80, organizations=1, users=2),
    "medium": Plan(articles=400, comments=7_800, people=1_000, organizations=2, users=3),
    "large": Plan(articles=2_000, comments=101_000, people=8_000, organizations=3, users=5),
}


def plan(size: str) -> Plan:
    comments = records_wanted(size)
    if comments is None:
        return NAMED[size]
    return Plan(
        articles=max(30, comments // 50),
        comments=comments,
        people=max(40, comments // 12),
        organizations=2,
        users=3,
    )


def found(*, seed: int, size: str, until: datetime) -> Community:
    """The same arguments make the same community."""
    community = Community(seed=seed, now=int(until.timestamp()))
    wanted = plan(size)
    dice = random.Random(f"{seed}/{size}")
    _people(community, wanted, dice)
    _organizations(community, wanted)
    community.owners["users"] = [person.username for person in list(community.people.values())[: wanted.users]]
    _articles(community, wanted, dice)
    cases.build(community)
    return community


def _people(community: Community, wanted: Plan, dice: random.Random) -> None:
    for place in range(wanted.people):
        person_id = FIRST_PERSON + 3 * place if place % 40 else 2**31 + place
        community.people[person_id] = Person(
            id=person_id,
            username=text.username(place),
            name=text.ODD_NAMES[place] if place < len(text.ODD_NAMES) else text.person_name(place),
            joined=community.now - (HISTORY_DAYS + dice.randrange(2_000)) * DAY,
            summary=None if place % 3 else " ".join(text.words(place, 9)),
            location=text.PLACES[place % len(text.PLACES)],
            website="https://example.com" if place % 5 == 0 else None,
            twitter=f"tw_{place}" if place % 4 == 0 else None,
            github=f"gh-{place}" if place % 3 == 0 else None,
        )


def _organizations(community: Community, wanted: Plan) -> None:
    for place in range(wanted.organizations):
        slug = f"{text.ANIMALS[place]}-works"
        community.organizations[slug] = Organization(
            id=300 + place,
            username=slug,
            name=f"{text.ANIMALS[place].capitalize()} & Sons <Works>",
            joined=community.now - 1_500 * DAY,
        )
    community.owners["organizations"] = list(community.organizations)


def _articles(community: Community, wanted: Plan, dice: random.Random) -> None:
    shares = [_share(dice, place) for place in range(wanted.articles)]
    total = sum(shares)
    stride = max(1, min(9, 59_000 // wanted.articles))
    number = FIRST_NUMBER
    for place, share in enumerate(shares):
        planned = round(wanted.comments / LIVE_SHARE * share / total)
        article = _article(community, wanted, dice, place=place, planned=planned, stride=stride)
        article.first_number = number
        number += planned + SPARE_NUMBERS
        community.add_article(article)
    community.next_number = number


def _share(dice: random.Random, place: int) -> float:
    """Few articles have most comments; those of strangers or with nasty cases have few."""
    share = dice.paretovariate(1.1)
    if place % 10 == STRANGERS:
        return 0.5
    return min(share, 2.0) if place < cases.ROOM else share


def _article(
    community: Community, wanted: Plan, dice: random.Random, *, place: int, planned: int, stride: int
) -> Article:
    published = community.now - int(DAY * (1 + HISTORY_DAYS * (1 - place / wanted.articles))) + dice.randrange(DAY)
    age = community.now - published
    article_id = FIRST_ARTICLE + place * stride if place < wanted.articles - 2 else 2**31 + 11 * place
    heading = text.title(community.seed, article_id)
    author, organization = _byline(community, wanted, dice, place)
    return Article(
        id=article_id,
        author=author,
        organization=organization,
        title=heading,
        description=text.description(community.seed, article_id),
        slug=text.slug(heading, article_id),
        created=published - dice.randrange(30 * DAY),
        published=published,
        tags=dice.sample(TAGS, dice.randrange(5)),
        last_comment=published + (1 + int((age - 1) * dice.random() ** 3) if planned else 0),
        first_number=0,
        planned=planned,
    )


def _byline(community: Community, wanted: Plan, dice: random.Random, place: int) -> tuple[int, str | None]:
    """Who publishes: an owner alone, an owner for an organization, another member of it, or a stranger to all."""
    ids = list(community.people)
    slugs = list(community.organizations)
    owner = ids[dice.randrange(wanted.users)]
    match place % 10:
        case 0 | 3 | 6:
            return ids[0], slugs[place // 10 % len(slugs)]
        case 2 | 8:
            return ids[wanted.users + dice.randrange(5)], slugs[dice.randrange(len(slugs))]
        case _ if place % 10 == STRANGERS:
            return ids[-1 - dice.randrange(5)], None
        case _:
            return owner, None
