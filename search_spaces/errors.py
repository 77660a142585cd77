"""What a person can mend about a space, a limit or a checkpoint."""


class SpaceError(ValueError):
    """A space, an architecture, a cost limit or a checkpoint cannot be used as asked.

    The message is one line that names what was wrong, the value, and what would be right.
    """


def one_line(error: BaseException) -> str:
    """What an error says as part of another line: its first letters; of a silent one its kind."""
    text = " ".join(str(error).split())
    if isinstance(error, OSError):  # whose number tells a person nothing
        text = text.removeprefix(f"[Errno {error.errno}] ")
    return text[:200] or type(error).__name__
