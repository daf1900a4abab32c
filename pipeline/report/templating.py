"""The templates, and how numbers are written in them."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def render(template: str, **values: Any) -> Markup:
    """Return a template filled in; text among the values is escaped, `Markup` is not."""
    return Markup(_environment().get_template(template).render(**values))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pipeline.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": "{:,}".format, "prob": prob, "duration": duration}
    return environment


def prob(value: float) -> str:
    """Return a probability with three digits that never claims certainty.

    >>> prob(0.98765), prob(0.99999), prob(0.00001)
    ('0.988', '>0.999', '<0.001')
    """
    if value >= 0.9995:
        return ">0.999"
    if value < 0.0005:
        return "<0.001"
    return f"{value:.3f}"


def duration(seconds: float) -> str:
    """Return a time in the units that people use for one so long.

    >>> duration(7.31), duration(321), duration(7384)
    ('7.3 s', '5 min 21 s', '2 h 3 min')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
