"""How long a text is as SMS: its alphabet, units and segments, each of which is paid for (3GPP TS 23.038 and 23.040).

A text of nothing but the GSM 7-bit alphabet takes 160 septets in one segment, 153 in each of several; the characters of
the extension table take two. One character from outside makes the whole text UCS-2: 70 units, 67 in each of several,
two for what lies beyond the first plane (emoji). A character of two units is never split over two segments.
"""

from dataclasses import dataclass

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = frozenset("\f^{}\\[~]|€")
GSM_7, UCS_2 = "GSM-7", "UCS-2"
ROOM = {GSM_7: (160, 153), UCS_2: (70, 67)}  # in the only segment, in each of several
MOST_STRANGERS = 8


@dataclass(frozen=True)
class SmsLength:
    """`units` are septets or UTF-16 units; `left` of them fit into the last segment; `strangers` made it UCS-2."""

    alphabet: str
    units: int
    segments: int
    left: int
    strangers: str = ""

    def __str__(self) -> str:
        unit = "septets" if self.alphabet == GSM_7 else "units"
        return f"{self.segments} SMS · {self.units} {unit} of {self.alphabet}, {self.left} left"


def measure_sms(text: str) -> SmsLength:
    strangers = "".join(dict.fromkeys(one for one in text if one not in BASIC and one not in EXTENSION))
    alphabet = UCS_2 if strangers else GSM_7
    sizes = [_count_septets(one) if alphabet == GSM_7 else _utf16_units(one) for one in text]
    single, several = ROOM[alphabet]
    units = sum(sizes)
    if units <= single:
        return SmsLength(alphabet, units, 1, single - units, strangers[:MOST_STRANGERS])
    segments, left = _pack_segments(sizes, several)
    return SmsLength(alphabet, units, segments, left, strangers[:MOST_STRANGERS])


def _count_septets(character: str) -> int:
    return 2 if character in EXTENSION else 1


def _utf16_units(character: str) -> int:
    return 2 if ord(character) > 0xFFFF else 1


def _pack_segments(sizes: list[int], room: int) -> tuple[int, int]:
    """Segments of `room` that hold characters of these sizes in their order, and what is left in the last one."""
    segments, left = 1, room
    for size in sizes:
        if size > left:
            segments, left = segments + 1, room
        left -= size
    return segments, left
