"""The error that a person can mend: wrong input, told in one line."""


class InputError(ValueError):
    """What a person gave cannot be used.

    The message is one line that names what was wrong, the value, and what would be right.
    The command line prints it on stderr and exits with code 2; it shows no traceback.
    """
