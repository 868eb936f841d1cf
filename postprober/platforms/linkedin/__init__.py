"""LinkedIn."""

from postprober.platforms.common.spec import Habits, MentionSearch, PlatformSpec
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
    mentions=MentionSearch(
        pages.mentionable,
        needs="an app that LinkedIn has reviewed (pages only)",
        hint="The name in the page's address: acme of linkedin.com/company/acme",
        refused="LinkedIn lets only apps that it has reviewed find pages by name (POSTPROBER_LINKEDIN_PAGES). Write the mention as "
        "@[Name](urn:li:organization:123); the number stands in the address of the page's own administration.",
    ),
)
