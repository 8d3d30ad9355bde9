"""LeNet: two convolutions with pooling, then fully connected layers; LeNet-5, and the course's one for photographs.

LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998,
http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf.

LeNet-5 differs from the paper: plain tanh for the scaled one; average pooling without coefficients of its own;
every map of the third layer sees all maps of the second, not those of a table; linear units for radial ones.

Differs from the course: it had a softmax in the network under a cross-entropy loss, which takes a softmax itself, so
with 2 classes the loss could not fall below ln(1 + 1/e) = 0.313; here logits leave the network. Its training loop,
indented wrongly, updated nothing, hence its 50.0 %.
"""

from torch import Tensor, nn


class LeNet(nn.Module):
    """The course's variant for photographs; 46,038,242 parameters, nearly all in the first fully connected layer.

    Input (N, 3, S, S) with S = `image_size`, output (N, K) logits. Shapes below for the default sizes.

    Args:
        num_classes: K, the number of logits.
        width: what channels and hidden units are multiplied by.
        image_size: S (px); the fully connected layer is as large as it asks.

    Raises:
        ValueError: if `image_size` is under 16 px.
    """

    def __init__(self, num_classes: int = 2, width: float = 1.0, image_size: int = 224) -> None:
        super().__init__()
        if image_size < 16:
            raise ValueError(f"LeNet needs pictures of at least 16 px, got {image_size} px")
        self.image_size = image_size
        first, second, hidden = (max(1, round(width * channels)) for channels in (16, 32, 512))
        side = ((image_size - 4) // 2 - 4) // 2
        self.features = nn.Sequential(
            nn.Conv2d(3, first, kernel_size=5),  # (N, 16, 220, 220)
            nn.ReLU(),
            nn.MaxPool2d(2),  # (N, 16, 110, 110)
            nn.Conv2d(first, second, kernel_size=5),  # (N, 32, 106, 106)
            nn.ReLU(),
            nn.MaxPool2d(2),  # (N, 32, 53, 53)
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),  # (N, 89888)
            nn.Linear(second * side * side, hidden),
            nn.ReLU(),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, 3, S, S); a ValueError for pictures of another size."""
        _require_size(images, self.image_size)
        maps = self.features(images)  # (N, 32, 53, 53)
        return self.classifier(maps)  # (N, K)


class LeNet5(nn.Module):
    """The classic one for handwritten digits; 61,706 parameters with 10 classes.

    Input (N, 1, 32, 32), output (N, K) logits.

    Args:
        num_classes: K, the number of logits.
        width: what channels and hidden units are multiplied by.
    """

    def __init__(self, num_classes: int = 10, width: float = 1.0) -> None:
        super().__init__()
        c1, c3, c5, f6 = (max(1, round(width * channels)) for channels in (6, 16, 120, 84))  # the paper's layer names
        self.features = nn.Sequential(
            nn.Conv2d(1, c1, kernel_size=5),  # (N, 6, 28, 28)
            nn.Tanh(),
            nn.AvgPool2d(2),  # (N, 6, 14, 14)
            nn.Conv2d(c1, c3, kernel_size=5),  # (N, 16, 10, 10)
            nn.Tanh(),
            nn.AvgPool2d(2),  # (N, 16, 5, 5)
            nn.Conv2d(c3, c5, kernel_size=5),  # (N, 120, 1, 1)
            nn.Tanh(),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),  # (N, 120)
            nn.Linear(c5, f6),
            nn.Tanh(),
            nn.Linear(f6, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, 1, 32, 32); a ValueError for pictures of another size."""
        _require_size(images, 32)
        maps = self.features(images)  # (N, 120, 1, 1)
        return self.classifier(maps)  # (N, K)


def _require_size(images: Tensor, size: int) -> None:
    height, width = images.shape[-2:]
    if (height, width) != (size, size):
        raise ValueError(f"this LeNet is built for pictures of {size}×{size} px, got {width}×{height} px")
