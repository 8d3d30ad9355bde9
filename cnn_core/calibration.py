"""Whether a network's probabilities can be taken at their word: of what it says with 80 %, 80 % should be right.

Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", 2017, https://arxiv.org/abs/1706.04599.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def expected_calibration_error(probabilities: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Mean distance in [0, 1] between how sure the answers are and how many are right (eq. 5).

    Answers are sorted by their probability into bins of equal width; each bin weighs as much as it has answers.

    Args:
        probabilities: (N, K), rows summing to 1.
        labels: (N,), 0 <= label < K.
        bins: how many.
    """
    sure, answers = probabilities.max(1)
    right = (answers == labels).float()
    places = (sure * bins).ceil().clamp(1, bins).long() - 1  # bin m holds ((m - 1) / M, m / M]
    gaps = torch.zeros(bins).index_add(0, places, sure - right)  # (M,): answers x (confidence - accuracy)
    return (gaps.abs().sum() / len(labels)).item()


def temperature(logits: Tensor, labels: Tensor) -> float:
    """What logits are divided by so that their cross entropy is least; above 1 makes a network less sure (section 4.2).

    Args:
        logits: (N, K), of pictures the network was not trained on.
        labels: (N,), 0 <= label < K.
    """
    logits = logits.clone()  # of inference mode, maybe, which no gradient passes
    logarithm = torch.zeros(1, requires_grad=True)  # of the temperature, which so stays above zero
    optimizer = torch.optim.LBFGS([logarithm], max_iter=50)

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(logits / logarithm.exp(), labels)
        value.backward()
        return value

    optimizer.step(loss)  # pyright: ignore[reportArgumentType]
    return logarithm.exp().item()
