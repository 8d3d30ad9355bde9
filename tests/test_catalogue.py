"""The list of networks, row by row against torchvision's and timm's own tables; nothing is downloaded."""

import math

import pytest
import timm
import torch
from PIL import Image
from torchvision.models import get_model_weights, get_weight

from cnn_core import comparison, zoo
from cnn_core.catalogue import CATALOGUE, COURSE, MODERN
from cnn_core.weights import HubFile, TorchvisionWeights

every_row = pytest.mark.parametrize("name", CATALOGUE)
every_course_row = pytest.mark.parametrize("name", COURSE)


def torchvisions(name):
    return get_weight(CATALOGUE[name].weight)


def test_the_course_lists_fourteen_in_this_order():
    assert " ".join(COURSE) == (
        "resnet18 alexnet vgg16 squeezenet1_0 densenet161 inception_v3 googlenet shufflenet_v2_x1_0 mobilenet_v2 "
        "mobilenet_v3_large mobilenet_v3_small resnext50_32x4d wide_resnet50_2 mnasnet1_0"
    )
    families = {CATALOGUE[name].family for name in MODERN}
    assert {"ConvNeXt", "EfficientNet", "RegNet", "MobileNet", "ViT"} <= families


@every_course_row
def test_parameters_and_multiply_adds_are_torchvisions(name):
    facts, meta = comparison.facts(name), torchvisions(name).meta
    assert facts.num_params == meta["num_params"]
    assert facts.multiply_adds / 1e9 == pytest.approx(meta["_ops"], rel=0.01)


@every_course_row
def test_timm_publishes_the_network_or_torchvision_serves_it(name):
    """No row asks torchvision first for what timm publishes under the network's name or its own."""
    entry = CATALOGUE[name]
    names = {"mobilenet_v2": "mobilenetv2_100", "mobilenet_v3_large": "mobilenetv3_large_100",
             "mobilenet_v3_small": "mobilenetv3_small_100", "mnasnet1_0": "mnasnet_100"}  # fmt: skip
    published = timm.list_pretrained(f"{names.get(name, name)}.*")
    assert bool(published) == bool(entry.repo)
    assert not entry.repo or entry.repo.removeprefix("timm/") in published


@every_row
def test_every_name_of_weights_is_known_where_it_comes_from(name):
    entry = CATALOGUE[name]
    assert entry.first
    for weights in (entry.repo, entry.weight, *entry.others):
        if weights.startswith("timm/"):
            tagged = weights.removeprefix("timm/")
            assert timm.get_pretrained_cfg(tagged, allow_unregistered=False).hf_hub_id == weights
            assert zoo.sources(zoo.key(weights))[0] == HubFile(weights, "model.safetensors")
        elif weights:
            assert str(get_weight(weights)) == weights
            assert zoo.sources(weights) == (TorchvisionWeights(weights),)


@every_row
def test_the_architectures_of_timm_and_torchvision_are_one(name):
    """Parameters beside the head that only training uses, so that a row's figures hold whichever of them serves."""
    entry = CATALOGUE[name]
    if not entry.repo or not entry.weight:
        pytest.skip("one source only")
    ours = comparison.facts(name)
    described = zoo.describe(HubFile(entry.repo, zoo.FILE), fetch=False)
    done = comparison.work(zoo.numberless(described.build), described.preprocess.shape)
    auxiliary = {"inception_v3": 27_161_264 - 23_834_568}.get(name, 0)
    assert done.num_params + auxiliary == ours.num_params
    assert done.multiply_adds == pytest.approx(ours.multiply_adds, rel=0.001)


# As timm's results/results-imagenet.csv has them, column top1.
TIMMS = {
    "mobilenetv2_100.ra_in1k": 72.976,
    "mobilenetv3_large_100.ra_in1k": 75.766,
    "mobilenetv3_small_100.lamb_in1k": 67.656,
    "mnasnet_100.rmsp_in1k": 74.650,
    "efficientnet_b0.ra_in1k": 77.694,
    "vit_tiny_patch16_224.augreg_in21k_ft_in1k": 75.454,
}


@every_row
def test_accuracy_is_the_one_that_its_source_states(name):
    entry = CATALOGUE[name]
    if entry.top1 is None:
        assert not entry.top1_source
        return
    if (tagged := entry.repo.removeprefix("timm/")) in TIMMS:
        assert entry.top1 == TIMMS[tagged]
        assert "timm" in entry.top1_source
        return
    assert f"{entry.weight}," in entry.top1_source
    assert entry.top1 == torchvisions(name).meta["_metrics"]["ImageNet-1K"]["acc@1"]
    # Of timm's copies only: its own recipes are other weights, of which torchvision says nothing.
    assert not entry.repo or ".tv" in entry.repo


@pytest.mark.parametrize("name", ["resnet18", "resnext50_32x4d", "wide_resnet50_2", "regnet_y_400mf"])
def test_timms_copy_is_torchvisions_file(name):
    entry = CATALOGUE[name]
    assert timm.get_pretrained_cfg(entry.repo[5:]).url == get_weight(entry.weight).url


@every_row
def test_licence_is_the_one_that_its_source_states(name):
    entry = CATALOGUE[name]
    if entry.repo:
        assert timm.get_pretrained_cfg(entry.repo[5:]).license == entry.licence.lower()
    else:
        assert "license" not in torchvisions(name).meta  # none of their own: torchvision's holds
        assert entry.licence == "BSD-3-Clause"


def photograph(width=640, height=427):
    """Colours that change slowly: a resampling that is off by a pixel shows."""
    x, y = torch.meshgrid(torch.linspace(0, 6, width), torch.linspace(0, 4, height), indexing="xy")
    waves = torch.stack([(x + y).sin(), (x * 2).cos(), (y * 3).sin()], -1) * 127 + 128
    return Image.fromarray(waves.to(torch.uint8).numpy())


@every_row
def test_pictures_are_prepared_as_timm_says(name):
    entry = CATALOGUE[name]
    if not entry.repo:
        pytest.skip("torchvision's")
    found = timm.get_pretrained_cfg(entry.repo[5:]).to_dict()
    config = timm.data.resolve_data_config({}, pretrained_cfg=found)
    theirs = timm.data.create_transform(**config, is_training=False)(photograph())
    ours = zoo.describe(HubFile(entry.repo, zoo.FILE), fetch=False).preprocess(photograph())[0]
    assert ours.shape == theirs.shape == tuple(config["input_size"])
    assert (ours - theirs).abs().max() * min(config["std"]) <= 2.5 / 255  # two of 255 levels, where sizes are rounded


@every_row
def test_pictures_are_prepared_as_torchvision_says(name):
    entry = CATALOGUE[name]
    if not entry.weight:
        pytest.skip("timm's")
    for weight in get_model_weights(zoo._architecture_of(entry.weight)):
        if not zoo._is_weight(str(weight)):
            continue
        theirs = weight.transforms()(photograph())
        ways = zoo.describe(TorchvisionWeights(str(weight))).preprocess
        ours = ways(photograph())[0]
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() * min(ways.std) <= 2.5 / 255


@pytest.mark.parametrize(("side", "share", "shorter"), [(224, 0.875, 256), (299, 0.875, 341), (224, 0.95, 235)])
def test_timms_share_is_rounded_down_as_timm_does(side, share, shorter):
    config = {"pretrained_cfg": {"input_size": (3, side, side), "crop_pct": share}}
    ways = zoo._photograph(config)
    assert round(ways.side / ways.crop) == shorter == math.floor(side / share)


def test_every_classifier_of_torchvision_has_weights_that_are_found_by_name():
    for name in zoo._torchvision_networks():
        for weight in get_model_weights(name):
            assert zoo._is_weight(str(weight)) == bool(weight.meta["categories"])
            assert zoo._architecture_of(str(weight)) == name
    assert not zoo._is_weight("VGG16_Weights.IMAGENET1K_FEATURES")
    assert not zoo._is_weight("FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1")
