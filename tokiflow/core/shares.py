"""Shares of a whole, said as people do."""

from __future__ import annotations


def percent(share: float | None) -> str:
    """`0.9889` → `98.9 %`; never rounded up to a hundred that was not reached. A dash when it is not known."""
    if share is None:
        return "–"
    value = share * 100
    if value < 100:
        value = min(value, 99.9 if value < 99.9 else int(value * 100) / 100)
    return f"{value:.2f}".rstrip("0").rstrip(".") + " %" if value > 99.9 else f"{value:.1f}".removesuffix(".0") + " %"
