"""What goes to a worker and comes back: a payload, and its answer or the reason for none."""

import pickle
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from nasneurn.errors import kind_and_line

_END = object()


@dataclass(frozen=True)
class Failure:
    """Why a piece of work gave no result: in one line, and as a traceback.

    ``passing`` is what another try may not meet: an error of input or output, as of a full disk.
    """

    error: str
    details: str = ""
    passing: bool = False

    @classmethod
    def of(cls, error: BaseException, where: str = "") -> "Failure":
        """What is kept of an exception; ``where`` is said before it."""
        line = f"{where}{kind_and_line(error)}"
        passing = any(isinstance(one, OSError) for one in _causes(error))
        return cls(line, "".join(traceback.format_exception(error)), passing)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def packed(what: str, value: Any) -> bytes | Failure:
    """The value as bytes for another process; a failure where it cannot be pickled."""
    try:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # a class of one's own may raise anything here
        return Failure.of(error, f"the {what} cannot be pickled: ")


def handed_out(
    payloads: Iterator[Any], has_room: Callable[[], bool], give: Callable[[Any, bytes], object]
) -> Iterator[tuple[Any, Failure]]:
    """Give payloads to workers while these have room; yields those that cannot be given.

    If there is room afterwards, there are no more payloads.
    """
    while has_room():
        payload = next(payloads, _END)
        if payload is _END:
            return
        data = packed("payload", payload)
        if isinstance(data, Failure):
            yield payload, data
        else:
            give(payload, data)


def unpacked(answer: bytes) -> Any:
    """The answer that a worker packed; a failure where it cannot be unpickled here."""
    try:
        return pickle.loads(answer)
    except Exception as error:
        return Failure.of(error, "the answer cannot be unpickled: ")


def answered(work: Callable[[Any], Any], payload: bytes) -> bytes:
    """Do the work on a packed payload, in the process of the worker.

    Nothing raised here ends the worker: an exception is the answer.
    """
    try:
        answer: Any = work(pickle.loads(payload))
    except Exception as error:
        answer = Failure.of(error)
    data = packed("answer", answer)
    return pickle.dumps(data) if isinstance(data, Failure) else data
