"""PostProber from another program: a typed client of the REST API.

    from postprober.client import RestClient

    client = RestClient("https://post.example.org", token)
    made = client.propose({"content": "Version 1.4 is out", "account_ids": [1], "key": "v1.4"})
    print(made["decide_at"])

A call that creates something carries an `Idempotency-Key` of its own, so a broken connection is tried again and still makes
one thing. `ApiRefused` has the server's own sentence.
"""

from postprober.client.calls import ApiRefused, RestCall
from postprober.client.client import RestClient

__all__ = ["ApiRefused", "RestCall", "RestClient"]
