"""The running sidecar under schemathesis, with two users."""
