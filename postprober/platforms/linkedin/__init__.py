"""LinkedIn."""

from postprober.platforms.common.spec import Habits, PlatformSpec
from postprober.platforms.linkedin import links, oauth
from postprober.platforms.linkedin.about import ABOUT
from postprober.platforms.linkedin.adapter import TRAITS, LinkedInAdapter
from postprober.platforms.linkedin.limits import LIMITS
from postprober.platforms.linkedin.signs import SIGNS

SPEC = PlatformSpec(
    about=ABOUT,
    adapter=LinkedInAdapter,
    traits=TRAITS,
    limits=LIMITS,
    signs=SIGNS,
    habits=Habits("#2f8fd0", ("Like", "Comment", "Repost", "Send"), shows_handle=False, hashtags="anywhere", wall=600),
    remote_id=links.remote_id,
    oauth=oauth.spec,
    publishes=oauth.PUBLISHES,
    public_url=links.public_url,
)
