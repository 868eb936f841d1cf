"""PostProber: publish to social platforms, prove that every post is live, and never post twice."""

__version__ = "0.1.0"
# Where people find the project, as in `project.urls` of pyproject.toml; "" while it has no public address.
__url__ = ""
