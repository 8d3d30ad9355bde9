"""AlexNet: five convolutions, the first with large windows and a long stride, then three fully connected layers.

Krizhevsky, Sutskever, Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", 2012,
https://doi.org/10.1145/3065386, in the channels of Krizhevsky, "One weird trick for parallelizing convolutional neural
networks", 2014, https://arxiv.org/abs/1404.5997.
Input (N, 3, H, W), at least 63 px a side; output (N, K) logits.

Differs from the first paper: 64, 192, 384, 256, 256 channels on one device for 96, 256, 384, 384, 256 on two; no local
response normalisation; adaptive pooling before the classifier, so that pictures of other sizes pass; 512 units in the
second hidden layer, as the course has it. With `hidden=(4096, 4096)` it is torchvision's AlexNet, whose weights load.
"""

from torch import Tensor, nn


class AlexNet(nn.Module):
    """42,321,218 parameters with the course's 2 classes.

    Shapes below for the default sizes.

    Args:
        num_classes: K, the number of logits.
        width: what channels and hidden units are multiplied by.
        image_size: side (px) of pictures whose maps reach the classifier as they are, without adaptive pooling; the
            smaller, the smaller the first fully connected layer.
        hidden: units of the two hidden layers, before `width`.
        dropout: share dropped in training before each of the hidden layers.

    Raises:
        ValueError: if `image_size` is under 63 px.
    """

    def __init__(
        self,
        num_classes: int = 2,
        width: float = 1.0,
        image_size: int = 224,
        hidden: tuple[int, int] = (4096, 512),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if image_size < 63:
            raise ValueError(f"AlexNet needs pictures of at least 63 px, got {image_size} px")
        c1, c2, c3, c4, c5, f6, f7 = (max(1, round(width * size)) for size in (64, 192, 384, 256, 256, *hidden))
        side = (image_size - 7) // 4 + 1  # 55 px
        for _ in range(3):
            side = (side - 1) // 2  # 27, 13, 6 px
        self.features = nn.Sequential(
            nn.Conv2d(3, c1, kernel_size=11, stride=4, padding=2),  # (N, 64, 55, 55)
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),  # (N, 64, 27, 27)
            nn.Conv2d(c1, c2, kernel_size=5, padding=2),  # (N, 192, 27, 27)
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),  # (N, 192, 13, 13)
            nn.Conv2d(c2, c3, kernel_size=3, padding=1),  # (N, 384, 13, 13)
            nn.ReLU(),
            nn.Conv2d(c3, c4, kernel_size=3, padding=1),  # (N, 256, 13, 13)
            nn.ReLU(),
            nn.Conv2d(c4, c5, kernel_size=3, padding=1),  # (N, 256, 13, 13)
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),  # (N, 256, 6, 6)
        )
        self.avgpool = nn.AdaptiveAvgPool2d(side)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(c5 * side * side, f6),  # (N, 9216) -> (N, 4096)
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(f6, f7),  # (N, 512)
            nn.ReLU(),
            nn.Linear(f7, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, 3, H, W)."""
        maps = self.features(images)  # (N, 256, 6, 6)
        maps = self.avgpool(maps)  # (N, 256, 6, 6), whatever the size of the pictures
        return self.classifier(maps.flatten(1))  # (N, K)
