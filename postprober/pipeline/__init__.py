"""The way of a delivery: authentication, posting, reconciliation, verification, engagement."""
