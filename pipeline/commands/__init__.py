"""The commands: what each `python -m pipeline <stage>` takes, and the stage that it calls.

A command's fields are its options, their docstrings the help. Stages are imported when they run:
`make` asks for a run's name at every call, and torch alone takes seconds to import.
"""
