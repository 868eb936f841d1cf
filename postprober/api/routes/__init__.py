"""One module per group of routes; thin over `services`."""
