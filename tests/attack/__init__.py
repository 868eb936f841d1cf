"""PostProber attacked: its source, a running installation, and secrets planted to be searched for (SECURITY.md)."""
