"""PostProber: publish to social platforms, prove that every post is live, and never post twice."""

__version__ = "0.1.0"
