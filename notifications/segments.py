"""How many parts an SMS is sent in, which is what it is charged by.

GSM 03.38: a text of its own 7-bit letters fits 160 in one part and 153 in each of several; a few signs count twice. Any
other letter makes the whole text UTF-16: 70, and 67.
"""

_LETTERS = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_COUNT_TWICE = frozenset("\f^{}\\[~]|€")


def count(text: str) -> int:
    """At least one."""
    if all(letter in _LETTERS or letter in _COUNT_TWICE for letter in text):
        length, single, each = len(text) + sum(letter in _COUNT_TWICE for letter in text), 160, 153
    else:
        length, single, each = len(text.encode("utf-16-be")) // 2, 70, 67
    return 1 if length <= single else -(-length // each)
