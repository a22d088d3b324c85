"""References of ledger entries: the fact that an entry is about (payout:7), then what of it (payout:7:returned:500)."""


def fact_of(reference: str) -> str:
    """The fact alone: "payout:7"."""
    return ":".join(reference.split(":")[:2])


def fact_id(reference: str) -> int:
    """The id of the row that the fact is: 7."""
    return int(reference.split(":")[1])
