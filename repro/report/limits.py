"""What a comparison cannot show, said by the report itself."""

from __future__ import annotations

from repro.report.content import ReportContent
from repro.report.number_format import fixed, setting


def limits(content: ReportContent) -> tuple[str, ...]:
    """Return the sentences, the weightiest first."""
    sentences = []
    measured = [c for c in content.cells if c.cell.kind == "measured"]
    done = [c for c in measured if c.state == "done"]
    if not content.absolute and measured and content.has_published:
        sentences.append("This is no reproduction of printed values: the scale or the settings are not the paper's.")
    data = next((d for d in content.deviations if d.key == "data.name"), None)
    if data is not None:
        sentences.append(
            f"The images are “{setting(data.value)}”, the paper's are “{setting(data.published)}”: what holds here "
            "may fail there."
        )
    if done and content.references:
        sentences.append(
            f"There is one seed: verdicts take from reference runs ({'; '.join(content.references)}) how much seeds "
            "change. What this machine and this version change in every run alike is not in that; verdicts bear about "
            "0.8 times as much as seeds change. Intervals of cells cover the choice of validation images only."
        )
    elif done and len(content.seeds) == 1:
        sentences.append(
            "With one seed the intervals cover the choice of validation images only. How far another training seed "
            "would move a number is unknown, and a claim can hardly be decided."
        )
    elif done:
        detect = "" if content.detectable is None else (
            f": a difference below about {fixed(content.detectable, 1)} points would most likely be missed"
        )  # fmt: skip
        sentences.append(f"{len(content.seeds)} seeds{detect}. “Inconclusive” is not “no difference”.")
        if content.seeds_share:
            sentences.append(content.seeds_share)
    absent = len(measured) - len(done) - sum(c.state == "quoted" for c in measured)
    if absent:
        sentences.append(f"{absent} of {len(measured)} cells have no number.")
    quoted = sum(c.state == "quoted" for c in content.cells)
    if quoted:
        sentences.append(
            f"{quoted} cell{'s are' if quoted > 1 else ' is'} quoted: results of other systems or of a test "
            "server, not run here."
        )
    texts = sum(not result.testable for result in content.claims)
    if texts:
        sentences.append(f"{texts} of {len(content.claims)} claims cannot be tested with these numbers; each says why.")
    if done:
        if content.has_published:
            sentences.append(
                "The paper prints one number per cell, without seeds or intervals: its own uncertainty is unknown."
            )
        device = content.environment.get("device", "one kind of machine")
        sentences.append(f"Everything ran on {device}; other hardware and library versions were not tried.")
    return tuple(sentences)
