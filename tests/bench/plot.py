# SPDX-License-Identifier: Apache-2.0
"""Draws bench's document as an SVG: a panel of bars for each row, targets as marks."""

from xml.sax.saxutils import escape

WIDTH, LABEL, RIGHT, BAR, GAP, TITLE = 960, 130, 310, 18, 6, 34
COLOURS = {"caisson": "#1b6ca8", "crun": "#c8553d", "runc": "#e0a458", "floor": "#8a9a9a"}


def text(x, y, content, **attributes):
    rest = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.1f}" y="{y:.1f}"{rest}>{escape(content)}</text>'


def bar_note(result, name, value):
    note = f"{value:.2f} ms" if result["unit"] == "ms" else f"{value:.0f} {result['unit']}"
    verdict = result["verdicts"].get(name)
    if verdict:
        note += (f" · caisson {verdict['ratio']:.2f} x (target {verdict['target']:g}"
                 f"{'' if verdict['met'] else ', MISSED'})")
    return note


def panel(result, top):
    """Returns the panel's elements and its height."""
    values = {name: value["median"] for name, value in result["values"].items()}
    scale = (WIDTH - LABEL - RIGHT) / max(values.values())
    parts = [text(12, top + 20, result["title"], font_weight="bold", font_size="15")]
    y = top + TITLE
    for name, value in values.items():
        colour = COLOURS.get(name.split()[0], "#666666")
        parts.append(text(LABEL - 8, y + 13, name, text_anchor="end"))
        parts.append(f'<rect x="{LABEL}" y="{y}" width="{max(value * scale, 1):.1f}" '
                     f'height="{BAR}" fill="{colour}"/>')
        verdict = result["verdicts"].get(name)
        if verdict:
            x = LABEL + value * verdict["target"] * scale
            parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 3}" y2="{y + BAR + 3}" '
                         'stroke="#222222" stroke-width="2" stroke-dasharray="3 2"/>')
            x = max(x, LABEL + value * scale)
        else:
            x = LABEL + value * scale
        parts.append(text(x + 8, y + 13, bar_note(result, name, value)))
        y += BAR + GAP
    return parts, y + 12 - top


def svg(document):
    parts, top = [], 50
    for result in document["rows"]:
        if result["values"]:
            drawn, height = panel(result, top)
            parts += drawn
            top += height
    versions = ", ".join(version for version in document["versions"].values() if version)
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" '
        f'viewBox="0 0 {WIDTH} {top}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{top}" fill="#ffffff"/>',
        text(12, 24, f"{versions}; Linux {document['kernel']}", font_size="13", fill="#444444"),
        text(12, 42, "Medians; a dashed mark on a peer's bar is what caisson may take at most.",
             font_size="12", fill="#444444"),
    ]
    return "\n".join(head + parts + ["</svg>"]) + "\n"
