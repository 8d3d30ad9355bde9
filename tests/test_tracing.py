"""Networks traced into layers: published values, PyTorch's own shapes, sums and gradients, and refusals."""

import time

import pytest
import torch
import torchvision
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

from cnn_core import networks
from cnn_core.errors import Refused
from cnn_core.tracing import trace
from cnn_core.weights import WEIGHTS


def traced(name, size=None):
    return trace(networks.build(name, numberless=True), networks.size_of(name) if size is None else size)


def last_map(found):
    """The last layer whose units are still places of the picture."""
    return [layer for layer in found.layers if layer.mapped and not layer.reaches[0].pooled][-1]


# Published for this very variant. google-research/receptive_field gives 195, 212, 150, 1311, 2071, 3039 and 315; 427 is
# torchvision's ResNet-50, whose blocks stride in their first unit (TF-Slim's, striding in the last: 483).
# The paddings of TF-Slim's inception networks agree with PyTorch's, those of the others follow TensorFlow's "SAME".
@pytest.mark.parametrize(
    ("name", "field", "stride"),
    [
        ("alexnet", 195, 32), ("vgg16", 212, 32), ("vgg11", 150, 32), ("resnet50", 427, 32), ("inception_v3", 1311, 32),
        ("inception_v4", 2071, 32), ("inception_resnet_v2", 3039, 32), ("timm/mobilenetv1_100", 315, 32),
    ],
)  # fmt: skip
def test_published_networks(name, field, stride):
    layer = last_map(traced(name))
    assert [(each.size, each.jump) for each in layer.fields] == [(field, stride)] * 2


@pytest.mark.parametrize(
    ("end", "field", "stride", "padding"),
    [
        ("Conv2d_1a_3x3", 3, 2, 0), ("Conv2d_2b_3x3", 11, 2, 2), ("maxpool1", 15, 4, 2), ("maxpool2", 31, 8, 2),
        ("Mixed_5b", 63, 8, 18), ("Mixed_5d", 127, 8, 50), ("Mixed_6a", 159, 16, 58), ("Mixed_6b", 351, 16, 154),
        ("Mixed_6e", 927, 16, 442), ("Mixed_7a", 1055, 32, 490), ("Mixed_7b", 1183, 32, 554),
        ("Mixed_7c", 1311, 32, 618),
    ],
)  # fmt: skip
def test_published_end_points_of_inception_v3(end, field, stride, padding):
    found = traced("inception_v3").outputs[end].fields[0]
    assert (found.size, found.jump, -found.start) == (field, stride, padding)


# google-research/receptive_field, RECEPTIVE_FIELD_TABLE.md: network, side of the picture, end-point; field, stride,
# padding and billions of floating-point operations, two per multiply-add; it counts biases and normalisation besides.
SLIM = [
    ("alexnet_v2", 224, "conv1", 11, 4, 0, 0.136), ("alexnet_v2", 224, "pool1", 19, 8, 0, 0.136),
    ("alexnet_v2", 224, "conv2", 51, 8, 16, 0.552), ("alexnet_v2", 224, "conv3", 99, 16, 32, 0.743),
    ("alexnet_v2", 224, "conv4", 131, 16, 48, 1.125), ("alexnet_v2", 224, "conv5", 163, 16, 64, 1.380),
    ("alexnet_v2", 224, "pool5", 195, 32, 64, 1.380), ("alexnet_v2", 321, "pool5", 195, 32, 64, 3.036),
    ("mobilenet_v1", 224, "Conv2d_0", 3, 2, 0, 0.022), ("mobilenet_v1", 224, "Conv2d_6_pointwise", 59, 16, 14, 0.461),
    ("mobilenet_v1", 224, "Conv2d_12_pointwise", 251, 32, 94, 1.037),
    ("mobilenet_v1", 224, "Conv2d_13_pointwise", 315, 32, 126, 1.140),
    ("mobilenet_v1", 321, "Conv2d_5_pointwise", 43, 8, 21, 0.861),
    ("mobilenet_v1", 321, "Conv2d_13_pointwise", 315, 32, 157, 2.542),
    ("mobilenet_v1_075", 224, "Conv2d_13_pointwise", 315, 32, 126, 0.653),
    ("inception_v2", 224, "Conv2d_1a_7x7", 7, 2, 2, 0.069), ("inception_v2", 224, "Conv2d_2c_3x3", 19, 4, 6, 0.791),
    ("inception_v2", 224, "MaxPool_3a_3x3", 27, 8, 6, 0.792), ("inception_v2", 224, "Mixed_3b", 59, 8, 22, 1.136),
    ("inception_v2", 224, "Mixed_4a", 123, 16, 46, 1.833), ("inception_v2", 224, "Mixed_4e", 379, 16, 174, 3.120),
    ("inception_v2", 224, "Mixed_5a", 443, 32, 190, 3.446), ("inception_v2", 224, "Mixed_5c", 699, 32, 318, 3.883),
    ("inception_v2", 321, "MaxPool_2a_3x3", 11, 4, 5, 0.146), ("inception_v2", 321, "Mixed_3c", 91, 8, 45, 3.268),
    ("inception_v2", 321, "Mixed_5c", 699, 32, 349, 8.626),
    ("resnet_v1_50", 224, "block1", 35, 8, 15, 1.325), ("resnet_v1_50", 224, "block2", 99, 16, 47, 2.977),
    ("resnet_v1_50", 224, "block3", 291, 32, 143, 5.502), ("resnet_v1_50", 224, "block4", 483, 32, 239, 6.967),
    ("resnet_v1_50", 321, "block1", 35, 8, 17, 2.771), ("resnet_v1_50", 321, "block4", 483, 32, 241, 15.639),
    ("resnet_v1_101", 224, "block3", 835, 32, 415, 12.930), ("resnet_v1_101", 224, "block4", 1027, 32, 511, 14.395),
    ("resnet_v1_101", 321, "block4", 1027, 32, 513, 32.351),
    ("resnet_v1_152", 224, "block2", 163, 16, 79, 4.726), ("resnet_v1_152", 224, "block4", 1507, 32, 751, 21.824),
    ("resnet_v1_200", 224, "block2", 419, 16, 207, 11.720), ("resnet_v1_200", 224, "block4", 1763, 32, 879, 28.818),
]  # fmt: skip


@pytest.mark.parametrize(("name", "size"), dict.fromkeys(row[:2] for row in SLIM))
def test_published_table_of_tf_slim(name, size):
    found = traced(name, size)
    for end, field, stride, padding, operations in (row[2:] for row in SLIM if row[:2] == (name, size)):
        layer = found.outputs[end]
        assert [(each.size, each.jump, -each.start) for each in layer.fields] == [(field, stride, padding)] * 2, end
        assert not any(reach.misaligned for reach in layer.reaches)
        last = max(at for at, each in enumerate(found.layers) if each.name.startswith(end))
        work = 2 * sum(each.multiply_adds for each in found.layers[: last + 1])
        assert work / 1e9 == pytest.approx(operations, rel=0.05, abs=0.001), end


@pytest.mark.parametrize(("name", "size"), [("mobilenet_v1", 64), ("resnet_v1_50", 65), ("inception_v2", 64)])
def test_shapes_of_tf_slims_networks_are_pytorchs(name, size):
    with torch.inference_mode():
        output = networks.build(name)(torch.rand(1, 3, size, size))
    assert traced(name, size).layers[-1].shape == tuple(output.shape[1:])


RUN = """lenet5 fashion_cnn sketch_net alexnet googlenet densenet121 squeezenet1_1 convnext_tiny mobilenet_v3_small
    shufflenet_v2_x0_5 timm/hrnet_w18_small timm/gcresnext26ts deeplab_v3 timm/skresnet18 timm/resnest14d"""


@pytest.mark.parametrize("name", [*RUN.split(), *(name for name in WEIGHTS if name.startswith("cat_dog"))])
def test_shapes_are_pytorchs(name):
    network, size = networks.build(name), networks.size_of(name) if name != "deeplab_v3" else 97
    found = trace(network, size)
    shapes = {}
    for path, module in network.named_modules():
        module.register_forward_hook(lambda module, _, output, path=path: shapes.update({path: output}))
    channels = next(layer.in_channels for layer in network.modules() if isinstance(layer, nn.Conv2d))
    with torch.inference_mode():
        network(torch.rand(1, channels, size, size))
    assert found.stopped is None
    for path, layer in found.outputs.items():
        output = shapes[path]
        assert layer.shape == tuple((output if isinstance(output, torch.Tensor) else output[0]).shape[1:]), path


@pytest.mark.parametrize("name", ["alexnet", "resnet50", "vgg16", "densenet121", "convnext_tiny", "efficientnet_b0"])
def test_multiply_adds_are_torchvisions(name):
    weights = torchvision.models.get_model_weights(name).DEFAULT
    found = traced(name, 224)
    assert sum(layer.multiply_adds for layer in found.layers) / 1e9 == pytest.approx(weights.meta["_ops"], abs=0.006)


def test_resnet152_is_traced_in_well_under_a_second():
    network = networks.build("resnet152", numberless=True)
    seconds = []
    for _ in range(3):
        begin = time.process_time()
        trace(network, 224)
        seconds.append(time.process_time() - begin)
    assert min(seconds) < 0.8


def test_network_is_left_as_it_was():
    network = networks.build("resnet18").train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    trace(network, 224)
    assert network.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert all(parameter.requires_grad for parameter in network.parameters())


# ---------------------------------------------------------------------------------------------------- By gradient


def ones(network):
    """Weights of 1, so that nothing cancels, in double precision; normalisation in eval mode is then positive."""
    for parameter in network.parameters():
        nn.init.ones_(parameter)
    return network.double().eval()


class Branches(nn.Module):
    """Inception, residual and dense at once; rectangular kernels, dilation, ceil_mode; rows and columns differ."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 2, (3, 5), stride=(1, 2), padding=(1, 0))
        self.wide = nn.Conv2d(2, 2, (1, 7), padding=(0, 3))
        self.tall = nn.Conv2d(2, 2, (5, 1), padding=(4, 0), dilation=(2, 1))
        self.pool = nn.MaxPool2d(3, 2, 1, ceil_mode=True)
        self.up = nn.ConvTranspose2d(6, 2, 4, 2, 1)
        self.last = nn.Conv2d(2, 1, 2)

    def forward(self, x):
        x = self.stem(x)
        x = torch.cat([x, self.wide(x), self.tall(x) + x], 1)
        return self.last(self.up(torch.nn.functional.avg_pool2d(x, 2)))


class Gate(nn.Module):
    """Squeeze and excitation beside a 3x3 convolution."""

    def __init__(self):
        super().__init__()
        self.local = nn.Conv2d(1, 1, 3, padding=1)
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(1, 1, 1))

    def forward(self, x):
        x = self.local(x)
        return x * self.squeeze(x)


def gradient(network, picture, place):
    picture = picture.clone().requires_grad_()
    network(picture)[(0, 0, *place)].backward()
    return picture.grad[0, 0].nonzero()


def test_gradient_spans_exactly_the_box_of_a_network_with_branches():
    network, size = ones(Branches()), (23, 40)
    found = trace(network, size)
    picture = torch.ones(1, 1, *size, dtype=torch.float64)
    rows, columns = found.units("last")
    for place in [(0, 0), (3, 4), (rows // 2, columns // 2), (rows - 1, columns - 1), (2, columns - 1)]:
        touched = gradient(network, picture, place)
        expected = (*touched.min(0).values.tolist(), *(touched.max(0).values + 1).tolist())
        assert found.box("last", place) == expected


def test_a_layer_that_pads_by_itself_says_so():
    found = trace(nn.Sequential(nn.Conv2d(1, 1, 3, padding="same", dilation=2), Conv2dSame(1, 1, 7, 2)), 321)
    assert [layer.padding for layer in found.layers] == [(2, 2), (3, 3)]


def test_seers_are_the_units_whose_box_holds_the_pixel():
    found = trace(ones(Branches()), (23, 40))
    rows, columns = found.seers("wide", (11, 20))
    assert rows
    assert columns
    for row in range(found.units("wide")[0]):
        assert (row in rows) == (
            found.box("wide", (row, columns[0]))[0] <= 11 < found.box("wide", (row, columns[0]))[2]
        )


def test_squeeze_and_excitation_is_left_out_of_the_box_and_said():
    network = ones(Gate())
    found = trace(network, 16)
    gated = found.layers[-1]
    assert (gated.op, gated.fields[0].size, gated.sees_everything) == ("mul", 3, True)
    assert not found.outputs["local"].sees_everything
    assert found.box(gated, (5, 6)) == (4, 5, 7, 8)
    assert len(gradient(network, torch.ones(1, 1, 16, 16, dtype=torch.float64), (5, 6))) == 16 * 16


@pytest.mark.parametrize("norm", [nn.GroupNorm(1, 2), nn.InstanceNorm2d(2), nn.LayerNorm([2, 16, 16])])
def test_statistics_over_places_see_everything(norm):
    found = trace(nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), norm), 16)
    assert (found.outputs["1"].fields[0].size, found.outputs["1"].sees_everything) == (3, True)


def test_normalising_channels_alone_sees_no_further():
    local = [layer for layer in traced("convnext_tiny").layers if not layer.reaches[0].pooled]
    assert local
    assert not any(layer.sees_everything for layer in local)


def test_networks_in_one_and_three_dimensions():
    line = trace(nn.Sequential(nn.Conv1d(2, 3, 5, 2), nn.MaxPool1d(2)), 40)
    assert (line.layers[-1].shape, line.layers[-1].fields[0].size) == ((3, 9), 7)
    solid = trace(nn.Sequential(nn.Conv3d(1, 2, (1, 3, 5)), nn.AvgPool3d(2)), (6, 8, 10))
    assert [each.size for each in solid.layers[-1].fields] == [2, 4, 6]


def test_dilation_in_place_of_stride_keeps_resolution_and_field_grows():
    network = torchvision.models.resnet50(weights=None, replace_stride_with_dilation=[False, True, True])
    layer = trace(network, 224).outputs["layer4"]
    assert (layer.shape, layer.fields[0].jump) == ((2048, 28, 28), 8)


# ---------------------------------------------------------------------------------------------------- Refusals


@pytest.mark.parametrize("name", ["vit_b_16", "swin_t", "timm/mixer_b16_224", "timm/deit_tiny_patch16_224"])
def test_transformers_are_refused_in_one_sentence(name):
    with pytest.raises(Refused, match="no receptive field") as refused:
        traced(name, 224)
    assert str(refused.value).count(". ") == 0


def test_convolutions_before_attention_are_listed_and_the_end_is_said():
    found = traced("timm/coatnet_0_rw_224", 224)
    assert found.stopped is not None
    assert "stages.2" in str(found.stopped)
    assert len(found.layers) > 20


def test_networks_without_convolutions_are_refused():
    with pytest.raises(Refused, match="no convolutions"):
        traced("fashion_dnn", 28)


@pytest.mark.parametrize(("name", "size"), [("inception_v3", 3), ("lenet5", 4)])
def test_pictures_too_small_are_refused(name, size):
    with pytest.raises(Refused):
        traced(name, size)


@pytest.mark.parametrize("size", [0, -3, 100_000])
def test_impossible_sizes_are_refused(size):
    with pytest.raises(Refused, match="8192"):
        traced("vgg11", size)


@pytest.mark.parametrize(("asked", "near"), [("resnet5", "resnet50"), ("vgg_17", "vgg16"), ("lenet", None)])
def test_unknown_names_are_answered_with_near_ones(asked, near):
    if near is None:
        assert networks.resolve(asked) == "lenet5"
        return
    with pytest.raises(Refused) as refused:
        networks.build(asked)
    assert near in str(refused.value)


def test_names_of_all_three_sources_are_listed():
    assert {"lenet5", "sketch_net", "resnet50", "timm/resnet50"} <= set(networks.names())
    assert networks.resolve("resnet50") == "resnet50"
    assert networks.resolve("timm/resnet50.a1_in1k") == "timm/resnet50"


def test_unknown_layers_and_units_are_refused():
    found = traced("alexnet")
    with pytest.raises(Refused, match=r"features\.0"):
        found.box("features.00", (0, 0))
    with pytest.raises(Refused, match="55×55"):
        found.box("features.0", (0, 55))
