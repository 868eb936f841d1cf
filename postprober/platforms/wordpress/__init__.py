"""WordPress."""

from postprober.platforms.common.spec import Habits, PlatformSpec, TokenField, TokenWay
from postprober.platforms.wordpress import links, public, site
from postprober.platforms.wordpress.about import ABOUT
from postprober.platforms.wordpress.adapter import TRAITS, WordPressAdapter
from postprober.platforms.wordpress.error_signals import ERROR_SIGNALS
from postprober.platforms.wordpress.limits import LIMITS

_STYLE = "--pp-brand: light-dark(#21759b, #72aee6); background: light-dark(#ffffff, #1d2327); border-radius: 0.2rem;"

SPEC = PlatformSpec(
    about=ABOUT,
    adapter=WordPressAdapter,
    traits=TRAITS,
    limits=LIMITS,
    error_signals=ERROR_SIGNALS,
    public=public.read,
    habits=Habits("#8a8f3c", ("Comment", "Share"), shows_handle=False, style=_STYLE),
    remote_id=links.remote_id,
    code_in_links=True,
    preview_text=public.preview_text,
    sign_in_paths=("/wp-login.php",),
    many_servers=True,
    server_example="https://blog.example.org",
    token=TokenWay(
        site.credentials,
        hint="Create an application password in WordPress under Users, Profile. The user must be an author or editor.",
        fields=(
            TokenField("user", "User name", "anna"),
            TokenField("password", "Application password", "abcd EFGH 1234 ijkl MNOP 6789", secret=True),
        ),
    ),
)
