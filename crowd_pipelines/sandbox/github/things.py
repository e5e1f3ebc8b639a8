"""The fields of issues, pull requests, discussions, and of what is written and done below them."""

from datetime import UTC, datetime
from typing import Any

from graphql import GraphQLResolveInfo

from crowd_pipelines.sandbox.github import connections, text
from crowd_pipelines.sandbox.github.community import SITE
from crowd_pipelines.sandbox.github.fields import Fields, always, attribute, database_id, identity, of, time
from crowd_pipelines.sandbox.github.model import (
    Account,
    Comment,
    DiscussionComment,
    Event,
    Issue,
    Item,
    Post,
    PullRequest,
    Review,
    ReviewComment,
)


def moment(written: str) -> int:
    """A time as queries give it."""
    parsed = datetime.fromisoformat(written)
    return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())


def path(node: Any) -> str:
    """The address of a thing below the site's."""
    match node:
        case Item():
            return f"/{node.repository.full_name}/{node.path}/{node.number}"
        case Comment():
            return f"{path(node.item)}#issuecomment-{node.id}"
        case Review():
            return f"{path(node.item)}#pullrequestreview-{node.id}"
        case ReviewComment():
            return f"{path(node.item)}#discussion_r{node.id}"
        case DiscussionComment():
            return f"{path(node.item)}#discussioncomment-{node.id}"
        case Event():
            return f"{path(node.item)}#event-{node.id}"
    raise TypeError(node)


def url(node: Any) -> str:
    return SITE + path(node)


def association(account: Account | None) -> str:
    if account is None or account.typename != "User":
        return "NONE"
    return ("MEMBER", "CONTRIBUTOR", "NONE", "COLLABORATOR")[account.id % 4]


def body(post: Post, info: GraphQLResolveInfo) -> str:
    if isinstance(post, DiscussionComment) and post.deleted:
        return ""
    return str(info.context.community.body(post))


def timeline(item: Item) -> list[Any]:
    """Everything that one reads below the first post, oldest first."""
    reviews, threads = (item.reviews, item.threads) if isinstance(item, PullRequest) else ([], [])
    return sorted([*item.events, *item.comments, *reviews, *threads], key=connections.created)


def item_type(node: Any) -> str:
    """The name that a filter of the timeline has for it, as CLOSED_EVENT for a ClosedEvent."""
    return "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in node.typename).strip("_")


def _timeline_items(item: Item, info: GraphQLResolveInfo, **arguments: Any) -> connections.Page:
    wanted, since = arguments.get("itemTypes"), arguments.get("since")
    found = [node for node in timeline(item) if wanted is None or item_type(node) in wanted]
    if since is not None:
        found = [node for node in found if node.created >= moment(since)]
    return connections.page(info, found, arguments, within=item.id)


def _comments(item: Issue | PullRequest, info: GraphQLResolveInfo, **arguments: Any) -> connections.Page:
    key = connections.updated if arguments.get("orderBy") else connections.created
    return connections.page(info, item.comments, arguments, within=item.id, key=key)


def _labels(item: Item, info: GraphQLResolveInfo, **arguments: Any) -> connections.Page:
    return connections.page(info, item.labels, arguments, within=item.id)


def _assignees(item: Issue | PullRequest, info: GraphQLResolveInfo, **arguments: Any) -> connections.Page:
    assigned: dict[int, Account] = {}
    for event in item.events:
        if isinstance(event.subject, Account) and event.subject.person:
            if event.typename == "AssignedEvent":
                assigned[event.subject.id] = event.subject
            elif event.typename == "UnassignedEvent":
                assigned.pop(event.subject.id, None)
    return connections.page(info, list(assigned.values()), arguments, within=item.id)


def _listed(name: str) -> Any:
    """A connection over what is in the field `name`, oldest first."""

    def resolver(node: Any, info: GraphQLResolveInfo, **arguments: Any) -> connections.Page:
        return connections.page(info, getattr(node, name), arguments, within=node.id)

    return resolver


def _reviews(pull: PullRequest, info: GraphQLResolveInfo, **arguments: Any) -> connections.Page:
    states = arguments.get("states")
    found = [review for review in pull.reviews if states is None or review.state in states]
    return connections.page(info, found, arguments, within=pull.id)


def _review_comments(review: Review, info: GraphQLResolveInfo, **arguments: Any) -> connections.Page:
    found = [one for thread in review.item.threads for one in thread.comments if one.review is review]
    return connections.page(info, found, arguments, within=review.id)


def _reply_to(comment: ReviewComment, _: GraphQLResolveInfo) -> ReviewComment | None:
    first = comment.thread.comments[0]
    return None if first is comment else first


def _pull_state(pull: PullRequest) -> str:
    return "MERGED" if pull.merged else "CLOSED" if pull.closed else "OPEN"


POST: Fields = {
    "id": identity,
    "databaseId": database_id,
    "author": attribute("writer"),
    "authorAssociation": of(lambda post: association(post.writer)),
    "body": body,
    "bodyText": lambda post, info: text.plain(body(post, info)),
    "bodyHTML": lambda post, info: text.html(body(post, info)),
    "createdAt": time("created"),
    "publishedAt": time("created"),
    "updatedAt": time("updated"),
    "lastEditedAt": time("edited"),
    "url": of(url),
    "resourcePath": of(path),
    "viewerDidAuthor": lambda post, info: post.writer is not None and post.writer is info.context.viewer,
}
MINIMIZABLE: Fields = {"isMinimized": always(False), "minimizedReason": always(None)}
ITEM: Fields = {
    **POST,
    "number": attribute("number"),
    "title": attribute("title"),
    "closed": of(lambda item: item.closed is not None),
    "closedAt": time("closed"),
    "locked": always(False),
    "repository": attribute("repository"),
    "labels": _labels,
}
FULL_ID: Fields = {"fullDatabaseId": of(lambda node: str(node.id))}
ISSUE: Fields = {
    **ITEM,
    **FULL_ID,
    "state": of(lambda issue: "CLOSED" if issue.closed else "OPEN"),
    "stateReason": of(lambda issue: "COMPLETED" if issue.closed else None),
    "assignees": _assignees,
    "comments": _comments,
    "timelineItems": _timeline_items,
}
PULL_REQUEST: Fields = {
    **ITEM,
    **FULL_ID,
    "state": of(_pull_state),
    "merged": of(lambda pull: pull.merged is not None),
    "mergedAt": time("merged"),
    "isDraft": always(False),
    "additions": attribute("additions"),
    "deletions": attribute("deletions"),
    "changedFiles": attribute("changed_files"),
    "assignees": _assignees,
    "comments": _comments,
    "timelineItems": _timeline_items,
    "reviews": _reviews,
    "reviewThreads": _listed("threads"),
    "totalCommentsCount": of(lambda pull: len(pull.comments) + sum(len(one.comments) for one in pull.threads)),
}
DISCUSSION: Fields = {
    **ITEM,
    "category": attribute("category"),
    "comments": _listed("talk"),
    "answer": attribute("answer"),
    "isAnswered": of(lambda discussion: discussion.answer is not None if discussion.category.answerable else None),
    "upvoteCount": of(lambda discussion: 1 + discussion.number % 5),
}
ISSUE_COMMENT: Fields = {
    **POST,
    **FULL_ID,
    **MINIMIZABLE,
    "issue": attribute("item"),
    "pullRequest": of(lambda comment: comment.item if isinstance(comment.item, PullRequest) else None),
    "repository": attribute("item.repository"),
}
REVIEW: Fields = {
    **POST,
    **FULL_ID,
    **MINIMIZABLE,
    "state": attribute("state"),
    "submittedAt": time("submitted"),
    "pullRequest": attribute("item"),
    "repository": attribute("item.repository"),
    "comments": _review_comments,
}
THREAD: Fields = {
    "id": identity,
    "path": attribute("path"),
    "line": of(lambda thread: 1 + thread.id % 400),
    "isResolved": of(lambda thread: thread.id % 3 == 0),
    "isOutdated": always(False),
    "isCollapsed": of(lambda thread: thread.id % 3 == 0),
    "pullRequest": attribute("item"),
    "repository": attribute("item.repository"),
    "comments": _listed("comments"),
}
REVIEW_COMMENT: Fields = {
    **POST,
    **FULL_ID,
    **MINIMIZABLE,
    "state": of(lambda comment: "PENDING" if comment.review.submitted is None else "SUBMITTED"),
    "path": attribute("thread.path"),
    "diffHunk": always("@@ -1,2 +1,2 @@\n-old\n+new"),
    "outdated": always(False),
    "pullRequest": attribute("item"),
    "pullRequestReview": attribute("review"),
    "replyTo": _reply_to,
    "repository": attribute("item.repository"),
}
DISCUSSION_COMMENT: Fields = {
    **POST,
    **MINIMIZABLE,
    "deletedAt": time("deleted"),
    "isAnswer": of(lambda comment: comment.item.answer is comment),
    "discussion": attribute("item"),
    "replies": _listed("replies"),
    "replyTo": attribute("parent"),
    "upvoteCount": always(1),
}
EVENT: Fields = {
    "id": identity,
    "actor": attribute("doer"),
    "createdAt": time("created"),
}
PLACED: Fields = {**EVENT, "url": of(url), "resourcePath": of(path)}


def _subject(event: Event, _: GraphQLResolveInfo) -> Any:
    return None if isinstance(event.subject, Account) and event.subject.gone else event.subject


EVENTS: dict[str, Fields] = {
    "ClosedEvent": {
        **PLACED,
        "closable": attribute("item"),
        "stateReason": of(lambda event: "COMPLETED" if isinstance(event.item, Issue) else None),
    },
    "ReopenedEvent": {**EVENT, "closable": attribute("item")},
    "MergedEvent": {
        **PLACED,
        "pullRequest": attribute("item"),
        "mergeRefName": always("main"),
    },
    "AssignedEvent": {**EVENT, "assignable": attribute("item"), "assignee": _subject},
    "UnassignedEvent": {**EVENT, "assignable": attribute("item"), "assignee": _subject},
    "ReviewRequestedEvent": {
        **EVENT,
        "pullRequest": attribute("item"),
        "requestedReviewer": _subject,
    },
    "TransferredEvent": {**EVENT, "issue": attribute("item"), "fromRepository": attribute("subject")},
    "ConvertedToDiscussionEvent": {**EVENT, "discussion": attribute("subject")},
    "ReviewDismissedEvent": {
        **PLACED,
        "pullRequest": attribute("item"),
        "review": attribute("subject"),
        "previousReviewState": always("COMMENTED"),
        "dismissalMessage": always("Out of date."),
    },
    "LabeledEvent": {
        **EVENT,
        "label": attribute("subject"),
        "labelable": attribute("item"),
    },
}
