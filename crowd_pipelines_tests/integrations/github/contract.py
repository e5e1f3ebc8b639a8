"""What the contract tests have to know of GitHub."""

from typing import Any

from crowd_pipelines.integrations.github.marks import Mark
from crowd_pipelines.integrations.github.streams import (
    STREAM_TYPES,
    ChildStream,
    ListStream,
    OwnerStream,
    RepositoryStream,
)
from crowd_pipelines.model.streams import Stream
from crowd_pipelines.sandbox.client import Truth

KINDS = (
    "comments",
    "discussion_comments",
    "discussions",
    "forks",
    "issues",
    "owner",
    "pulls",
    "replies",
    "repository",
    "reviews",
    "stargazers",
    "thread_comments",
    "threads",
    "timeline",
)

DECIDING = ("__typename", "author", "state", "deletedAt", "timelineItems", "discussion")
"""Fields that tell whether something is a record of ours: a bot's or a ghost's is none, nor another kind of event."""

UNAUTHORIZED = '{"message": "Bad credentials", "documentation_url": "https://docs.github.com/graphql"}'

ABSENT = {
    "test_an_onboarding_ends_with_every_kind_of_stream_and_what_it_declares": (
        "stars, forks and issues of a small community come with their repositories; see test_end_to_end for more"
    ),
    "test_a_subject_that_is_gone_is_skipped": "what is gone, GraphQL tells in a 200; see test_errors",
}


def QUIET_CHECK(truth: Truth) -> int:  # noqa: N802  the contract's name
    """One request per repository."""
    return len(truth.coverage)


def streams(truth: Truth) -> list[Stream]:
    """One stream of every kind; a page after no page is the first one."""
    name, about = next((name, about) for name, about in truth.coverage.items() if about["discussions"])
    owner, _, short = name.partition("/")
    found: list[Stream] = [OwnerStream(login=truth.settings["organizations"][0])]
    found.append(RepositoryStream(owner=owner, name=short))
    cases = {
        "comments": truth.cases["long_issue"],
        "timeline": truth.cases["long_pull_request"],
        "reviews": truth.cases["many_threads"],
        "threads": truth.cases["many_threads"],
        "thread_comments": truth.cases["long_thread"],
        "discussion_comments": truth.cases["long_discussion"],
        "replies": truth.cases["long_replies"],
    }
    for kind in STREAM_TYPES:
        started: dict[str, Any] = {"after": None}
        if issubclass(kind, ListStream):
            started |= {"repository": about["id"], "name": name, "found": Mark()}
        elif issubclass(kind, ChildStream):
            started |= {"id": cases[kind.model_fields["kind"].default], "about": "a case"}
        else:
            continue
        found.append(kind.model_construct(kind=kind.model_fields["kind"].default, **started))
    return found
