"""SketchNet: a small residual network for line drawings and photographs of garments.

After He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2015, https://arxiv.org/abs/1512.03385.
Input (N, 1, 28, 28) in [0, 1], light garment on black; output (N, 10) logits.

Differs from the paper: the first convolution is 5x5 and there is no max-pooling, because the picture is only 28 px;
the channels treble where the paper doubles them; dropout stands before the only fully connected layer. That layer
follows global average pooling, so a class-activation map (Zhou et al., 2015, https://arxiv.org/abs/1512.04150) can be
read off its weights.
"""

from torch import Tensor, nn


class Residual(nn.Module):
    """Two 3x3 convolutions whose output is added to what went in.

    Args:
        channels: C, in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.relu = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, C, H, W) to maps of the same shape."""
        return self.relu(maps + self.change(maps))


class SketchNet(nn.Module):
    """Stages of 14 and 7 px, then global average pooling; 380,778 parameters.

    Args:
        num_classes: K, the number of logits.
        width: C, channels of the first stage; the second has 3 C.
        dropout: share of the pooled channels dropped in training.
    """

    def __init__(self, num_classes: int = 10, width: int = 32, dropout: float = 0.2) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, width, kernel_size=5, stride=2, padding=2, bias=False),  # (N, C, 14, 14)
            nn.BatchNorm2d(width),
            nn.ReLU(),
            Residual(width),
            nn.Conv2d(width, 3 * width, kernel_size=3, stride=2, padding=1, bias=False),  # (N, 3 C, 7, 7)
            nn.BatchNorm2d(3 * width),
            nn.ReLU(),
            Residual(3 * width),
            Residual(3 * width),
        )
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),  # (N, 3 C)
            nn.Dropout(dropout),
            nn.Linear(3 * width, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, 1, 28, 28)."""
        maps = self.features(images)  # (N, 3 C, 7, 7)
        return self.classifier(maps)  # (N, K)
