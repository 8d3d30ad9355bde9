"""What an iteration of training costs is measured for the whole family at once."""

import csv

from cnn_core import benchmark_training


def test_every_network_of_the_family_is_measured_in_turn(tmp_path, capsys):
    file = tmp_path / "times.csv"
    benchmark_training.main(1, file)
    with file.open(newline="") as lines:
        found = {line["name"]: float(line["milliseconds"]) for line in csv.DictReader(lines)}
    assert set(found) == set(benchmark_training.FAMILY)
    assert len(found) == 6
    assert all(ms > 0 for ms in found.values())
    assert capsys.readouterr().out.count("ms an iteration") == 6
