"""The leak check sees what is new and what is gone, each as often as it is."""

from conformance import leaks


def test_surplus_counts_how_often():
    assert leaks.surplus(["a", "a", "b"], ["a"]) == ["a", "b"]
    assert leaks.surplus(["a"], ["a", "b"]) == []


def test_a_new_file_is_left_behind_and_a_removed_one_is_missing(tmp_path):
    (tmp_path / "old").touch()
    before = leaks.Snapshot([str(tmp_path)])
    (tmp_path / "old").unlink()
    (tmp_path / "new").touch()
    lines = [line for line in before.left() if line.startswith("file")]
    assert lines == [f"file left behind: {tmp_path}/new", f"file missing: {tmp_path}/old"]
