"""What compiles, in Markdown for the README: `python -m pipeline.augment.support_table`."""

from itertools import groupby

from pipeline.augment.batched import support_table


def markdown() -> str:
    """Return a table of the transforms and the arguments they compile with.

    It is made from the rules that the compiler itself goes by; transforms with the same rules
    share a row.
    """
    rules = {name: limits.replace("; ", "<br>") for name, _, limits in support_table()}
    lines = ["| Transform | Compiles with |", "|---|---|"]
    by_rule = sorted(rules, key=lambda name: (rules[name] != "", rules[name]))
    for limits, names in groupby(by_rule, key=rules.__getitem__):
        lines.append(f"| {', '.join(f'`{name}`' for name in names)} | {limits or 'anything'} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown())
