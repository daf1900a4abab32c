"""matplotlib's drawings as parts of a page: inline SVG in the page's own font and colours."""

import hashlib
import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib
from markupsafe import Markup, escape
from matplotlib.figure import Figure

# matplotlib knows no CSS variables: it draws in these stand-ins, which are replaced in its output.
INK, MUTED, GRID, FIRST, SECOND, BAD = (f"#01020{digit}" for digit in range(6))
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--line)",
    FIRST: "var(--first)",
    SECOND: "var(--second)",
    BAD: "var(--bad)",
}

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small, selectable, in the reader's font
    "svg.hashsalt": "report",  # the same page gives the same bytes
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": False,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
}

# In units of 1/72 inch this is little wider than a phone's 360 pixels, so that text of nine units
# can be read there.
_INCHES = (4.2, 3.0)


def draw(description: str, paint: Callable[[Figure], None]) -> Markup:
    """Return a chart as an SVG element.

    Args:
        description: What it shows, in words, for those who cannot see it. Unique on the page.
        paint: Draws on an empty figure.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=_INCHES, layout="constrained")
        paint(figure)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    # matplotlib numbers its ids anew in every file; on one page they must differ.
    prefix = f"c{hashlib.sha256(description.encode()).hexdigest()[:6]}-"
    return _inline(file.getvalue(), description, prefix)


def _inline(text: str, description: str, prefix: str) -> Markup:
    """Turn an SVG file into an element of a page."""
    body = text[text.index("</defs>") + len("</defs>") : text.rindex("</svg>")]
    view_box = re.search(r'viewBox="([^"]+)"', text)
    assert view_box, "matplotlib always writes one"
    body = re.sub(r"<!--.*?-->\s*", "", body)
    body = re.sub(r' id="', f' id="{prefix}', body)
    body = re.sub(r"url\(#", f"url(#{prefix}", body)
    body = re.sub(r'xlink:href="#', f'href="#{prefix}', body)
    body = re.sub(r" ?font-family: [^;\"]+;?", "", body)
    body = re.sub(r"(\.\d\d)\d+", r"\1", body)
    body = re.sub(r"\s+", " ", body)
    for stand_in, variable in _VARIABLES.items():
        body = body.replace(stand_in, variable)
    return Markup(
        f'<svg class="chart" role="img" viewBox="{view_box[1]}" '
        f'aria-label="{escape(description)}">{body}</svg>'
    )
