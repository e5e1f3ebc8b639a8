"""The secrets of the running installation, every one a canary."""

import base64

from sqlalchemy import make_url

from crowd_pipelines_tests.canaries import STEM, canary

ENCRYPTION_KEY = base64.urlsafe_b64encode(f"{STEM}-encryption-key-01234567"[:32].ljust(32, "0").encode()).decode()
PLATFORMS = ("discord", "github", "slack", "twitter")


def with_password(url: str) -> str:
    """The address with a password, unless it has one; where nobody asks for one, it is not looked at."""
    parsed = make_url(url)
    return (parsed if parsed.password else parsed.set(password=canary("database"))).render_as_string(
        hide_password=False
    )


def environment(provider: str) -> dict[str, str]:
    """What the environment gives to the installation."""
    return {
        "CROWD_ENCRYPTION_KEY": ENCRYPTION_KEY,
        "CROWD_DISCORD_TOKEN": canary("bot"),
        "CROWD_TWITTER_CLIENT_ID": "an-app",
        "CROWD_TWITTER_CLIENT_SECRET": canary("app"),
        **{f"CROWD_{platform.upper()}_API_URL": f"{provider}/{platform}" for platform in PLATFORMS},
    }
