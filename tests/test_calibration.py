"""Calibration: values worked by hand, and logits whose right temperature is known."""

import pytest
import torch

from cnn_core.calibration import expected_calibration_error, temperature
from cnn_core.evaluation import sure_above


def test_expected_calibration_error_worked_by_hand():
    # Two answers at 0.95, one of them right: gap 0.45. Two at 0.65, both right: gap 0.35. Mean: 0.4.
    probabilities = torch.tensor([[0.95, 0.05], [0.05, 0.95], [0.65, 0.35], [0.35, 0.65]])
    assert expected_calibration_error(probabilities, torch.tensor([0, 0, 0, 1])) == pytest.approx(0.4)


def test_gaps_of_one_bin_cancel_and_those_of_two_do_not():
    probabilities = torch.tensor([[0.75, 0.25]] * 4)
    assert expected_calibration_error(probabilities, torch.tensor([0, 0, 0, 1])) == pytest.approx(0, abs=1e-6)
    assert expected_calibration_error(probabilities, torch.tensor([0, 0, 1, 1])) == pytest.approx(0.25)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_temperature_undoes_a_factor(factor):
    random = torch.Generator().manual_seed(0)
    with torch.inference_mode():  # as logits come
        logits = torch.randn(20_000, 2, generator=random)
    labels = torch.multinomial(logits.softmax(1), 1, generator=random)[:, 0]  # as often as they say
    assert temperature(logits * factor, labels) == pytest.approx(factor, rel=0.1)


def test_sure_above_leaves_out_what_is_too_often_wrong():
    probabilities = torch.tensor([[0.99, 0.01], [0.98, 0.02], [0.9, 0.1], [0.6, 0.4]])
    labels = torch.tensor([0, 0, 1, 0])
    assert sure_above(probabilities, labels, wrong=0.0) == pytest.approx(0.98)
    assert sure_above(probabilities, labels, wrong=0.3) == pytest.approx(0.6)
    assert sure_above(probabilities, 1 - labels, wrong=0.1) == 1.0  # never sure: the surest answer is wrong
