"""The commands: each in the file of its name, with what it takes, does and prints.

A command's fields are its options, their docstrings the help, and a call runs it; what it, or
whatever it calls, refuses is a `UserError`. `python -m pipeline` loads the file of the command
typed and no other: `make` asks the plan at every call, and torch alone takes seconds to import.
"""

COMMANDS = (
    *("data", "split", "settings", "preview", "models", "plan", "train", "kernel", "predict"),
    *("ensemble", "submit", "compare", "try", "sweep", "report", "audit", "runs", "leaderboard"),
    *("play", "bench"),
)
"""Their names, on the way from the data to the score; `plan` is for make alone to ask."""
