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
_VARIABLES = ("--ink", "--muted", "--line", "--first", "--second")
_STAND_INS = [f"#01020{digit}" for digit in range(len(_VARIABLES))]
INK, MUTED, GRID, FIRST, SECOND = _STAND_INS

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
    """Return a chart as an SVG element; `paint` draws on an empty figure.

    The description, unique on the page, says what it shows to those who cannot see it.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=_INCHES, layout="constrained")
        paint(figure)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    view_box = re.search(r'viewBox="([^"]+)"', text)
    assert view_box, "matplotlib always writes one"
    body = text[text.index("</defs>") + len("</defs>") : text.rindex("</svg>")]
    body = re.sub(r"<!--.*?-->\s*", "", body)
    # matplotlib numbers its ids anew in every file; on one page they must differ.
    prefix = f"c{hashlib.sha256(description.encode()).hexdigest()[:6]}-"
    body = body.replace(' id="', f' id="{prefix}').replace("url(#", f"url(#{prefix}")
    body = body.replace('xlink:href="#', f'href="#{prefix}')
    body = re.sub(r" ?font-family: [^;\"]+;?", "", body)
    body = re.sub(r"(\.\d\d)\d+", r"\1", body)
    body = re.sub(r"\s+", " ", body)
    for stand_in, variable in zip(_STAND_INS, _VARIABLES, strict=True):
        body = body.replace(stand_in, f"var({variable})")
    return Markup(
        f'<svg class="chart" role="img" viewBox="{view_box[1]}" '
        f'aria-label="{escape(description)}">{body}</svg>'
    )
