"""A command in a page: what it says and its exit status, as in a terminal."""

from fusqa.figures.showing import show_command


def test_a_command_runs_in_the_folder_and_prints_what_it_says_and_its_exit_status(tmp_path, capsys):
    (tmp_path / "a cohort").mkdir()
    show_command("fusqa check 'a cohort'", tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "$ fusqa check 'a cohort'" and lines[-1] == "(exit status 2)"
    assert any("cases.csv" in line for line in lines[1:-1]) and all(line.strip() for line in lines)


def test_a_command_that_succeeds_has_exit_status_zero(tmp_path, capsys):
    show_command("fusqa --help", tmp_path)
    assert capsys.readouterr().out.endswith("(exit status 0)\n")
