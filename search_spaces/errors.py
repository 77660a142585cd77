"""What a person can mend about a space, a limit or a checkpoint."""


class SpaceError(ValueError):
    """A space, an architecture, a cost limit or a checkpoint cannot be used as asked.

    The message is one line that names what was wrong, the value, and what would be right.
    """
