"""`python -m tests.trust --only I5,I6 --scale 0.02 --seconds 300`."""

import sys

from tests.trust.run import main

if __name__ == "__main__":
    sys.exit(main())
