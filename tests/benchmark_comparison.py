"""What a comparison costs beyond the networks themselves, and what folding and channels-last gain.

    python tests/benchmark_comparison.py [rounds]

First, networks that are loaded already are compared on one picture, and in turn, in the same run, each of them runs
alone in inference mode on pictures prepared beforehand. Preparing the picture once, which the comparison has to do, is
measured by itself: that is its fixed overhead. Then each network as it is, channels last, folded, and both. Times are
those of the processor on one thread, so that whatever else the machine does does not count; speed does not depend on
what was learnt, so weights are random.
"""

from __future__ import annotations

import copy
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

NAMES = ("resnet18", "squeezenet1_0", "mobilenet_v2", "shufflenet_v2_x1_0", "mnasnet1_0", "googlenet")


def once(work: Callable[[], object]) -> float:
    """Processor seconds of one call."""
    began = time.process_time()
    work()
    return time.process_time() - began


def medians(rounds: int, works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of each work, all of them in turn in every round."""
    for work in works.values():
        work()
    took: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            took[name].append(once(work))
    return {name: statistics.median(seconds) for name, seconds in took.items()}


def load() -> None:
    """Put the networks into the cache under the names by which a comparison asks for them."""
    from cnn_core import comparison, model_cache, zoo

    for name in NAMES:
        plan = comparison._blueprint(name)
        network = zoo.Network(name, plan.build().eval(), plan.preprocess, zoo.imagenet_classes(), True, "", name)
        with model_cache.keeping(name, lambda network=network: network):
            pass


def compared(rounds: int) -> dict[str, float]:
    """Seconds of a comparison, of its networks alone, and of preparing the picture in as many ways as they want."""
    from cnn_core import comparison, zoo
    from demos._photographs import photograph

    picture = photograph("Cat")
    networks = [zoo.get(name) for name in NAMES]
    images = [network.preprocess(picture) for network in networks]

    def raw() -> None:
        with torch.inference_mode():
            for network, each in zip(networks, images, strict=True):
                network.module(each)

    def compare() -> list[object]:
        return list(comparison.compare([picture], NAMES, measure=False))

    def prepare() -> None:
        for preprocess in {network.preprocess for network in networks}:
            preprocess(picture)

    return medians(rounds, {"raw": raw, "compare": compare, "prepare": prepare})


def variants(rounds: int, name: str) -> dict[str, float]:
    """Seconds of a network as it is, channels last, folded, and both; -1 if its answers would differ."""
    from cnn_core import comparison, zoo

    network = zoo.get(name)
    images = torch.rand(1, *network.shape)
    last = images.contiguous(memory_format=torch.channels_last)
    works: dict[str, tuple[torch.nn.Module, torch.Tensor]] = {
        "as it is": (network.module, images),
        "channels last": (copy.deepcopy(network.module).to(memory_format=torch.channels_last), last),  # type: ignore[call-overload]
        "folded": (comparison.folded(network.module, images, channels_last=False), images),
        "both": (comparison.folded(network.module, images), last),
    }

    def run(module: torch.nn.Module, each: torch.Tensor) -> Callable[[], object]:
        return torch.inference_mode()(lambda: module(each))

    expected = run(*works["as it is"])()
    took = medians(rounds, {key: run(*work) for key, work in works.items()})
    for key, work in works.items():
        torch.testing.assert_close(run(*work)(), expected, rtol=1e-4, atol=1e-4, msg=f"{key} changes {name}")
    return took


if __name__ == "__main__":
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 11
    torch.manual_seed(0)
    torch.set_num_threads(1)
    load()
    took = compared(rounds)
    shown = ", ".join(f"{name} {seconds * 1000:.1f} ms" for name, seconds in took.items())
    print(f"{len(NAMES)} networks: {shown}")
    print(f"comparison without preparing: {(took['compare'] - took['prepare']) / took['raw']:.3f} times the networks")
    print(f"comparison, all of it: {took['compare'] / took['raw']:.3f} times the networks")
    for name in NAMES:
        took = variants(rounds, name)
        plain = took["as it is"]
        gains = ", ".join(f"{key} {seconds * 1000:.1f} ms ({plain / seconds:.2f}×)" for key, seconds in took.items())
        print(f"{name}: {gains}")
