"""TF-Slim's variants of well-known networks: those whose receptive fields are published.

The table of google-research/receptive_field (Araujo, Norris, Sim, "Computing Receptive Fields of Convolutional Neural
Networks", Distill, 2019) is of these. They differ from torchvision's where receptive fields do: padding is TensorFlow's
"SAME", which depends on the size of the map and puts an odd pixel behind it, and a ResNet's stage strides in its last
unit. Input (N, 3, H, W), output the last map (N, C, h, w); there is no classifier, and layers have TF-Slim's names.

Its VGGs and its Inception v3, v4 and Inception-ResNet v2 see what torchvision's and timm's do.
"""

from collections import OrderedDict

import torch
from timm.layers.create_conv2d import create_conv2d
from timm.layers.pool2d_same import create_pool2d
from torch import Tensor, nn

from cnn_core.models.resnet import Bottleneck


def convolution(in_channels: int, channels: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution with "SAME" padding, normalisation, activation: (N, C in, H, W) to (N, C, ⌈H/stride⌉, ⌈W/stride⌉)."""
    conv = create_conv2d(in_channels, channels, kernel, stride=stride, padding="same", groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU())


def alexnet_v2() -> nn.Sequential:
    """AlexNet of Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014."""

    def conv(in_channels: int, channels: int, kernel: int, stride: int = 1, padding: int = 0) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(in_channels, channels, kernel, stride, padding), nn.ReLU())

    return nn.Sequential(
        OrderedDict(
            conv1=conv(3, 64, 11, 4),
            pool1=nn.MaxPool2d(3, 2),
            conv2=conv(64, 192, 5, padding=2),
            pool2=nn.MaxPool2d(3, 2),
            conv3=conv(192, 384, 3, padding=1),
            conv4=conv(384, 384, 3, padding=1),
            conv5=conv(384, 256, 3, padding=1),
            pool5=nn.MaxPool2d(3, 2),
        )
    )


# Stride and channels of the depthwise separable convolutions: Howard et al., "MobileNets", 2017, Table 1.
MOBILENET = ((1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512), *[(1, 512)] * 5, (2, 1024), (1, 1024))


def mobilenet_v1(multiplier: float = 1.0) -> nn.Sequential:
    """MobileNet, 28 layers deep.

    Args:
        multiplier: what channels are multiplied by.
    """
    before = int(32 * multiplier)
    layers = OrderedDict[str, nn.Module](Conv2d_0=convolution(3, before, 3, 2))
    for number, (stride, channels) in enumerate(MOBILENET, 1):
        after = int(channels * multiplier)
        layers[f"Conv2d_{number}_depthwise"] = convolution(before, before, 3, stride, groups=before)
        layers[f"Conv2d_{number}_pointwise"] = convolution(before, after, 1)
        before = after
    return nn.Sequential(layers)


# Branches of an Inception module: kernels and channels of their convolutions, each behind a 1x1 but the first; what
# pools and to how many channels. "Rethinking the Inception Architecture", 2015, as TF-Slim builds it.
INCEPTION = {
    "3b": ([(64,), (64, 64), (64, 96, 96)], "avg", 32),
    "3c": ([(64,), (64, 96), (64, 96, 96)], "avg", 64),
    "4a": ([(128, 160), (64, 96, 96)], "max", 0),
    "4b": ([(224,), (64, 96), (96, 128, 128)], "avg", 128),
    "4c": ([(192,), (96, 128), (96, 128, 128)], "avg", 128),
    "4d": ([(160,), (128, 160), (128, 160, 160)], "avg", 96),
    "4e": ([(96,), (128, 192), (160, 192, 192)], "avg", 96),
    "5a": ([(128, 192), (192, 256, 256)], "max", 0),
    "5b": ([(352,), (192, 320), (160, 224, 224)], "avg", 128),
    "5c": ([(352,), (192, 320), (192, 224, 224)], "max", 128),
}


class Mixed(nn.Module):
    """An Inception module; one without channels behind its pooling halves the map in every branch.

    Args:
        in_channels: C in.
        branches: channels of the convolutions of each: a 1x1, then 3x3 ones.
        pool: "max" or "avg".
        pooled: channels of the 1x1 convolution behind the pooling, or 0.
    """

    def __init__(self, in_channels: int, branches: list[tuple[int, ...]], pool: str, pooled: int) -> None:
        super().__init__()
        stride = 1 if pooled else 2
        self.branches = nn.ModuleList()
        for first, *rest in branches:
            layers, before = [convolution(in_channels, first, 1)], first
            for number, channels in enumerate(rest, 1):
                layers.append(convolution(before, channels, 3, stride if number == len(rest) else 1))
                before = channels
            self.branches.append(nn.Sequential(*layers))
        after = [convolution(in_channels, pooled, 1)] if pooled else []
        self.branches.append(nn.Sequential(create_pool2d(pool, 3, stride, padding="same"), *after))
        self.channels = sum(channels[-1] for channels in branches) + (pooled or in_channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, C in, H, W) to (N, C, H, W), or half the height and width."""
        return torch.cat([branch(maps) for branch in self.branches], 1)


def inception_v2() -> nn.Sequential:
    """Inception with batch normalisation, its first convolution separable."""
    layers = OrderedDict[str, nn.Module](
        Conv2d_1a_7x7=nn.Sequential(
            create_conv2d(3, 24, 7, stride=2, padding="same", groups=3, bias=False), convolution(24, 64, 1)
        ),
        MaxPool_2a_3x3=create_pool2d("max", 3, 2, padding="same"),
        Conv2d_2b_1x1=convolution(64, 64, 1),
        Conv2d_2c_3x3=convolution(64, 192, 3),
        MaxPool_3a_3x3=create_pool2d("max", 3, 2, padding="same"),
    )
    channels = 192
    for name, (branches, pool, pooled) in INCEPTION.items():
        mixed = layers[f"Mixed_{name}"] = Mixed(channels, branches, pool, pooled)
        channels = mixed.channels
    return nn.Sequential(layers)


RESNETS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 200: (3, 24, 36, 3)}  # units of each block


class Unit(Bottleneck):
    """A bottleneck whose shortcut leaves places out where it strides and keeps its channels."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__(in_channels, channels, stride)
        if stride > 1 and in_channels == channels * self.expansion:
            self.downsample = nn.MaxPool2d(1, stride)


def resnet_v1(depth: int) -> nn.Sequential:
    """ResNet; each block but the last strides in its last unit.

    Args:
        depth: 50, 101, 152 or 200.
    """
    layers = OrderedDict[str, nn.Module](
        conv1=nn.Sequential(nn.Conv2d(3, 64, 7, 2, padding=3, bias=False), nn.BatchNorm2d(64), nn.ReLU()),
        pool1=create_pool2d("max", 3, 2, padding="same"),
    )
    before = 64
    for block, (count, channels) in enumerate(zip(RESNETS[depth], (64, 128, 256, 512), strict=True), 1):
        units = []
        for unit in range(1, count + 1):
            units.append(Unit(before, channels, 2 if unit == count and block < 4 else 1))
            before = channels * Unit.expansion
        layers[f"block{block}"] = nn.Sequential(*units)
    return nn.Sequential(layers)
