"""LinkedIn."""

from postprober.platforms.common.spec import Habits, PlatformSpec
from postprober.platforms.linkedin import links, oauth, pages
from postprober.platforms.linkedin.about import ABOUT
from postprober.platforms.linkedin.adapter import TRAITS, LinkedInAdapter
from postprober.platforms.linkedin.error_signals import ERROR_SIGNALS
from postprober.platforms.linkedin.limits import LIMITS
from postprober.platforms.linkedin.repeats import RULE

_STYLE = "--pp-brand: light-dark(#0a66c2, #71b7fb); background: light-dark(#ffffff, #1b1f23); border-radius: 0.5rem;"

SPEC = PlatformSpec(
    about=ABOUT,
    adapter=LinkedInAdapter,
    traits=TRAITS,
    limits=LIMITS,
    repeats=RULE,
    error_signals=ERROR_SIGNALS,
    habits=Habits(
        "#2f8fd0",
        ("Like", "Comment", "Repost", "Send"),
        shows_handle=False,
        hashtags="anywhere",
        wall=600,
        style=_STYLE,
    ),
    remote_id=links.remote_id,
    sign_in_paths=("/authwall", "/uas/", "/checkpoint"),
    oauth=oauth.spec,
    publishes=oauth.PUBLISHES,
    public_url=links.public_url,
    pages=pages.listed,
)
