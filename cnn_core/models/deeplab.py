"""DeepLab: a ResNet that keeps its maps large by dilation, and looks at them at several rates at once.

Chen, Papandreou, Schroff, Adam, "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017,
https://arxiv.org/abs/1706.05587 (DeepLabv3).
Input (N, 3, H, W), output (N, K, H, W) logits per pixel.

Differs from the paper: batch normalisation of the residual network is PyTorch's, and the multi-grid rates are 1, 1, 1.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: a 1x1 convolution, 3x3 ones at several rates, and the mean of the whole map.

    Args:
        in_channels: C, of the maps that come in.
        channels: D, of each branch and of the output.
        rates: of the 3x3 convolutions.
    """

    def __init__(self, in_channels: int = 2048, channels: int = 256, rates: tuple[int, ...] = (6, 12, 18)) -> None:
        super().__init__()
        self.point = _convolution(in_channels, channels, 1)
        self.atrous = nn.ModuleList(_convolution(in_channels, channels, 3, rate) for rate in rates)
        self.pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), *_convolution(in_channels, channels, 1))
        self.project = _convolution(channels * (2 + len(rates)), channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, C, h, w) to maps (N, D, h, w)."""
        pooled = interpolate(self.pooled(maps), maps.shape[-2:], mode="bilinear")  # (N, D, h, w), the same everywhere
        branches = [self.point(maps), *(branch(maps) for branch in self.atrous), pooled]
        return self.project(torch.cat(branches, 1))  # (N, D (2 + rates), h, w) -> (N, D, h, w)


def _convolution(in_channels: int, channels: int, kernel: int, rate: int = 1) -> nn.Sequential:
    padding = rate * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, kernel, padding=padding, dilation=rate, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    )


class DeepLab(nn.Module):
    """ResNet-50 at an output stride of 8 or 16, ASPP, a classifier per place, and bilinear upsampling.

    Args:
        num_classes: K, the number of logits per pixel.
        output_stride: 8 (ASPP at rates 12, 24, 36) or 16 (6, 12, 18), as in the paper.
    """

    def __init__(self, num_classes: int = 21, output_stride: int = 16) -> None:
        super().__init__()
        from torchvision.models import resnet50

        if output_stride not in (8, 16):
            raise ValueError(f"output_stride (={output_stride}) must be 8 or 16")
        network = resnet50(weights=None, replace_stride_with_dilation=[False, output_stride == 8, True])
        self.features = nn.Sequential(*list(network.children())[:-2])
        self.aspp = ASPP(rates=(6, 12, 18) if output_stride == 16 else (12, 24, 36))
        self.head = nn.Conv2d(256, num_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K, H, W) of images (N, 3, H, W)."""
        maps = self.aspp(self.features(images))  # (N, 256, h, w)
        return interpolate(self.head(maps), images.shape[-2:], mode="bilinear")  # (N, K, h, w) -> (N, K, H, W)
