"""Social networks on one machine, for tests and the demo.

The sandbox emulates the parts of the platforms that PostProber uses, with consent pages, public pages, growing engagement
and faults on demand. It knows nothing of the rest of PostProber.
"""
