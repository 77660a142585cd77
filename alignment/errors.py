"""What a person can mend about models, scoring options or outputs of an alignment."""


class AlignmentError(ValueError):
    """A model name, an option or a file cannot be used as asked.

    The message is one line that names what was wrong, the value, and what would be right.
    """


class TraceError(AlignmentError):
    """One architecture could not be built, or could not be run on the meta device."""
