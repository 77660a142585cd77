"""Commands as a user of a container may have to run them: one process, told by its arguments.

No home folder, an id without an entry in the list of users, ASCII alone, no folder that numba may
keep functions in (as where the packages may be read alone), a long path of temporary files.
"""

import json
import pwd
import sys
from typing import NoReturn

from numba.core import caching

from nasneurn.cli import main


def no_entry(user: int) -> NoReturn:
    raise KeyError(f"getpwuid(): uid not found: {user}")


if __name__ == "__main__":
    pwd.getpwuid = no_entry
    caching.CacheImpl._locator_classes = []
    for command in json.loads(sys.argv[1]):
        sys.argv = ["nasneurn", *command]
        try:
            main()
        except SystemExit as ended:
            if ended.code:
                sys.exit(ended.code)
