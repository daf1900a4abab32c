"""What compiles, in Markdown for the README: `python -m tests.augment.support_table`."""

from itertools import groupby

from pipeline.augment.batched.support import ANY, COMBINATORS, TRANSFORMS


def markdown() -> str:
    """Return a table of the transforms and the arguments they compile with.

    It is made from the rules that the compiler itself goes by; transforms with the same rules
    share a row.
    """
    rules = {}
    for support in TRANSFORMS:
        limits = [f"{k}: {rule.text}" for k, rule in support.arguments.items() if rule is not ANY]
        colours = [] if support.on_grey else ["images in colour"]
        rules[support.source.__name__] = "<br>".join(colours + sorted(limits))
    rules |= dict.fromkeys((combinator.__name__ for combinator in COMBINATORS), "")
    lines = ["| Transform | Compiles with |", "|---|---|"]
    by_rule = sorted(rules, key=lambda name: (rules[name] != "", rules[name]))
    for shared, names in groupby(by_rule, key=rules.__getitem__):
        lines.append(f"| {', '.join(f'`{name}`' for name in names)} | {shared or 'anything'} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown())
