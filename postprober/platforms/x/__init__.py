"""X."""

from postprober.platforms.common.spec import Habits, PlatformSpec
from postprober.platforms.x import links, oauth, public
from postprober.platforms.x.about import ABOUT
from postprober.platforms.x.adapter import TRAITS, XAdapter
from postprober.platforms.x.error_signals import ERROR_SIGNALS
from postprober.platforms.x.limits import LIMITS, LONG
from postprober.platforms.x.repeats import RULE

SPEC = PlatformSpec(
    about=ABOUT,
    adapter=XAdapter,
    traits=TRAITS,
    limits=LIMITS,
    long_limits=LONG,
    repeats=RULE,
    error_signals=ERROR_SIGNALS,
    public=public.read,
    author_page=public.author_page,
    habits=Habits("#8a949b", ("Reply", "Repost", "Like", "Views"), style="--pp-brand: #1d9bf0;"),
    remote_id=links.remote_id,
    sign_in_paths=("/i/flow/login",),
    oauth=oauth.spec,
    publishes=oauth.PUBLISHES,
)
