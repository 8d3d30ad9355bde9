"""Two small networks for Fashion-MNIST: one fully connected, one convolutional.

The course's chapter 5. Input (N, 1, 28, 28) in [0, 1], light garment on black; output (N, 10) logits.

Differs from the course: its `Dropout2d` stood before a fully connected layer, on an (N, C) tensor, where dropping
whole channels has no meaning and PyTorch now deprecates it; here it is plain `Dropout`.
"""

from torch import Tensor, nn


class FashionDNN(nn.Module):
    """784-256-128-10, every pixel joined to every unit; 235,146 parameters.

    Args:
        num_classes: K, the number of logits.
        dropout: share of the first hidden layer's units dropped in training.
    """

    def __init__(self, num_classes: int = 10, dropout: float = 0.25) -> None:
        super().__init__()
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(28 * 28, 256),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(256, 128),
            nn.ReLU(),
            nn.Linear(128, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, 1, 28, 28)."""
        return self.classifier(images)  # (N, 784) -> (N, 256) -> (N, 128) -> (N, K)


class FashionCNN(nn.Module):
    """Two 3x3 convolutions with pooling, then three fully connected layers; 1,475,338 parameters.

    The second convolution is not padded, which is why 14x14 maps leave it as 12x12. As in the course, there is no ReLU
    between the fully connected layers, so at inference the three amount to one linear map.

    Args:
        num_classes: K, the number of logits.
        dropout: share of the first fully connected layer's units dropped in training.
    """

    def __init__(self, num_classes: int = 10, dropout: float = 0.25) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, kernel_size=3, padding=1),  # (N, 32, 28, 28)
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(2),  # (N, 32, 14, 14)
            nn.Conv2d(32, 64, kernel_size=3),  # (N, 64, 12, 12)
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(2),  # (N, 64, 6, 6)
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),  # (N, 2304)
            nn.Linear(64 * 6 * 6, 600),
            nn.Dropout(dropout),
            nn.Linear(600, 120),
            nn.Linear(120, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, 1, 28, 28)."""
        maps = self.features(images)  # (N, 64, 6, 6)
        return self.classifier(maps)  # (N, K)
