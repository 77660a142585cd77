"""``python -m nasneurn`` is the ``nasneurn`` command."""

from nasneurn.cli import main

main()
