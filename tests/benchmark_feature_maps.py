"""What a page of maps costs beyond the network itself, and what it weighs.

    python tests/benchmark_feature_maps.py [rounds]

The last convolution of a ResNet-50 (2,048 channels) is opened on its first page: against a plain forward pass to that
layer, which the same run measures in turn, plus the encoding of the sprite. Then the pages that follow, and another
order, which run no network. Last, the bytes of 64 maps as one sprite and as 64 files. Times are those of the processor
on one thread, so that whatever else the machine does does not count.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

NETWORK, LAYER = "untrained/resnet50", "layer4.2.conv3"  # speed does not depend on what was learnt


def once(work: Callable[[], object]) -> float:
    """Processor seconds of one call."""
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(rounds: int) -> dict[str, float]:
    """Medians in s: the plain forward pass, encoding, opening the first page, and turning to another page."""
    from cnn_core import feature_maps, overlay, zoo
    from demos import feature_maps as tab
    from demos._photographs import photograph

    network, picture = zoo.get(NETWORK), tab.receive(photograph("Cat"))
    module, images = network.module, network.preprocess(picture)
    block = module.get_submodule("layer4.2")
    before = torch.nn.Sequential(
        *(module.get_submodule(name) for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3")),
        module.get_submodule("layer4.0"), module.get_submodule("layer4.1"), block.get_submodule("conv1"),
        block.get_submodule("bn1"), torch.nn.ReLU(), block.get_submodule("conv2"), block.get_submodule("bn2"),
        torch.nn.ReLU(), block.get_submodule("conv3"),
    )  # fmt: skip

    def plain() -> torch.Tensor:
        with torch.inference_mode():
            return before(network.preprocess(picture))

    maps = feature_maps.read(module, images, LAYER)
    torch.testing.assert_close(plain(), maps)
    array = maps[0].numpy()
    found = feature_maps.statistics(array)
    channels = tab.chosen_channels(found, "index", 1)

    def encode() -> object:
        return overlay.encoded(overlay.grid(array[channels], *feature_maps.scale(array)))

    def open_page(order: str = "index", page: int = 1) -> object:
        maps = tab.maps_of(network, picture, LAYER)
        found = feature_maps.statistics(maps)
        return tab.grid_of(maps, tab.chosen_channels(found, order, page), found, None)

    def first_page() -> object:
        tab.recent.cache_clear()
        return open_page()

    for warm in (plain, encode, first_page):
        warm()
    took: dict[str, list[float]] = {"forward": [], "encode": [], "first": [], "next": []}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for number in range(rounds):
            took["forward"].append(once(plain))
            took["encode"].append(once(encode))
            took["first"].append(once(first_page))
            took["next"].append(once(lambda number=number: open_page("variance", 2 + number % 30)))
    finally:
        torch.set_num_threads(threads)
    return {name: statistics.median(seconds) for name, seconds in took.items()}


def weights(network: str, layer: str) -> tuple[int, int]:
    """Bytes of a layer's first 64 maps: as a PNG each, of the same size in px, and as the sprite that is sent."""
    from cnn_core import feature_maps, overlay, zoo
    from demos._photographs import photograph

    found = zoo.get(network)
    maps = feature_maps.read(found.module, found.preprocess(photograph("Cat")), layer)[0].numpy()[:64]
    low, high = feature_maps.scale(maps)
    apart = 0
    for each in maps:
        file = BytesIO()
        overlay.grid(each[None], low, high).convert("RGB").save(file, "PNG")
        apart += len(file.getvalue())
    return apart, len(overlay.encoded(overlay.grid(maps, low, high))[0])


if __name__ == "__main__":
    took = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
    ratio = (took["first"] - took["encode"]) / took["forward"]
    forward, encode, first, following = (f"{seconds * 1000:.0f} ms" for seconds in took.values())
    print(f"forward pass {forward}, encoding {encode}, first page {first}, next page {following}")
    print(f"first page without its encoding: {ratio:.2f} times the forward pass")
    for layer in ("conv1", "layer1", "layer2", "layer3", "layer4"):
        apart, together = weights(NETWORK, layer)
        print(f"64 maps of {layer}: {apart:,} bytes in 64 files, {together:,} in one, ratio {together / apart:.2f}")
