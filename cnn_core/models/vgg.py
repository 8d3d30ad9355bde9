"""VGG: nothing but 3x3 convolutions and 2x2 pooling, 11 to 19 layers deep.

Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2014,
https://arxiv.org/abs/1409.1556. Input (N, 3, H, W), at least 32 px a side; output (N, K) logits.

Differs from the paper: batch normalisation after each convolution if asked for; He's initialisation, with which the
deep ones train without a shallower one to start from; adaptive pooling before the classifier, so that pictures of other
sizes pass. Layers are named as torchvision names them, so its weights load.
"""

from torch import Tensor, nn

# The paper's Table 1, columns A, B, D and E: convolutions in each of the five blocks; a pooling ends each block.
VGGS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
CHANNELS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """138,357,544 parameters with 16 layers and 1,000 classes.

    Args:
        depth: layers with weights, 11, 13, 16 or 19, a row of the table; batch normalisation does not count.
        batch_norm: whether one follows each convolution.
        num_classes: K, the number of logits.
        width: what channels and hidden units are multiplied by.
        image_size: side (px) of pictures whose maps reach the classifier as they are, without adaptive pooling; the
            smaller, the smaller the first fully connected layer.
        dropout: share dropped in training after each of the hidden layers.

    Raises:
        ValueError: if `depth` is not in the table, or `image_size` is under 32 px.
    """

    def __init__(
        self,
        depth: int = 16,
        batch_norm: bool = False,
        num_classes: int = 2,
        width: float = 1.0,
        image_size: int = 224,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if depth not in VGGS:
            raise ValueError(f"VGG is one of {', '.join(map(str, VGGS))} layers deep, not {depth}")
        if image_size < 32:
            raise ValueError(f"VGG needs pictures of at least 32 px, got {image_size} px")
        *channels, hidden = (max(1, round(width * size)) for size in (*CHANNELS, 4096))
        side = image_size // 32
        layers: list[nn.Module] = []
        in_channels = 3
        for out_channels, convolutions in zip(channels, VGGS[depth], strict=True):
            for _ in range(convolutions):
                layers.append(nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1))
                layers += [nn.BatchNorm2d(out_channels)] if batch_norm else []
                layers.append(nn.ReLU())
                in_channels = out_channels
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(side)
        self.classifier = nn.Sequential(
            nn.Linear(in_channels * side * side, hidden),  # (N, 25088) -> (N, 4096)
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),  # (N, 4096)
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, 3, H, W)."""
        maps = self.features(images)  # (N, 512, 7, 7) of (N, 3, 224, 224); each block halves H and W
        maps = self.avgpool(maps)  # (N, 512, 7, 7), whatever the size of the pictures
        return self.classifier(maps.flatten(1))  # (N, K)
