"""Money: integers in minor units with an ISO 4217 currency, never floats (SPEC 1)."""

from fractions import Fraction

EXPONENTS = {
    **dict.fromkeys(("USD", "EUR", "GBP", "INR", "CAD", "AUD", "SGD", "AED", "CHF", "SEK", "NOK", "DKK", "MXN"), 2),
    **dict.fromkeys(("JPY", "KRW", "VND", "CLP"), 0),
    **dict.fromkeys(("KWD", "BHD", "OMR", "JOD", "TND"), 3),
}
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "INR": "₹", "JPY": "¥"}


def currency_exponent(currency: str) -> int:
    """Digits after the point. Raises KeyError for a currency we do not do business in."""
    return EXPONENTS[currency.upper()]


def is_known_currency(currency: str) -> bool:
    return currency.upper() in EXPONENTS


def format_money(amount_minor: int, currency: str) -> str:
    """`format_money(-1250, "USD") == "-$12.50"`: for people, never parsed back."""
    digits = currency_exponent(currency)
    whole, part = divmod(abs(amount_minor), 10**digits)
    sign = "-" if amount_minor < 0 else ""
    symbol = SYMBOLS.get(currency.upper(), f"{currency.upper()} ")
    return f"{sign}{symbol}{whole:,}" + (f".{part:0{digits}d}" if digits else "")


def share_of(part_minor: int, of_minor: int, whole_minor: int) -> int:
    """How much of `part_minor` belongs to `of_minor` out of `whole_minor`, rounded half up, exact at both ends.

    Shares of growing cumulative amounts are booked as differences, so that the parts add up exactly:
    `share_of(p, after, w) - share_of(p, before, w)`. Zero when there is no whole.
    """
    if whole_minor == 0:
        return 0
    exact = Fraction(part_minor * of_minor, whole_minor)
    return (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)
