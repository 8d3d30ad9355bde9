"""The course's classification networks: published sizes, parity with torchvision, and that each of them learns."""

import math

import pytest
import torch
import torchvision.models
from torch import nn
from torch.nn import functional as F

from cnn_core.models.alexnet import AlexNet
from cnn_core.models.googlenet import GoogLeNet
from cnn_core.models.lenet import LeNet, LeNet5
from cnn_core.models.resnet import RESNETS, BasicBlock, Bottleneck, ResNet
from cnn_core.models.vgg import VGG, VGGS
from cnn_core.models.xai import XAI

META = torch.device("meta")  # sizes without numbers: a network of 100 million parameters is built at once
SIZE = 64

# Every network so small that a test can train it, for pictures of 64 px.
TINY = {
    "lenet": lambda width=0.25: LeNet(width=width, image_size=SIZE),
    "alexnet": lambda width=0.125: AlexNet(width=width, image_size=SIZE),
    "vgg11": lambda width=0.0625: VGG(11, width=width, image_size=SIZE),
    "vgg16_bn": lambda width=0.0625: VGG(16, batch_norm=True, width=width, image_size=SIZE),
    "googlenet": lambda width=0.125: GoogLeNet(width=width),
    "resnet18": lambda width=0.125: ResNet(18, width=width),
    "resnet50": lambda width=0.0625: ResNet(50, width=width),
    "xai": lambda width=0.0625: XAI(width=width),
}
every_network = pytest.mark.parametrize("name", TINY)


@pytest.fixture(autouse=True)
def seed_and_one_thread():
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for nets this small, threads cost more than they save, above all on a busy machine
    yield
    torch.set_num_threads(threads)


def on_meta(build, *args, **settings):
    with META:
        return build(*args, **settings)


def num_params(network):
    return sum(parameter.numel() for parameter in network.parameters())


def shapes(network):
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def slim(network):
    """The same with 64 units in each hidden layer: the thousands there are hold nine tenths of all numbers."""
    *hidden, last = (i for i, layer in enumerate(network.classifier) if isinstance(layer, nn.Linear))
    in_features = network.classifier[hidden[0]].in_features
    for i in hidden:
        network.classifier[i] = nn.Linear(in_features, 64, device=META)
        in_features = 64
    network.classifier[last] = nn.Linear(64, 10, device=META)
    return network


def assert_same_results(ours, theirs, size=SIZE):
    """Both built on meta. Ours gets random numbers for parameters and statistics alike, theirs the very same ones."""
    assert list(shapes(ours).items()) == list(shapes(theirs).items())
    ours.to_empty(device="cpu")
    for tensor in ours.state_dict().values():
        if tensor.ndim > 1:
            tensor.uniform_(-1, 1).mul_(math.sqrt(6 / tensor[0].numel()))  # He's bounds, so that nothing fades
        elif tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5)
    theirs.load_state_dict(ours.state_dict(), assign=True)
    with torch.inference_mode():
        images = torch.randn(2, 3, size, size)
        found, expected = ours.eval()(images), theirs.eval()(images)
    assert found.isfinite().all()
    assert found.std() > 0
    torch.testing.assert_close(found, expected)


# The course's own figures for LeNet and AlexNet. LeNet-5: 156 + 2,416 + 48,120 + 10,164 + 850. XAI: VGG-16's
# convolutions without biases 14,710,464, batch norms 2 * 4,224, classifier 512 * 512 + 2 * 512 + 512 * 2 + 2.
@pytest.mark.parametrize(
    ("build", "expected"), [(LeNet, 46_038_242), (LeNet5, 61_706), (AlexNet, 42_321_218), (XAI, 14_983_106)]
)
def test_number_of_parameters(build, expected):
    assert num_params(on_meta(build)) == expected


# `num_params` of torchvision's weights, https://docs.pytorch.org/vision/stable/models.html.
# fmt: off
VGG_PARAMS = {
    (11, False): 132_863_336, (13, False): 133_047_848, (16, False): 138_357_544, (19, False): 143_667_240,
    (11, True):  132_868_840, (13, True):  133_053_736, (16, True):  138_365_992, (19, True):  143_678_248,
}
RESNET_PARAMS = {18: 11_689_512, 34: 21_797_672, 50: 25_557_032, 101: 44_549_160, 152: 60_192_808}
# fmt: on


@pytest.mark.parametrize(("depth", "batch_norm"), VGG_PARAMS)
def test_vgg_has_torchvisions_layers(depth, batch_norm):
    ours = on_meta(VGG, depth, batch_norm, num_classes=1000)
    theirs = on_meta(getattr(torchvision.models, f"vgg{depth}" + "_bn" * batch_norm))
    assert num_params(ours) == VGG_PARAMS[depth, batch_norm]
    assert list(shapes(ours).items()) == list(shapes(theirs).items())


@pytest.mark.parametrize("depth", RESNET_PARAMS)
def test_resnet_has_torchvisions_layers(depth):
    ours = on_meta(ResNet, depth, num_classes=1000)
    theirs = on_meta(getattr(torchvision.models, f"resnet{depth}"))
    assert num_params(ours) == RESNET_PARAMS[depth]
    assert list(shapes(ours).items()) == list(shapes(theirs).items())


def test_googlenet_has_torchvisions_number_of_parameters():
    assert num_params(on_meta(GoogLeNet, num_classes=1000)) == 6_624_904  # of googlenet's weights, auxiliaries left out


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_resnet_gives_torchvisions_results(depth):
    theirs = on_meta(getattr(torchvision.models, f"resnet{depth}"), num_classes=10)
    assert_same_results(on_meta(ResNet, depth, num_classes=10), theirs)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_vgg_gives_torchvisions_results(batch_norm):
    theirs = on_meta(getattr(torchvision.models, "vgg11" + "_bn" * batch_norm), num_classes=10)
    assert_same_results(slim(on_meta(VGG, 11, batch_norm, num_classes=10)), slim(theirs))


def test_alexnet_with_torchvisions_hidden_layers_gives_its_results():
    ours = on_meta(AlexNet, num_classes=1000, hidden=(4096, 4096))
    theirs = on_meta(torchvision.models.alexnet)
    assert list(shapes(ours).items()) == list(shapes(theirs).items())
    assert_same_results(slim(ours), slim(theirs))


def test_googlenet_gives_torchvisions_results():
    settings = {"aux_logits": False, "transform_input": False, "init_weights": False}
    theirs = on_meta(torchvision.models.googlenet, num_classes=10, **settings)
    assert_same_results(on_meta(GoogLeNet, num_classes=10), theirs, size=96)


@pytest.mark.parametrize(("build", "depth"), [(ResNet, depth) for depth in RESNETS] + [(VGG, depth) for depth in VGGS])
def test_depth_counts_the_layers_with_weights(build, depth):
    layers = dict(on_meta(build, depth).named_modules())
    weighted = [name for name, layer in layers.items() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert sum("downsample" not in name for name in weighted) == depth


@every_network
def test_learns_a_batch_by_heart(name):
    network = TINY[name]()
    for layer in network.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    images, labels = torch.randn(4, 3, SIZE, SIZE), torch.tensor([0, 1, 1, 0])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.003)
    for _ in range(60):
        loss = F.cross_entropy(network(images), labels)
        if loss < 0.1:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    # A softmax inside the network, as in the course's LeNet, could not come below 0.313.
    assert loss < 0.1


@every_network
def test_every_parameter_gets_a_gradient(name):
    network = TINY[name]()
    logits = network(torch.randn(4, 3, SIZE, SIZE))
    assert logits.shape == (4, 2)
    assert logits.isfinite().all()
    logits.square().sum().backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


@every_network
def test_width_changes_the_size(name):
    small, large = num_params(on_meta(TINY[name])), num_params(on_meta(TINY[name], width=0.5))
    assert 0 < small < large / 2


@every_network
def test_maps_can_be_read_layer_by_layer_and_stay_as_they_were(name):
    network, images = TINY[name]().eval(), torch.randn(2, 3, SIZE, SIZE)
    maps, seen, reached = images, [], []
    with torch.inference_mode():
        for _, layer in network.features.named_children():
            maps = layer(maps)
            seen.append((maps, maps.clone()))
        assert all(torch.equal(now, then) for now, then in seen)  # no layer writes over what another gave
        assert torch.equal(maps, network.features(images))
        layer.register_forward_hook(lambda layer, arguments, output: reached.append(output))
        network(images)
        assert torch.equal(maps, reached[-1])  # `forward` goes the same way


def test_classic_lenet_has_the_papers_maps():
    network = on_meta(LeNet5)
    maps = torch.zeros(1, 1, 32, 32, device=META)
    found = [tuple((maps := layer(maps)).shape[1:]) for layer in network.features if not isinstance(layer, nn.Tanh)]
    assert found == [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120, 1, 1)]
    assert network(torch.zeros(3, 1, 32, 32, device=META)).shape == (3, 10)


@pytest.mark.parametrize("build", [AlexNet, VGG])
@pytest.mark.parametrize("size", [64, 96, 128, 224])
def test_maps_of_the_expected_size_pass_the_adaptive_pooling_as_they_are(build, size):
    network = on_meta(build, width=0.125, image_size=size)
    maps = network.features(torch.zeros(1, 3, size, size, device=META))
    assert network.avgpool(maps).shape == maps.shape


@pytest.mark.parametrize("name", ["alexnet", "vgg16_bn", "googlenet", "resnet18", "xai"])
def test_pictures_of_other_sizes_pass(name):
    assert on_meta(TINY[name]).eval()(torch.zeros(3, 3, 80, 100, device=META)).shape == (3, 2)


@pytest.mark.parametrize("size", [64, 100])
def test_xai_gives_one_row_of_log_probabilities_per_picture(size):
    network = XAI(width=0.0625).eval()
    with torch.inference_mode():
        found = network(torch.randn(5, 3, size, size))
    assert found.shape == (5, 2)
    torch.testing.assert_close(found.exp().sum(dim=1), torch.ones(5))


def test_xai_at_64_px_is_the_courses_and_at_100_px_its_flattening_would_have_made_nine_pictures_of_one():
    network = XAI(width=0.0625).eval()
    with torch.inference_mode():
        images = torch.randn(3, 3, 64, 64)
        flattened = network.features(images).view(-1, 32)  # 512 channels at full width
        torch.testing.assert_close(network(images), network.classifier[2:](flattened).log_softmax(dim=1))
        assert network.features(torch.randn(1, 3, 100, 100)).view(-1, 32).shape == (9, 32)


def test_xai_has_thirteen_convolutions_and_the_courses_dropouts():
    layers = list(on_meta(XAI).modules())
    assert sum(isinstance(layer, nn.Conv2d) for layer in layers) == 13
    shares = [layer.p for layer in layers if isinstance(layer, nn.Dropout)]
    assert shares == [0.3, *[0.4] * 7, 0.5, 0.5]


@pytest.mark.parametrize(("depth", "block", "last"), [(18, BasicBlock, "bn2"), (50, Bottleneck, "bn3")])
def test_zero_init_residual_starts_each_block_as_its_shortcut(depth, block, last):
    network = ResNet(depth, width=0.0625, zero_init_residual=True).eval()
    blocks = [layer for layer in network.modules() if isinstance(layer, block)]
    assert len(blocks) == sum(RESNETS[depth][1])
    assert not any(getattr(layer, last).weight.any() for layer in blocks)
    maps = torch.rand(2, blocks[1].conv1.in_channels, 8, 8)
    assert torch.equal(blocks[1](maps), maps)
    default = ResNet(depth, width=0.0625)
    assert all(getattr(layer, last).weight.all() for layer in default.modules() if isinstance(layer, block))


@pytest.mark.parametrize(
    ("build", "settings", "message"),
    [
        (LeNet, {"image_size": 15}, "at least 16 px, got 15 px"),
        (AlexNet, {"image_size": 62}, "at least 63 px, got 62 px"),
        (VGG, {"image_size": 31}, "at least 32 px, got 31 px"),
        (VGG, {"depth": 18}, "11, 13, 16, 19 layers deep, not 18"),
        (ResNet, {"depth": 20}, "18, 34, 50, 101, 152 layers deep, not 20"),
    ],
)
def test_refuses_sizes_and_depths_that_cannot_be(build, settings, message):
    with pytest.raises(ValueError, match=message):
        on_meta(build, **settings)


@pytest.mark.parametrize(
    ("build", "settings"), [(LeNet, {"image_size": 16}), (AlexNet, {"image_size": 63}), (VGG, {"image_size": 32})]
)
def test_takes_the_smallest_pictures_that_it_promises_to_take(build, settings):
    images = torch.zeros(2, 3, settings["image_size"], settings["image_size"], device=META)
    assert on_meta(build, width=0.125, **settings)(images).shape == (2, 2)


def test_lenet_names_both_sizes_when_a_picture_has_another():
    with pytest.raises(ValueError, match="64×64 px, got 96×80 px"):
        TINY["lenet"]()(torch.zeros(1, 3, 80, 96))
    with pytest.raises(ValueError, match="32×32 px, got 28×28 px"):
        LeNet5()(torch.zeros(1, 1, 28, 28))
