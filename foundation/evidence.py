"""What became of a piece of evidence (SPEC O1): said by the room that owns the fact."""

from enum import StrEnum


class EventOutcome(StrEnum):
    """APPLIED: something is now true that was not. REPEATED: known already. STALE: older than what stands, kept and
    moved nothing. REFUSED: contradicts what we know; ops was told. IGNORED: not a kind of news that we handle."""

    APPLIED = "applied"
    REPEATED = "repeated"
    STALE = "stale"
    REFUSED = "refused"
    IGNORED = "ignored"
