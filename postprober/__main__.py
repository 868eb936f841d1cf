"""`python -m postprober`."""

from postprober.cli import main

if __name__ == "__main__":
    main()
