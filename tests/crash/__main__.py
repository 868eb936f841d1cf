"""`python -m tests.crash --repeats 3 --kills 1000 --jobs 4`."""

import sys

from tests.crash.campaign import main

if __name__ == "__main__":
    sys.exit(main())
