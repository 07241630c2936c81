"""``python -m tests.benchmarks.picture [bench.json]``: growth and workers as pictures for the page on speed."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from tests.benchmarks.processes import ROOT

FOLDER = ROOT / "docs" / "explanation"
WIDTH, LABEL, BAR, GAP, TOP = 640, 190, 26, 10, 44
PICTURES: dict[str, tuple[str, dict[str, str]]] = {
    "speed-growth.svg": (
        "Rows a second from bulk_create to confirmed, by the number of rows",
        {f"growth_{rows}": f"{rows:,} rows" for rows in (1_000, 10_000, 100_000, 1_000_000)},
    ),
    "speed-workers.svg": (
        "Rows a second that workers apply, by the number of processes",
        {
            f"apply_backlog{processes}_{broker}": f"{count}, {name}"
            for broker, name in (("redis", "Redis"), ("rabbitmq", "RabbitMQ"))
            for processes, count in (("", "one process"), ("_2", "two processes"))
        },
    ),
}
"""File → title, and the figures with their labels."""


def picture(title: str, bars: Mapping[str, float], note: str) -> str:
    """A bar for each label, as SVG."""
    most = max(bars.values())
    room = WIDTH - LABEL - 90
    height = TOP + len(bars) * (BAR + GAP) + 30
    parts = [_text(10, 24, title, "bold")]
    for number, (label, value) in enumerate(bars.items()):
        y, width = TOP + number * (BAR + GAP), round(room * value / most)
        parts += [
            _text(10, y + 18, label),
            f'<rect x="{LABEL}" y="{y}" width="{width}" height="{BAR}" fill="#3b6ea5"/>',
            _text(LABEL + width + 8, y + 18, f"{value:,.0f}"),
        ]
    parts.append(_text(10, height - 10, note, "normal", 11))
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    background = '<rect width="100%" height="100%" fill="#fff"/>'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', background, *parts, "</svg>", ""])


def _text(x: int, y: int, text: str, weight: str = "normal", size: int = 14) -> str:
    style = f'font-family="sans-serif" font-size="{size}" font-weight="{weight}" fill="#222"'
    return f'<text x="{x}" y="{y}" {style}>{escape(text)}</text>'


def draw(measured: Mapping[str, Any], folder: Path) -> list[Path]:
    """The pictures for which there are figures in ``measured``, as build/bench.json has them."""
    drawn = []
    for name, (title, labels) in PICTURES.items():
        bars = {
            label: measured[figure]["ours"] for figure, label in labels.items() if "ours" in measured.get(figure, {})
        }
        if bars:
            loads = [load for figure in labels for load in measured.get(figure, {}).get("load", [])]
            note = f"commit {measured['about']['commit'][:7]}, load of the machine {min(loads):g} to {max(loads):g}"
            drawn.append(folder / name)
            drawn[-1].write_text(picture(title, bars, note), encoding="utf-8")
    return drawn


if __name__ == "__main__":
    source = Path(sys.argv[1]) if sys.argv[1:] else ROOT / "build" / "bench.json"
    print("\n".join(str(path) for path in draw(json.loads(source.read_text(encoding="utf-8")), FOLDER)))
