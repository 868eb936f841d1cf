"""The engine under random operations, beside a platform that means it no good (`make test-chaos`).

Everything is real but the network: the pipeline's own functions and the services that a person calls, on a migrated
SQLite database. Two processes of ours and a person work on it; each can be stopped before and after every transaction and
at every checkpoint, go on later, or die there. Clocks are apart and jump. The platform keeps the truth and is asked at
the end what a stranger can see.

What is assumed (docs/how-a-post-goes-out.md, docs/model/README.md, docs/decisions/0021); the generator stays inside it:

1. *Landing.* Without a handle of the platform, a request takes effect within LATE seconds or never. With one, and in
   strict mode, whenever it likes, and there is still one post; but what is called failed or cancelled after a look that
   did not find it is only promised for a request that took effect within LATE seconds.
2. *Freezing.* A process stands still between its last check and its first byte for FROZEN seconds at most. Anywhere else
   it may for as long as it likes.
3. *Own list.* Where absence may be proved from the list of own posts, a post that exists is in it LAG seconds after it
   came into being. One single reading may miss it (FLICKER), two in a row do not. In strict mode a list may say anything.
   These three together with the lease are shorter than the settle time, as every adapter's has to be.
4. *Clocks.* Where the platform tells its time, our clocks may be apart and jump as they like. Where it does not, they
   agree to a second and do not jump.
5. *Twins.* A post that somebody made by hand with the same words after the intent is told from ours by the name of its
   app; where the platform gives none, it may be taken for ours (it says the same).
6. *A person's word.* Who says "it is not there" has looked. Who has not, or orders a send although the risk was said,
   may see two posts.
"""
