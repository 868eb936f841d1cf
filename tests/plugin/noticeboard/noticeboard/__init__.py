"""A board of short notices that exists nowhere: what a platform from another package needs, and no more."""
