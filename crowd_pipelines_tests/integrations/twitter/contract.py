"""What the contract tests have to know of X."""

from crowd_pipelines.benchmarks.originals import twitter
from crowd_pipelines.integrations.twitter.streams import FollowersStream, HashtagStream, MentionsStream
from crowd_pipelines.model.streams import Stream
from crowd_pipelines.sandbox.client import Truth

KINDS = ("followers", "hashtag", "mentions")
QUIET_CHECK = twitter.quiet_check

UNAUTHORIZED = '{"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"}'
ABSENT = {"test_a_subject_that_is_gone_is_skipped": "what is gone, X tells with a type; see test_refusals"}


def streams(truth: Truth) -> list[Stream]:
    """One stream of every kind that leads to something."""
    user_id = truth.settings["user_id"]
    return [
        FollowersStream(user_id=user_id),
        HashtagStream(tag=truth.settings["hashtags"][0]),
        MentionsStream(user_id=user_id),
    ]
