"""Amounts in words: bytes and counts of parameters."""


def in_bytes(amount: float) -> str:
    """Decimal, as disks and memories are sold: 16.4 GB."""
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if amount >= size:
            return f"{amount / size:,.1f} {unit}"
    return f"{amount / 1e6:,.0f} MB"


def in_parameters(amount: int) -> str:
    """8.0 billion, 494 million."""
    return f"{amount / 1e9:,.1f} billion" if amount >= 1e9 else f"{amount / 1e6:,.0f} million"
