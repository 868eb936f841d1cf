"""A year of operation, in an hour: an installed package, its commands, and what goes wrong with machines. `make test-year`."""
