"""ResNet: blocks that add what they learn to what went in, 18 to 152 layers deep.

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2015, https://arxiv.org/abs/1512.03385.
Input (N, 3, H, W), output (N, K) logits. Layers are named as torchvision names them, so its weights load; such weights
want pictures normalised with ImageNet's mean and standard deviation, which the course left out.

Differs from the paper: a bottleneck halves the maps in its 3x3 convolution, not in the first 1x1 ("v1.5", as in
torchvision).

Differs from the course: it called its ResNet-18 fifty layers deep. The number in the name counts convolutions and the
fully connected layer, projections left out: 1 + 2 * (2 + 2 + 2 + 2) + 1 = 18.
"""

from collections import OrderedDict

from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut.

    Args:
        in_channels: C in.
        channels: C out, and between the two.
        stride: of the first convolution and of the shortcut (px).
    """

    expansion = 1  # C out, in units of `channels`

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = _shortcut(in_channels, channels, stride)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, C in, H, W) to (N, C, H / stride, W / stride)."""
        change = self.relu(self.bn1(self.conv1(maps)))  # (N, C, H / stride, W / stride)
        change = self.bn2(self.conv2(change))  # (N, C, H / stride, W / stride)
        return self.relu(change + self.downsample(maps))


class Bottleneck(nn.Module):
    """A 3x3 convolution between two of 1x1, which make the channels few and many again, beside a shortcut.

    Args:
        in_channels: C in.
        channels: C, those of the 3x3 convolution; four times as many leave the block.
        stride: of the 3x3 convolution and of the shortcut (px).
    """

    expansion = 4  # C out, in units of `channels`

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, 4 * channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * channels)
        self.relu = nn.ReLU()
        self.downsample = _shortcut(in_channels, 4 * channels, stride)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, C in, H, W) to (N, 4 C, H / stride, W / stride)."""
        change = self.relu(self.bn1(self.conv1(maps)))  # (N, C, H, W)
        change = self.relu(self.bn2(self.conv2(change)))  # (N, C, H / stride, W / stride)
        change = self.bn3(self.conv3(change))  # (N, 4 C, H / stride, W / stride)
        return self.relu(change + self.downsample(maps))


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """The identity where shapes agree, else a 1x1 projection (the paper's option B)."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    projection = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
    return nn.Sequential(projection, nn.BatchNorm2d(out_channels))


# The paper's Table 1: the block, and how many of it are in each of the four stages.
RESNETS = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}


class ResNet(nn.Module):
    """11,689,512 parameters with 18 layers and 1,000 classes, 25,557,032 with 50.

    Args:
        depth: layers with weights, 18, 34, 50, 101 or 152, a row of the table.
        num_classes: K, the number of logits.
        width: what channels are multiplied by.
        zero_init_residual: whether each block starts as its shortcut alone, the scale of its last batch normalisation 0
            (Goyal et al., 2017, https://arxiv.org/abs/1706.02677, section 5.1).

    Raises:
        ValueError: if `depth` is not in the table.
    """

    def __init__(
        self, depth: int = 18, num_classes: int = 2, width: float = 1.0, zero_init_residual: bool = False
    ) -> None:
        super().__init__()
        if depth not in RESNETS:
            raise ValueError(f"ResNet is one of {', '.join(map(str, RESNETS))} layers deep, not {depth}")
        block, (first, second, third, fourth) = RESNETS[depth]
        stem = max(1, round(64 * width))  # C, the channels that shapes below are told in; E is the block's expansion
        self.conv1 = nn.Conv2d(3, stem, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(block, stem, stem, first, stride=1)
        self.layer2 = _stage(block, block.expansion * stem, 2 * stem, second, stride=2)
        self.layer3 = _stage(block, 2 * block.expansion * stem, 4 * stem, third, stride=2)
        self.layer4 = _stage(block, 4 * block.expansion * stem, 8 * stem, fourth, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8 * block.expansion * stem, num_classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if zero_init_residual and isinstance(layer, BasicBlock):
                nn.init.zeros_(layer.bn2.weight)
            if zero_init_residual and isinstance(layer, Bottleneck):
                nn.init.zeros_(layer.bn3.weight)

    @property
    def features(self) -> nn.Sequential:
        """All layers from `conv1` to `layer4` under their names, in order, to be walked; shared, not copied."""
        layers = list(self.named_children())
        return nn.Sequential(OrderedDict(layers[:-2]))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, 3, H, W)."""
        maps = self.relu(self.bn1(self.conv1(images)))  # (N, C, 112, 112) of (N, 3, 224, 224)
        maps = self.maxpool(maps)  # (N, C, 56, 56)
        maps = self.layer1(maps)  # (N, E C, 56, 56)
        maps = self.layer2(maps)  # (N, 2 E C, 28, 28)
        maps = self.layer3(maps)  # (N, 4 E C, 14, 14)
        maps = self.layer4(maps)  # (N, 8 E C, 7, 7)
        pooled = self.avgpool(maps).flatten(1)  # (N, 8 E C)
        return self.fc(pooled)  # (N, K)


def _stage(
    block: type[BasicBlock] | type[Bottleneck], in_channels: int, channels: int, blocks: int, stride: int
) -> nn.Sequential:
    """Blocks in a row, of which the first may halve the maps."""
    rest = (block(block.expansion * channels, channels) for _ in range(blocks - 1))
    return nn.Sequential(block(in_channels, channels, stride), *rest)
