"""What a person can cause, told in one sentence."""


class UserError(Exception):
    """A fault that the person at the keyboard can mend.

    The message is one sentence (or two) that names the thing, what was expected, what was found
    and how to mend it. The command line prints it without a traceback and exits with 1. What only
    a bug can cause is an `assert` instead.
    """
