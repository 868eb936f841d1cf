"""`python -m postprober`."""

from postprober.cli.main import main

if __name__ == "__main__":
    main()
