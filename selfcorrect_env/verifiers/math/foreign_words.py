"""Words of other languages behind a number: counted things (``5 个``), or a scale (``5 万``)."""

from __future__ import annotations

import re

_BEGINS = re.compile(
    r"[\u0400-\u052f\u0590-\u08ff\u0900-\u0e7f\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]"
    r"|(?:[A-Za-z]|[\u00c0-\u024f](?<![×÷])){2}"
)
"""How a word begins: with a letter of another script, or with two Latin letters."""
_SCALE = re.compile(
    r"\s*(?:[十百千万亿萬億兆半的成折倍次分点點]|만|천|백|억|тысяч|миллион|миллиард|сот|десят|дюжин"
    r"|половин|трет|четверт|млн|млрд|тыс|\w*(?:ill[oi]o?n|ilhõ|illiard)|mil(?:le|h)|½)",
    re.IGNORECASE,
)


def is_word(text: str) -> bool:
    """Return whether ``text`` begins with a word, and not with a letter of mathematics.

    >>> is_word("元"), is_word("Äpfel"), is_word("π"), is_word("θ")
    (True, True, False, False)
    """
    return bool(_BEGINS.match(text))


def is_counted(text: str) -> bool:
    """Return whether ``text`` begins with a word that leaves the number before it as it is.

    >>> is_counted("个苹果"), is_counted("万"), is_counted("миллионов")
    (True, False, False)
    """
    return is_word(text) and not _SCALE.match(text)
