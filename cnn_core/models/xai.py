"""XAI: thirteen 3x3 convolutions with dropout between them, the course's network for looking at feature maps.

VGG-16's convolutions (Simonyan, Zisserman, 2014, https://arxiv.org/abs/1409.1556) with batch normalisation and dropout,
after Liu, Deng, "Very Deep Convolutional Neural Network Based Image Classification Using Small Training Sample Size",
2015, https://doi.org/10.1109/ACPR.2015.7486599. Input (N, 3, H, W), at least 34 px a side; output (N, K)
log-probabilities: unlike the other networks, this one ends in a log_softmax, as the course has it. A cross-entropy loss
and a softmax may still follow, for both treat log-probabilities as the logits that they also are.

Differs from the course: it flattened the last maps with `view(-1, 512)`, which makes the 3x3 positions of a 100x100
picture nine pictures; here they are averaged to 1x1 first, which at 64 px, where they are 1x1, changes nothing. Its
log_softmax named no dimension; here it is the classes. It read pictures with OpenCV and fed and showed them as BGR;
here channels are red, green, blue.
"""

from torch import Tensor, nn
from torch.nn import functional as F

# Channels, convolutions: a block is 3x3 convolutions with dropout between them, ended by a pooling.
BLOCKS = (
    (64, 2),  # (N, 64, 49, 49) of (N, 3, 100, 100)
    (128, 2),  # (N, 128, 24, 24)
    (256, 3),  # (N, 256, 12, 12)
    (512, 3),  # (N, 512, 6, 6)
    (512, 3),  # (N, 512, 3, 3)
)


class XAI(nn.Module):
    """14,983,106 parameters with 2 classes.

    The first convolution is not padded, as in the course.

    Args:
        num_classes: K, the number of log-probabilities.
        width: what channels and hidden units are multiplied by.
        dropout: shares dropped in training in the first block, in the other blocks, and twice in the classifier.
    """

    def __init__(
        self, num_classes: int = 2, width: float = 1.0, dropout: tuple[float, float, float] = (0.3, 0.4, 0.5)
    ) -> None:
        super().__init__()
        first_share, share, hidden_share = dropout
        layers: list[nn.Module] = []
        channels = 3
        for size, convolutions in BLOCKS:
            for _ in range(convolutions):
                out_channels = max(1, round(width * size))
                layers += [
                    nn.Conv2d(channels, out_channels, kernel_size=3, padding=1 if layers else 0, bias=False),
                    nn.BatchNorm2d(out_channels),
                    nn.ReLU(),
                    nn.Dropout(share if len(layers) > 3 else first_share),
                ]
                channels = out_channels
            layers[-1] = nn.MaxPool2d(2)  # the last convolution of a block is pooled, not dropped
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),  # (N, 512)
            nn.Linear(channels, channels, bias=False),
            nn.Dropout(hidden_share),
            nn.BatchNorm1d(channels),
            nn.ReLU(),
            nn.Dropout(hidden_share),
            nn.Linear(channels, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Log-probabilities (N, K) of images (N, 3, H, W)."""
        maps = self.features(images)  # (N, 512, 3, 3) of (N, 3, 100, 100), (N, 512, 1, 1) of (N, 3, 64, 64)
        return F.log_softmax(self.classifier(maps), dim=1)  # (N, K)
