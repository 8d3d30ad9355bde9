"""GoogLeNet: nine inception modules, each of four branches that look at the same maps.

Szegedy et al., "Going Deeper with Convolutions", 2014, https://arxiv.org/abs/1409.4842.
Input (N, 3, H, W), output (N, K) logits.

Differs from the paper: batch normalisation after each convolution, and none of local responses; no auxiliary
classifiers, which fed gradients to the middle of a net without batch normalisation and are thrown away after training
anyway; in the third branch a 3x3 window where the paper has 5x5, as in torchvision
(https://github.com/pytorch/vision/issues/906). Layers are named as torchvision names them, so its weights load, those
of the auxiliary classifiers left aside; they want pictures scaled to [-1, 1].
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

# The paper's Table 1: channels of 1x1, "3x3 reduce", 3x3, "5x5 reduce", "5x5" and pool projection.
# fmt: off
INCEPTIONS = {
    "3a": ( 64,  96, 128, 16,  32,  32),  # (N,  256, 28, 28)
    "3b": (128, 128, 192, 32,  96,  64),  # (N,  480, 28, 28)
    "4a": (192,  96, 208, 16,  48,  64),  # (N,  512, 14, 14)
    "4b": (160, 112, 224, 24,  64,  64),  # (N,  512, 14, 14)
    "4c": (128, 128, 256, 24,  64,  64),  # (N,  512, 14, 14)
    "4d": (112, 144, 288, 32,  64,  64),  # (N,  528, 14, 14)
    "4e": (256, 160, 320, 32, 128, 128),  # (N,  832, 14, 14)
    "5a": (256, 160, 320, 32, 128, 128),  # (N,  832, 7, 7)
    "5b": (384, 192, 384, 48, 128, 128),  # (N, 1024, 7, 7)
}
# fmt: on


class Convolution(nn.Module):
    """Convolution, batch normalisation, ReLU.

    Args:
        in_channels: C in.
        out_channels: C out.
        kernel_size: side of the window (px), odd; padded so that only the stride makes maps smaller.
        stride: px.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)
        self.relu = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, C in, H, W) to (N, C out, H / stride, W / stride)."""
        return self.relu(self.bn(self.conv(maps)))


class Inception(nn.Module):
    """Four branches on the same maps, their outputs side by side as channels.

    The 1x1 convolutions before the wider windows make the channels few ("reduce") where each costs most.

    Args:
        in_channels: C in.
        one, three_reduce, three, five_reduce, five, pool: channels, as in a row of `INCEPTIONS`.
    """

    def __init__(
        self, in_channels: int, one: int, three_reduce: int, three: int, five_reduce: int, five: int, pool: int
    ) -> None:
        super().__init__()
        self.out_channels = one + three + five + pool
        self.branch1 = Convolution(in_channels, one, 1)
        self.branch2 = nn.Sequential(Convolution(in_channels, three_reduce, 1), Convolution(three_reduce, three, 3))
        self.branch3 = nn.Sequential(Convolution(in_channels, five_reduce, 1), Convolution(five_reduce, five, 3))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), Convolution(in_channels, pool, 1))

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, C in, H, W) to (N, one + three + five + pool, H, W)."""
        branches = self.branch1(maps), self.branch2(maps), self.branch3(maps), self.branch4(maps)
        return torch.cat(branches, dim=1)


class GoogLeNet(nn.Module):
    """22 layers deep; 6,624,904 parameters with 1,000 classes.

    Args:
        num_classes: K, the number of logits.
        width: what channels are multiplied by.
        dropout: share of the pooled channels dropped in training; the paper's 0.4, torchvision has 0.2.
    """

    def __init__(self, num_classes: int = 2, width: float = 1.0, dropout: float = 0.4) -> None:
        super().__init__()
        stem, channels = (max(1, round(width * size)) for size in (64, 192))
        self.conv1 = Convolution(3, stem, 7, stride=2)  # (N, 64, 112, 112)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)  # (N, 64, 56, 56)
        self.conv2 = Convolution(stem, stem, 1)  # (N, 64, 56, 56)
        self.conv3 = Convolution(stem, channels, 3)  # (N, 192, 56, 56)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)  # (N, 192, 28, 28)
        for name, row in INCEPTIONS.items():
            if name == "4a":
                self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)  # (N, 480, 14, 14)
            if name == "5a":
                self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)  # (N, 832, 7, 7)
            inception = Inception(channels, *(max(1, round(width * size)) for size in row))
            self.add_module(f"inception{name}", inception)
            channels = inception.out_channels
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, num_classes)

    @property
    def features(self) -> nn.Sequential:
        """All layers from `conv1` to `inception5b` under their names, in order, to be walked; shared, not copied."""
        layers = list(self.named_children())
        return nn.Sequential(OrderedDict(layers[:-3]))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, 3, H, W)."""
        maps = self.features(images)  # (N, 1024, 7, 7)
        pooled = self.avgpool(maps).flatten(1)  # (N, 1024)
        return self.fc(self.dropout(pooled))  # (N, K)
