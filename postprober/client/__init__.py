"""PostProber from another program: a typed client of the REST API.

    from postprober.client import Client

    client = Client("https://post.example.org", token)
    made = client.propose({"content": "Version 1.4 is out", "account_ids": [1], "key": "v1.4"})
    print(made["decide_at"])

A call that creates something carries an `Idempotency-Key` of its own, so a broken connection is tried again and still makes
one thing. `Refused` has the server's own sentence.
"""

from postprober.client.calls import Call, Refused
from postprober.client.client import Client

__all__ = ["Call", "Client", "Refused"]
