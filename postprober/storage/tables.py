"""All tables. Columns of the original design keep their names; ours follow them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text, func, text
from sqlalchemy.schema import SchemaItem

from postprober.storage.types import Id, Json, UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _table(name: str, *items: SchemaItem) -> Table:
    # AUTOINCREMENT: an id once seen in a log or URL never means another row.
    return Table(name, metadata, Column("id", Id, primary_key=True), *items, sqlite_autoincrement=True)


def _now(name: str) -> Column[datetime]:
    return Column(name, UtcDateTime, nullable=False, server_default=func.now())


users = _table(
    "users",
    Column("email", String(255), nullable=False, unique=True),
    Column("password_hash", String(255), nullable=False),
    _now("created_at"),
    _now("updated_at"),
    Column("name", String(255), nullable=False, server_default=""),
    Column("zone", String(64), nullable=False, server_default="UTC"),
    Column("role", String(20), nullable=False, server_default="owner"),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    Column("owner_id", Id, ForeignKey("users.id")),  # set: works in the space of that user, in `role`
    Column("totp_secret", Text),  # sealed; set: a second factor is asked for
    Column("totp_last", Id, nullable=False, server_default="0"),  # newest time step used: no code works twice
    Column("notify", Json),  # when to be told, and when not
)

accounts = _table(
    "accounts",
    Column("user_id", Id, ForeignKey("users.id"), nullable=False, index=True),
    Column("platform", String(50), nullable=False),
    Column("account_name", String(255), nullable=False),
    Column("access_token", Text),  # sealed
    Column("refresh_token", Text),  # sealed
    Column("token_expires_at", UtcDateTime),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    _now("created_at"),
    Column("remote_id", String(255), nullable=False, server_default=""),
    Column("instance", String(255), nullable=False, server_default=""),
    Column("scopes", Json, nullable=False),
    Column("secret", Text),  # sealed JSON: app password, client of the instance
    Column("status", String(20), nullable=False, server_default="ok"),  # ok | reconnect | suspended
    Column("status_reason", Text, nullable=False, server_default=""),
    Column("token_version", Integer, nullable=False, server_default="0"),
    Column("refresh_until", UtcDateTime),  # somebody is refreshing, until then
    Column("busy_delivery_id", Id),  # the one delivery that may publish here now
    Column("throttled_until", UtcDateTime),
    Column(
        "canary", String(255), key="newest_known_post"
    ),  # the newest own post; the column has the name of earlier versions
    Column("settings", Json, nullable=False),
    Column("server", String(255), nullable=False, server_default=""),  # its name by what it says about itself
    Column("unlinked_at", UtcDateTime),  # when it was last disconnected: what was due by then is not sent any more
    Column("same_as", Id),  # another row of this space was linked to this account first, before servers were asked
    Index(
        "uq_accounts_identity",
        "user_id",
        "platform",
        "server",
        "remote_id",
        unique=True,
        sqlite_where=text("same_as IS NULL"),
        postgresql_where=text("same_as IS NULL"),
    ),
)

posts = _table(
    "posts",
    Column("user_id", Id, ForeignKey("users.id"), nullable=False, index=True),
    Column("content", Text, nullable=False),
    Column("platforms", Json, nullable=False),
    Column("status", String(50), nullable=False, server_default="draft"),
    Column("ai_suggestions", Json),
    _now("created_at"),
    Column("posted_at", UtcDateTime),
    Column("scheduled_at", UtcDateTime),
    Column("options", Json, nullable=False),  # thread parts, media ids, language, success criteria, late limit
    _now("updated_at"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("deleted_at", UtcDateTime),  # set: nobody is shown it any more; its history stays
    Column("advice_at", UtcDateTime, index=True),  # when the agent's suggestions are to be made; None: they are
    Column("draft_key", String(40)),  # chosen by the page that wrote it: the same page can never make a second post
    # The calendar: what a person has planned between two moments.
    Index("ix_posts_user_scheduled", "user_id", "scheduled_at"),
    Index("ix_posts_user_draft_key", "user_id", "draft_key", unique=True),
)

deliveries = _table(
    "deliveries",
    Column("post_id", Id, ForeignKey("posts.id"), nullable=False, index=True),
    Column("account_id", Id, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("user_id", Id, ForeignKey("users.id"), nullable=False),
    Column("platform", String(50), nullable=False),
    Column("key", String(36), nullable=False, unique=True),
    Column("state", String(20), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("due_at", UtcDateTime, nullable=False),
    Column("next_at", UtcDateTime),  # None: nothing to do before somebody acts
    Column("lease_owner", String(80)),
    Column("lease_until", UtcDateTime),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("crashes", Integer, nullable=False, server_default="0"),
    Column("readings", Integer, nullable=False, server_default="0"),  # of the reconciliation or verification under way
    Column("absences", Integer, nullable=False, server_default="0"),  # of them, in a row, that proved absence
    Column("unknown_at", UtcDateTime),  # when the outcome became unknown; None while it is known
    Column("parts", Json, nullable=False),
    Column("proof", String(20), nullable=False, server_default="none"),
    Column("remote_id", String(255)),
    Column("url", Text),
    Column("published_at", UtcDateTime),
    Column("verified_at", UtcDateTime),
    Column("first_byte_at", UtcDateTime),
    _now("created_at"),
    _now("updated_at"),
    Column("cause", String(20), nullable=False, server_default=""),  # why it is held or waits (domain.delivery.Cause)
    Column("acknowledged_at", UtcDateTime),  # a person has taken note of the state that it is in
    # From when on a look at it may go along with another of its account; None: not before `next_at`.
    Column("early_at", UtcDateTime),
    # The due poll: what is due, oldest first.
    Index("ix_deliveries_due", "state", "next_at"),
    # What may go along when one of the account is looked at.
    Index("ix_deliveries_account_early", "account_id", "early_at"),
    # The sweep for lost workers.
    Index("ix_deliveries_lease", "lease_until"),
    # The overview: what is due, stuck or out, and what moved in the last day.
    Index("ix_deliveries_user_state", "user_id", "state", "due_at"),
    Index("ix_deliveries_user_updated", "user_id", "updated_at"),
)

# Which delivery a post on a platform belongs to; of the whole installation, so that no two ever take the same one.
remote_posts = _table(
    "remote_posts",
    Column("platform", String(50), nullable=False),
    Column("server", String(255), nullable=False),  # domain.identity.server_name
    Column("remote_id", String(255), nullable=False),
    Column("author", String(255), nullable=False),  # remote id of the account
    Column("delivery_id", Id, ForeignKey("deliveries.id"), nullable=False, index=True),
    Column("part", Integer, nullable=False),
    Column("claimed_at", UtcDateTime, nullable=False),
    # An answer to our own request, or our own handle, says so; false: its words do, or a person.
    Column("sent_by_us", Boolean, nullable=False, server_default=text("false")),
    Index("uq_remote_posts_identity", "platform", "server", "remote_id", unique=True),
    # What is known on an account, when it is searched for a post.
    Index("ix_remote_posts_author", "platform", "server", "author"),
)

attempts = _table(
    "attempts",
    Column("delivery_id", Id, ForeignKey("deliveries.id"), nullable=False, index=True),
    Column("part", Integer, nullable=False, server_default="0"),
    Column("act", String(20), nullable=False),
    Column("number", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("worker", String(80), nullable=False, server_default=""),
    Column("request_id", String(64), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("outcome", String(20), nullable=False),
    Column("http_status", Integer),
    Column("latency_ms", Integer),
    Column("payload_hash", String(64), nullable=False, server_default=""),
    Column("intent", Json, nullable=False),
    Column("reply", Text, nullable=False, server_default=""),
    Column("message", Text, nullable=False, server_default=""),
)

transitions = _table(
    "transitions",
    Column("delivery_id", Id, ForeignKey("deliveries.id"), nullable=False, index=True),
    Column("post_id", Id, nullable=False, index=True),
    Column("user_id", Id, nullable=False, index=True),
    Column("old", String(20)),
    Column("new", String(20), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("worker", String(80), nullable=False, server_default=""),
    Column("at", UtcDateTime, nullable=False),
)

monitoring_logs = _table(
    "monitoring_logs",
    Column("post_id", Id, ForeignKey("posts.id"), nullable=False, index=True),
    Column("platform", String(50), nullable=False),
    Column("step", String(100), nullable=False),
    Column("status", String(50), nullable=False),
    Column("details", Json, nullable=False),
    Column("ai_analysis", Text),
    Column("timestamp", UtcDateTime, nullable=False, server_default=func.now()),
    Column("delivery_id", Id, ForeignKey("deliveries.id"), index=True),
)

alerts = _table(
    "alerts",
    Column("user_id", Id, ForeignKey("users.id"), nullable=False, index=True),
    Column("post_id", Id, ForeignKey("posts.id")),
    Column("type", String(50), nullable=False),
    Column("message", Text, nullable=False),
    Column("is_read", Boolean, nullable=False, server_default=text("false")),
    _now("created_at"),
    Column("delivery_id", Id),
    Column("dedupe_key", String(120), nullable=False, unique=True),
    Column("kind", String(20), nullable=False, server_default="other"),
    Column("subject", String(60), nullable=False, server_default=""),  # delivery:12, account:3; what recovers
    Column("closed_at", UtcDateTime),  # it has recovered, or nothing is left to do
    Column("told_at", UtcDateTime),  # when the channels were last told
    Column("told_times", Integer, nullable=False, server_default="0"),
    Column("escalated_at", UtcDateTime),
    # What is open about a thing, and what somebody has not looked at.
    Index("ix_alerts_subject", "subject", "closed_at"),
    Index("ix_alerts_unread", "user_id", "is_read"),
)

media = _table(
    "media",
    Column("user_id", Id, ForeignKey("users.id"), nullable=False, index=True),
    Column("name", String(255), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("mime", String(80), nullable=False),
    Column("size", Id, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("duration", Float),
    Column("sha256", String(64), nullable=False),
    Column("path", Text, nullable=False),  # relative to the data folder
    Column("alt", Text, nullable=False, server_default=""),
    _now("created_at"),
    Column("frames", Integer),  # of a moving picture; NULL: not known
    Column("codec", String(20), nullable=False, server_default=""),  # of a video; "": not known
    Column("pixel_format", String(20), nullable=False, server_default=""),  # of a video; "": not known
    Column("rate", Float),  # pictures a second; NULL: not known
    Column("audio", String(30)),  # codec of a video's sound; "": it has none; NULL: not known
    Column("damage", String(100)),  # why it can be sent nowhere; "": nothing was found; NULL: nobody looked
    Column("pages", Integer),  # of a document; NULL: it does not say
)

# What a video or animation is converted to, once for each file and target. `source`: path of the stored file.
conversions = _table(
    "conversions",
    Column("source", Text, nullable=False),
    Column("key", String(16), nullable=False),  # of the target
    Column("target", Json, nullable=False),
    Column("state", String(10), nullable=False),  # waiting, working, done, failed
    Column("progress", Float, nullable=False, server_default="0"),  # 0 to 1
    Column("message", Text, nullable=False, server_default=""),  # why it failed
    Column("made", Json),  # what came out: path, sha256, size, width, height, duration
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("next_at", UtcDateTime),  # when somebody may take it; NULL: nobody has to
    _now("created_at"),
    Index("uq_conversions_source_key", "source", "key", unique=True),
    Index("ix_conversions_next_at", "next_at"),
)

samples = _table(
    "samples",
    Column("delivery_id", Id, ForeignKey("deliveries.id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    *(Column(name, Id) for name in ("likes", "reposts", "replies", "quotes", "bookmarks", "views")),
    Index("ix_samples_delivery_at", "delivery_id", "at"),
    Index("ix_samples_at", "at"),
)

# What each post had at 24 hours (the reading nearest to that age): what later ones are compared with. Its samples move on
# into files, and the newest ones tell of another age.
day_counts = Table(
    "day_counts",
    metadata,
    Column("delivery_id", Id, ForeignKey("deliveries.id"), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    *(Column(name, Id) for name in ("likes", "reposts", "replies", "quotes", "bookmarks", "views")),
)

# Days of samples that are kept as a Parquet file: its rows with ids up to `through` count, and not those in `samples`.
sample_days = Table(
    "sample_days",
    metadata,
    Column("day", String(10), primary_key=True),  # UTC
    Column("through", Id, nullable=False),
    Column("count", Id, nullable=False),  # rows of the file
    Column("noted_at", UtcDateTime, nullable=False),
)

# What a person has chosen for themselves, by name: `queue`.
preferences = _table(
    "preferences",
    Column("user_id", Id, ForeignKey("users.id"), nullable=False),
    Column("name", String(40), nullable=False),
    Column("value", Json, nullable=False),
    Index("uq_preferences_user_name", "user_id", "name", unique=True),
)

sessions = _table(
    "sessions",
    Column("user_id", Id, ForeignKey("users.id"), nullable=False, index=True),
    Column("kind", String(20), nullable=False),  # browser | ticket | oauth_state | login | refresh | api_token
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("data", Json, nullable=False),
)

# Who creates something over REST may name the request, so that repeating it creates nothing twice.
idempotency_keys = _table(
    "idempotency_keys",
    Column("user_id", Id, ForeignKey("users.id"), nullable=False),
    Column("key", String(255), nullable=False),
    Column("fingerprint", String(64), nullable=False),  # SHA-256 of method, path and body
    Column("fence", Integer, nullable=False, server_default="1"),  # grows when somebody takes over
    Column("locked_until", UtcDateTime),  # somebody works on the answer, until then; None: answered
    Column("made_id", Id),  # what was created, written in the transaction that created it
    Column("answer", Text),  # sealed JSON: status, headers, body
    Column("expires_at", UtcDateTime, nullable=False),
    Index("uq_idempotency_keys_user_key", "user_id", "key", unique=True),
    Index("ix_idempotency_keys_expires_at", "expires_at"),
)

evidence = _table(
    "evidence",
    Column("delivery_id", Id, ForeignKey("deliveries.id"), nullable=False, index=True),
    Column("kind", String(30), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("body", Json, nullable=False),
    Column("picture", String(64), index=True),  # SHA-256 of a PNG in the data folder; None: there is none
)
# Posts that are to be looked at in a browser, one row each until it was done.
looks = _table(
    "looks",
    Column("delivery_id", Id, ForeignKey("deliveries.id"), nullable=False, index=True),
    Column("why", String(30), nullable=False),
    Column("due_at", UtcDateTime, nullable=False, index=True),
    Column("tries", Integer, nullable=False, server_default="0"),
)
# What reading as their owners came to, by account and UTC month (2026-11), and what the month's posts allow for it.
reads = _table(
    "reads",
    Column("account_id", Id, ForeignKey("accounts.id"), nullable=False),
    Column("month", String(10), nullable=False),
    Column("calls", Integer, nullable=False, server_default="0"),
    Column("micros", Id, nullable=False, server_default="0"),  # millionths of the currency of the prices
    Column("posts", Integer, nullable=False, server_default="0"),
    Column("posted_micros", Id, nullable=False, server_default="0"),
    Index("uq_reads_month", "account_id", "month", unique=True),
)
# What was last seen of a published post, to tell when it changes.
watches = Table(
    "watches",
    metadata,
    Column("delivery_id", Id, ForeignKey("deliveries.id"), primary_key=True, autoincrement=False),
    Column("state", Json, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

channels = _table(
    "channels",
    Column("user_id", Id, ForeignKey("users.id"), nullable=False, index=True),
    Column("name", String(120), nullable=False),
    Column("url", Text, nullable=False),  # sealed
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    _now("created_at"),
    Column("kind", String(20), nullable=False, server_default="apprise"),  # apprise | webhook | email
    Column("secret", Text),  # sealed; signs webhooks
    Column("settings", Json),  # kinds of alerts; only escalations
    Column("failing_since", UtcDateTime),
    Column("off_reason", Text, nullable=False, server_default=""),
)

# One alert for one channel: the delivery log.
notifications = _table(
    "notifications",
    Column("alert_id", Id, ForeignKey("alerts.id"), nullable=False),
    Column("channel_id", Id, ForeignKey("channels.id"), nullable=False),
    Column("dedupe_key", String(160), nullable=False, unique=True),
    Column("why", String(20), nullable=False),  # new | again | escalation
    Column("created_at", UtcDateTime, nullable=False),
    Column("next_at", UtcDateTime),  # None: done or given up
    Column("sent_at", UtcDateTime),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("batch", Id),  # sent together, and again together after a crash
    Column("error", Text, nullable=False, server_default=""),
    Index("ix_notifications_next", "next_at"),
    Index("ix_notifications_channel", "channel_id", "id"),
    Index("ix_notifications_alert", "alert_id"),
)

outbox = _table(
    "outbox",
    Column("user_id", Id, nullable=False, index=True),
    Column("kind", String(30), nullable=False),  # alert
    Column("dedupe_key", String(120), nullable=False, unique=True),
    Column("payload", Json, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("next_at", UtcDateTime),  # None: done
    Column("sent_at", UtcDateTime),
    Column("tries", Integer, nullable=False, server_default="0"),
    Index("ix_outbox_next", "next_at"),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("owner", String(80), nullable=False),
    Column("until", UtcDateTime, nullable=False),
    Column("fence", Integer, nullable=False, server_default="0"),
)

processes = Table(
    "processes",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("beat_at", UtcDateTime, nullable=False),
    Column("detail", Json, nullable=False),
)

oauth_apps = _table(
    "oauth_apps",
    Column("platform", String(50), nullable=False),
    Column("instance", String(255), nullable=False, unique=True),
    Column("client_id", String(255), nullable=False),
    Column("client_secret", Text, nullable=False),  # sealed
    _now("created_at"),
)

# What went wrong with a delivery, and what was or can be done about it. The row is written `open` in the transaction
# of the failure itself, so that no failure can stay without a diagnosis.
repairs = _table(
    "repairs",
    Column("delivery_id", Id, ForeignKey("deliveries.id"), nullable=False, index=True),
    Column("post_id", Id, nullable=False, index=True),
    Column("user_id", Id, nullable=False),
    Column("transition_id", Id, nullable=False, unique=True),  # the failure
    Column(
        "state", String(20), nullable=False, index=True
    ),  # open | proposed | applied | refused | superseded | needs_person
    Column("cause", String(40), nullable=False, server_default=""),
    Column("confidence", Float, nullable=False, server_default="0"),
    Column("cited", Json, nullable=False),  # ids of attempts
    Column("retryable", Boolean, nullable=False, server_default=text("false")),
    Column("fix", String(40), nullable=False, server_default=""),
    Column("explanation", Text, nullable=False, server_default=""),
    Column("by", String(120), nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default=""),
    Column("plan", Json, nullable=False),  # what applying does: texts before and after, files, time
    Column("made_at", UtcDateTime, nullable=False),
    Column("next_at", UtcDateTime),  # when the diagnosis is tried (again), None once it is made
    Column("decided_at", UtcDateTime),
)

# One row for each question to a model: reserved before it is asked, settled after the answer.
ai_usage = _table(
    "ai_usage",
    Column("at", UtcDateTime, nullable=False),
    Column("day", String(10), nullable=False, index=True),  # UTC
    Column("purpose", String(20), nullable=False),
    Column("model", String(120), nullable=False),
    Column("input_tokens", Integer, nullable=False, server_default="0"),
    Column("output_tokens", Integer, nullable=False, server_default="0"),
    Column("cost_micros", Id, nullable=False, server_default="0"),  # millionths of the budget's currency
    Column("outcome", String(40), nullable=False),  # asked | answered | the reason why not
    Column("space", Id),  # whose question it was; None: asked before this was noted, or for no space
    Index("ix_ai_usage_space_day", "space", "day"),  # a space's day and month
)

# What a post shall reach, and by when; judged once.
goals = _table(
    "goals",
    Column("post_id", Id, ForeignKey("posts.id"), nullable=False, unique=True),
    Column("user_id", Id, nullable=False),
    Column("metric", String(20), nullable=False),
    Column("target", Integer, nullable=False),
    Column("hours", Integer, nullable=False),
    Column("due_at", UtcDateTime, index=True),  # None once it is judged
    Column("met", Boolean),
    Column("value", Integer),
    Column("comment", Text, nullable=False, server_default=""),
    Column("judged_at", UtcDateTime),
)

# When an account is checked next.
account_checks = Table(
    "canaries",
    metadata,
    Column("account_id", Id, ForeignKey("accounts.id"), primary_key=True),
    Column("next_at", UtcDateTime, nullable=False),
    Column("looked_at", UtcDateTime),
)

# What the platforms said is left of their limits for an account.
quotas = _table(
    "quotas",
    Column("account_id", Id, ForeignKey("accounts.id"), nullable=False),
    Column("unit", String(10), nullable=False),
    Column("most", Integer, nullable=False),
    Column("remaining", Integer, nullable=False),
    Column("resets_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Index("uq_quotas_unit", "account_id", "unit", unique=True),
)

# What account checks and deliveries saw of the platforms.
health_signs = _table(
    "health_signs",
    Column("account_id", Id, ForeignKey("accounts.id"), nullable=False),
    Column("platform", String(50), nullable=False),
    Column("instance", String(255), nullable=False, server_default=""),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("source", String(10), nullable=False),  # canary (an account check, as earlier versions called it) | delivery
    Column("sign", String(12), nullable=False),
    Column("latency_ms", Integer),
    Column("message", Text, nullable=False, server_default=""),
    # The newest of one server, and of one account.
    Index("ix_health_signs_server", "platform", "instance", "at"),
    Index("ix_health_signs_account", "account_id", "at"),
)

# How each server stands; its past is read from the signs.
platform_health = _table(
    "platform_health",
    Column("platform", String(50), nullable=False),
    Column("instance", String(255), nullable=False, server_default=""),
    Column("verdict", String(10), nullable=False),
    Column("blocking", Boolean, nullable=False, server_default=text("false")),
    Column("since", UtcDateTime, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("checked_at", UtcDateTime, nullable=False),  # the newest sign that counts in it
    Index("uq_platform_health_server", "platform", "instance", unique=True),
)

# Deliveries that wait because their platform is failing. `anyway`: a person wants it sent all the same.
delays = Table(
    "delays",
    metadata,
    Column("delivery_id", Id, ForeignKey("deliveries.id"), primary_key=True),
    Column("platform", String(50), nullable=False),
    Column("instance", String(255), nullable=False, server_default=""),
    Column("since", UtcDateTime, nullable=False),
    Column("anyway", Boolean, nullable=False, server_default=text("false")),
    Index("ix_delays_server", "platform", "instance"),
)

# When somebody is sent a report about the days before: one choice a person; who chose nothing has no row.
report_schedules = _table(
    "report_schedules",
    Column("user_id", Id, ForeignKey("users.id"), nullable=False, unique=True),
    Column("every", String(10), nullable=False),  # week | month
    Column("day", Integer, nullable=False),  # 1 = Monday, or of the month
    Column("hour", Integer, nullable=False),  # on the person's clock
    Column("form", String(10), nullable=False),  # html | pdf
    Column("channel_id", Id, ForeignKey("channels.id")),  # None: to the person's own address
    Column("next_at", UtcDateTime, nullable=False, index=True),
)

# Posts whose proof everybody may see who has the link; the link carries `nonce`, so a new one ends the old links.
proof_pages = _table(
    "proof_pages",
    Column("post_id", Id, ForeignKey("posts.id"), nullable=False, unique=True),
    Column("user_id", Id, nullable=False),
    Column("nonce", String(64), nullable=False),
    Column("shared_at", UtcDateTime, nullable=False),
    Column("withdrawn_at", UtcDateTime),  # set: nobody sees it any more
)

# What pages said of themselves, for the cards of links. `picture`: SHA-256 of the bytes of a file (storage.link_cards), "" for none.
link_cards = _table(
    "link_cards",
    Column("link", String(64), nullable=False),  # SHA-256 of the address
    Column("day", String(10), nullable=False),  # UTC
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("title", Text, nullable=False, server_default=""),
    Column("description", Text, nullable=False, server_default=""),
    Column("picture", String(64), nullable=False, server_default=""),
    Column("width", Integer, nullable=False, server_default="0"),
    Column("height", Integer, nullable=False, server_default="0"),
    Column("size", Integer, nullable=False, server_default="0"),  # bytes
    Column("problem", Text, nullable=False, server_default=""),  # why there is no card
    Column("passing", Boolean, nullable=False, server_default=text("false")),  # a later reading may well succeed
    Index("uq_link_cards_link_day", "link", "day", unique=True),
)

# Parquet files in the data folder with the details of old posts (storage.archive).
archives = _table(
    "archives",
    Column("name", String(80), nullable=False, unique=True),
    Column("size", Id, nullable=False),  # bytes
    Column("made_at", UtcDateTime, nullable=False),
    Column("newest_at", UtcDateTime, nullable=False),  # when the last change of any of its deliveries was
)

# Deliveries whose details are in a file and not in the tables any more.
folded = Table(
    "folded",
    metadata,
    Column("delivery_id", Id, ForeignKey("deliveries.id"), primary_key=True, autoincrement=False),
    Column("archive_id", Id, ForeignKey("archives.id"), nullable=False, index=True),
    Column("tries", Integer, nullable=False),  # how many attempts the file has, for reports
)

meta = Table("meta", metadata, Column("name", String(80), primary_key=True), Column("value", Text, nullable=False))

# Counters and histograms for Prometheus: what all processes have counted since the installation began.
meters = Table(
    "meters",
    metadata,
    Column("name", String(255), primary_key=True),  # JSON: the sample's name and its labels' values (`domain.meters`)
    Column("value", Float, nullable=False),
)
