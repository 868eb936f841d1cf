"""Use cases: what pages, API and command line may call. Nothing here knows who is calling."""
