"""Charts as PNG, for where no page can be shown: the same geometry as the page's, twice as large. Pure."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from operations.reporting.charts import Bar, Chart

SCALE = 2
MARGIN, TOP = 16, 44
"""Room around the drawing, and above it for its title."""
PAPER, INK, SOFT, GRID = "#ffffff", "#1b2430", "#566273", "#e6eaf0"
FILLS = {"plain": "#3f6fb5", "good": "#3d8f68", "bad": "#cc4c42"}
DARK = "#16324f"
CROSS = 3.5


def png(chart: Chart) -> bytes:
    """With its title, and with what shows what is bad besides colour: a × above the bar."""
    width, height = round(chart.width + 2 * MARGIN), round(chart.height + TOP + MARGIN)
    image = Image.new("RGB", (width * SCALE, height * SCALE), PAPER)
    draw = _Drawing(ImageDraw.Draw(image))
    draw.text(0, -TOP + 14, chart.title, 16, INK, "la")
    for number, tick in enumerate(chart.ticks):
        draw.line([(chart.left, tick.y), (chart.right, tick.y)], SOFT if number == 0 else GRID, 1)
        draw.text(chart.left - 8, tick.y, tick.label, 11, SOFT, "rm")
    for bar in chart.bars:
        _bar(draw, bar, chart.base)
    if chart.line:
        draw.line(list(chart.line), FILLS["plain"], 2.5)
        for x, y in chart.line:
            draw.rectangle(x - 2, y - 2, x + 2, y + 2, FILLS["plain"])
    for number, (x, label) in enumerate(chart.labels):
        draw.text(x, chart.base + 17, label, 11, SOFT, "rs" if number else "ls")
    written = BytesIO()
    image.save(written, "PNG", optimize=True)
    return written.getvalue()


def _bar(draw: _Drawing, bar: Bar, base: float) -> None:
    right = bar.x + bar.width
    draw.rectangle(bar.x, bar.y, right, bar.y + bar.height, FILLS[bar.kind])
    if bar.part:
        draw.rectangle(bar.x, base - bar.part, right, base, DARK)
    if bar.kind == "bad":
        _cross(draw, (bar.x + right) / 2, bar.y - 8)
    if bar.label:
        draw.text((bar.x + right) / 2, base + 17, bar.label, 11, SOFT, "ms")


def _cross(draw: _Drawing, x: float, y: float) -> None:
    """As the font has none."""
    for sign in (-CROSS, CROSS):
        draw.line([(x - CROSS, y - sign), (x + CROSS, y + sign)], FILLS["bad"], 2)


class _Drawing:
    """Places of the chart's geometry on the picture."""

    def __init__(self, draw: ImageDraw.ImageDraw) -> None:
        self._draw = draw

    def text(self, x: float, y: float, text: str, size: int, fill: str, anchor: str) -> None:
        font = ImageFont.load_default(size * SCALE)
        self._draw.text(_place(x, y), text, fill=fill, font=font, anchor=anchor)

    def line(self, points: list[tuple[float, float]], fill: str, width: float) -> None:
        self._draw.line([_place(x, y) for x, y in points], fill=fill, width=round(width * SCALE), joint="curve")

    def rectangle(self, left: float, top: float, right: float, bottom: float, fill: str) -> None:
        self._draw.rectangle((_place(left, top), _place(right, bottom)), fill=fill)


def _place(x: float, y: float) -> tuple[float, float]:
    return (x + MARGIN) * SCALE, (y + TOP) * SCALE
