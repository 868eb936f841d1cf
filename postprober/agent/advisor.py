"""Chooses between the two minds, falls back, and lets the more cautious answer win."""

from __future__ import annotations

from dataclasses import dataclass

from postprober.agent import suggest
from postprober.agent.brief import Brief
from postprober.agent.diagnose import diagnose
from postprober.agent.evidence import Evidence
from postprober.agent.review import review
from postprober.clock import utc_iso
from postprober.domain.advice import RULES, Advice, Review
from postprober.domain.diagnosis import Diagnosis


@dataclass(frozen=True)
class Advisor:
    """Rules always answer."""

    def review(self, brief: Brief) -> tuple[Review, str]:
        """(the review, why rules answered alone: "" when they did not have to)."""
        return review(brief), ""

    def advise(self, brief: Brief) -> Advice:
        """Review and suggestions."""
        return by_rules(brief)

    def diagnose(self, evidence: Evidence) -> Diagnosis:
        """What went wrong, and the one fix."""
        return diagnose(evidence)


def by_rules(brief: Brief, note: str = "") -> Advice:
    """What the rules alone say; no network, no key, never fails."""
    return Advice(review(brief), suggest.suggestions(brief), RULES, note, utc_iso(brief.now))
