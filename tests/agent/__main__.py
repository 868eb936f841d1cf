"""`python -m tests.agent`: how often the rules' review holds harmless posts and notices harmful ones, a line a kind."""

from __future__ import annotations

from tests.agent.review_corpus import rate, rates, samples


def main() -> None:
    """Print the shares."""
    harmless, harmful = samples("harmless"), samples("harmful")
    print("Harmful posts, by kind")
    for one in rates(harmful):
        print(f"  {one}")
    print(f"  {rate('all', harmful)}")
    print("Harmless posts that are held, by kind")
    for one in rates(harmless):
        if one.noticed:
            print(f"  {one}")
    print(f"  {rate('everyday', [s for s in harmless if not s.tricky])}")
    print(f"  {rate('tricky', [s for s in harmless if s.tricky])}")


if __name__ == "__main__":
    main()
