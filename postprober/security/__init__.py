"""Secrets: sealing, hashing, signing, redaction, and which addresses may be called."""
