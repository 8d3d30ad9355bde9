"""The networks that the zoo lists: where each one's weights come from, and what others measured with them.

Accuracies are those that torchvision states beside its own weights (`Weights.meta["_metrics"]`), also where timm hands
on the very same file, and for timm's own recipes those of `results/results-imagenet.csv` in its repository.
"""

from __future__ import annotations

from dataclasses import dataclass

TORCHVISION = "BSD-3-Clause"  # torchvision's own licence; it states none for single weights
STATED = "torchvision 0.26, {}, ImageNet-1K acc@1"
TIMM = "timm, results-imagenet.csv, top1"


@dataclass(frozen=True)
class Entry:
    """One network of the list.

    Attributes:
        name: as `zoo.get` takes it.
        title: as papers write it.
        family: networks of one design share it.
        repo: timm's repository on the Hub, or "" where timm publishes none.
        weight: torchvision's weights of the same network, or "".
        others: further weights of the same network, as `zoo.get` takes them.
        top1: published accuracy on ImageNet-1K of the weights that come first, in percent, if there is one.
        top1_source: who publishes it.
        licence: of the weights that come first, SPDX, as their publisher states it.
    """

    name: str
    title: str
    family: str
    repo: str
    weight: str
    others: tuple[str, ...] = ()
    top1: float | None = None
    top1_source: str = ""
    licence: str = ""

    @property
    def first(self) -> str:
        """The weights that are asked for first."""
        return self.repo or self.weight


def _entry(name: str, title: str, family: str, repo: str, weight: str, top1: float | None, licence: str = TORCHVISION,
           others: tuple[str, ...] = (), source: str = "") -> Entry:  # fmt: skip
    """A row; its accuracy is the one that torchvision states for `weight`, unless `source` says otherwise."""
    source = (source or STATED.format(weight)) if top1 is not None else ""
    repo = f"timm/{repo}" if repo else ""
    return Entry(name, title, family, repo, weight, others, top1, source, licence)


APACHE = "Apache-2.0"

# fmt: off
_ROWS = (
    # The fourteen of the course, in its order. timm's "tv" weights are torchvision's V1 files; the recipes "ra", "lamb"
    # and "rmsp" are timm's own.
    _entry("resnet18", "ResNet-18", "ResNet", "resnet18.tv_in1k", "ResNet18_Weights.IMAGENET1K_V1", 69.758,
           others=("timm/resnet18.a1_in1k", "timm/resnet18.fb_swsl_ig1b_ft_in1k")),
    _entry("alexnet", "AlexNet", "AlexNet", "", "AlexNet_Weights.IMAGENET1K_V1", 56.522),
    _entry("vgg16", "VGG-16", "VGG", "vgg16.tv_in1k", "VGG16_Weights.IMAGENET1K_V1", 71.592),
    _entry("squeezenet1_0", "SqueezeNet 1.0", "SqueezeNet", "", "SqueezeNet1_0_Weights.IMAGENET1K_V1", 58.092),
    _entry("densenet161", "DenseNet-161", "DenseNet", "densenet161.tv_in1k", "DenseNet161_Weights.IMAGENET1K_V1",
           77.138, APACHE),
    _entry("inception_v3", "Inception v3", "Inception", "inception_v3.tv_in1k", "Inception_V3_Weights.IMAGENET1K_V1",
           77.294, APACHE, ("timm/inception_v3.tf_in1k", "timm/inception_v3.gluon_in1k")),
    _entry("googlenet", "GoogLeNet", "Inception", "", "GoogLeNet_Weights.IMAGENET1K_V1", 69.778),
    _entry("shufflenet_v2_x1_0", "ShuffleNet v2 ×1.0", "ShuffleNet", "", "ShuffleNet_V2_X1_0_Weights.IMAGENET1K_V1",
           69.362),
    _entry("mobilenet_v2", "MobileNet v2", "MobileNet", "mobilenetv2_100.ra_in1k",
           "MobileNet_V2_Weights.IMAGENET1K_V1", 72.976, APACHE,
           ("MobileNet_V2_Weights.IMAGENET1K_V1", "MobileNet_V2_Weights.IMAGENET1K_V2"), source=TIMM),
    _entry("mobilenet_v3_large", "MobileNet v3 Large", "MobileNet", "mobilenetv3_large_100.ra_in1k",
           "MobileNet_V3_Large_Weights.IMAGENET1K_V1", 75.766, APACHE,
           ("MobileNet_V3_Large_Weights.IMAGENET1K_V1", "MobileNet_V3_Large_Weights.IMAGENET1K_V2",
            "timm/mobilenetv3_large_100.miil_in21k_ft_in1k"), source=TIMM),
    _entry("mobilenet_v3_small", "MobileNet v3 Small", "MobileNet", "mobilenetv3_small_100.lamb_in1k",
           "MobileNet_V3_Small_Weights.IMAGENET1K_V1", 67.656, APACHE,
           ("MobileNet_V3_Small_Weights.IMAGENET1K_V1",), source=TIMM),
    _entry("resnext50_32x4d", "ResNeXt-50 32×4d", "ResNet", "resnext50_32x4d.tv_in1k",
           "ResNeXt50_32X4D_Weights.IMAGENET1K_V1", 77.618,
           others=("ResNeXt50_32X4D_Weights.IMAGENET1K_V2", "timm/resnext50_32x4d.a1_in1k")),
    _entry("wide_resnet50_2", "Wide ResNet-50-2", "ResNet", "wide_resnet50_2.tv_in1k",
           "Wide_ResNet50_2_Weights.IMAGENET1K_V1", 78.468,
           others=("Wide_ResNet50_2_Weights.IMAGENET1K_V2", "timm/wide_resnet50_2.racm_in1k")),
    _entry("mnasnet1_0", "MNASNet 1.0", "MNASNet", "mnasnet_100.rmsp_in1k", "MNASNet1_0_Weights.IMAGENET1K_V1", 74.65,
           APACHE, ("MNASNet1_0_Weights.IMAGENET1K_V1",), source=TIMM),
    # Later ones worth comparing, and a transformer for contrast.
    _entry("efficientnet_b0", "EfficientNet-B0", "EfficientNet", "efficientnet_b0.ra_in1k",
           "EfficientNet_B0_Weights.IMAGENET1K_V1", 77.694, APACHE, ("EfficientNet_B0_Weights.IMAGENET1K_V1",),
           source=TIMM),
    _entry("regnet_y_400mf", "RegNetY-400MF", "RegNet", "regnety_004.tv2_in1k",
           "RegNet_Y_400MF_Weights.IMAGENET1K_V2", 75.804,
           others=("RegNet_Y_400MF_Weights.IMAGENET1K_V1", "timm/regnety_004.pycls_in1k")),
    _entry("efficientnet_v2_s", "EfficientNetV2-S", "EfficientNet", "",
           "EfficientNet_V2_S_Weights.IMAGENET1K_V1", 84.228,
           others=("timm/tf_efficientnetv2_s.in1k", "timm/tf_efficientnetv2_s.in21k_ft_in1k")),
    _entry("convnext_tiny", "ConvNeXt-T", "ConvNeXt", "", "ConvNeXt_Tiny_Weights.IMAGENET1K_V1", 82.52,
           others=("timm/convnext_tiny.fb_in1k", "timm/convnext_tiny.in12k_ft_in1k")),
    _entry("mobilenetv4_conv_small", "MobileNetV4-Conv-S", "MobileNet", "mobilenetv4_conv_small.e2400_r224_in1k", "",
           None, APACHE, ("timm/mobilenetv4_conv_small.e3600_r256_in1k",)),
    _entry("vit_tiny_patch16_224", "ViT-Ti/16", "ViT", "vit_tiny_patch16_224.augreg_in21k_ft_in1k", "", 75.454, APACHE,
           source=TIMM),
)
# fmt: on

CATALOGUE: dict[str, Entry] = {row.name: row for row in _ROWS}
COURSE: tuple[str, ...] = tuple(CATALOGUE)[:14]
MODERN: tuple[str, ...] = tuple(CATALOGUE)[14:]
