"""Tools for programs that a language model drives (Model Context Protocol). A tool is thin: it makes calls of the REST API
with the caller's own token, so that whatever a token may not do, no tool does."""
