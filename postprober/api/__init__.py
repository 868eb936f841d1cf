"""The sidecar: what browsers, platforms and other programs reach over HTTP."""
