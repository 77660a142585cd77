import os
from pathlib import Path

import pytest

import nasneurn
from alignment.drafts import FORGOTTEN, draft_of
from nasneurn.errors import InputError
from nasneurn.files import folder_named, written_atomically


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "new" / "file.npz"
    with written_atomically(path) as draft:
        draft.write_text("first")
        assert not path.exists()
    with written_atomically(path) as draft:
        draft.write_text("second, not yet")
        assert path.read_text() == "first"
        assert draft.suffix == ".npz"  # or numpy would add one
    assert path.read_text() == "second, not yet"
    assert list(path.parent.iterdir()) == [path]


def test_after_an_error_the_old_file_stays_and_no_draft(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def write_half(error):
        with written_atomically(path) as draft:
            draft.write_text("half")
            raise error

    for error in (KeyboardInterrupt, InputError):
        with pytest.raises(error):
            write_half(error)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_removed_a_day_later(tmp_path):
    path = tmp_path / "file.npz"
    left = [draft_of(path), draft_of(path), draft_of(tmp_path / "other.npz")]
    for draft in left:
        draft.touch()
    now = left[0].stat().st_mtime
    for draft, age in zip(left, (FORGOTTEN + 60, FORGOTTEN - 60, FORGOTTEN + 60), strict=True):
        os.utime(draft, (now - age, now - age))
    with written_atomically(path) as draft:
        draft.touch()
    assert set(tmp_path.iterdir()) == {path, *left[1:]}, "one may be in work, one is another's"


def test_two_writers_have_their_own_drafts(tmp_path):
    path = tmp_path / "file"
    with written_atomically(path) as one, written_atomically(path) as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"  # the last to finish


def test_a_place_that_cannot_be_written_is_an_input_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(InputError, match=r"inner: cannot be written"),
        written_atomically(tmp_path / "file" / "inner") as draft,
    ):
        draft.write_text("")


def test_a_program_names_no_folder_by_nothing():
    with pytest.raises(InputError, match="out is empty"):
        folder_named("")
    assert folder_named(".") == folder_named(Path(".")) == Path()


@pytest.mark.slow
@pytest.mark.parametrize("call", ["bench", "ablate", "search"])
def test_nor_does_a_call(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    usual = {"suite": "builtin", "sources": "print", "seeds": 1, "budget": "quick"}
    first = {"bench": "lcnet_050", "ablate": "scope", "search": "spos"}[call]
    with pytest.raises(InputError, match="out is empty"):
        getattr(nasneurn, call)(first, **usual, out="")
    assert not list(tmp_path.iterdir())
