"""The cats-and-dogs tab: as functions, through the API, and on the page."""

import json
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from torch import nn

from cnn_core import cats_dogs as core
from cnn_core import data, zoo
from cnn_core.benchmark_strategies import Measured
from cnn_core.errors import Refused
from cnn_core.preprocessing import Photograph
from cnn_core.weights import WEIGHTS
from demos import cats_dogs
from demos._photographs import PHOTOGRAPHS, photograph, thumbnails


class Redness(nn.Module):
    """More red, more dog: one unit per place, so that answers are known and maps too."""

    def __init__(self):
        super().__init__()
        self.features = nn.Conv2d(3, 2, 1)
        with torch.no_grad():
            self.features.weight.zero_()
            self.features.weight[1, 0] = 20.0
            self.features.bias.copy_(torch.tensor([10.0, 0.0]))

    def forward(self, images):
        return self.features(images).mean((2, 3))


@pytest.fixture
def redness(monkeypatch):
    network = zoo.Network("redness", Redness().eval(), Photograph(8), ("cat", "dog"), True)
    monkeypatch.setattr(core.zoo, "get", lambda name: network)
    return "redness"


def plain(red):
    return Image.new("RGB", (20, 10), (red, 0, 0))


# Core


def test_answers_are_probabilities_and_stay_with_their_pictures(redness):
    reds = [0, 255, 128, 10, 250] * 9
    said = list(core.answers(redness, map(plain, reds), batch_size=4))
    assert [answer.name for answer in said] == ["dog" if red > 127 else "cat" for red in reds]
    for answer in said:
        assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert said[0].sure
    assert not said[2].sure  # 128 of 255: next to nothing speaks for either


def test_only_a_batch_of_pictures_is_in_memory(redness):
    made = 0

    def pictures():
        nonlocal made
        for red in range(200):
            made += 1
            yield plain(red)

    said = core.answers(redness, pictures(), batch_size=8)
    next(said)
    assert made == 8


def test_imagenets_classes_are_added_up():
    logits = torch.full((3, 1000), -20.0)
    logits[0, 281] = logits[0, 285] = 3.0  # tabby and Egyptian cat
    logits[1, 151] = logits[1, 268] = 3.0  # Chihuahua and Mexican hairless
    logits[2, 504] = 3.0  # a coffee mug
    cat, dog, mug = core.interpret("timm/any", logits)
    assert cat.dog < 0.01
    assert dog.dog > 0.99
    assert cat.neither == pytest.approx(0, abs=1e-3)
    assert mug.neither == pytest.approx(1, abs=1e-3)
    assert cat.sure
    assert not mug.sure
    assert "Neither" in cats_dogs.verdict(mug)


def test_imagenets_names_at_the_ends_of_the_ranges():
    names = zoo.imagenet_classes()
    assert (names[core.DOGS][0], names[core.DOGS][-1]) == ("Chihuahua", "Mexican hairless")
    assert (names[core.CATS][0], names[core.CATS][-1]) == ("tabby", "Egyptian cat")


def test_a_network_that_knows_garments_is_refused():
    with pytest.raises(Refused, match="does not know cats and dogs"):
        core.network_for("sketch_net")


def test_the_shipped_network_on_the_courses_photographs():
    try:
        pairs = data.cat_dog("book_test")
    except Refused as refused:
        pytest.skip(str(refused))
    said = core.answers("cat_dog", (Image.open(file).convert("RGB") for file, _ in pairs))
    right = [answer.name == data.CAT_DOG_CLASSES[label] for answer, (_, label) in zip(said, pairs, strict=True)]
    measured = json.loads((cats_dogs.WEIGHTS / "cat_dog" / "scores.json").read_text())
    assert np.mean(right) == pytest.approx(measured["book"], abs=0.011)  # one picture of 98 for rounding


# The tab's functions


def said_of_the_cat():
    """What the shipped network calls scikit-image's cat."""
    return next(core.answers("cat_dog", [photograph("Cat")])).name


def test_answer_sentence_and_where_it_looked_agree():
    answer, sentence, where = cats_dogs.run(photograph("Cat"))
    assert max(answer, key=answer.get) == said_of_the_cat()
    assert said_of_the_cat() in sentence
    assert where.size == (360, 239)  # 451x300


def test_two_hundred_answers_at_once_are_each_of_their_own_picture():
    pictures = [photograph(name) for name in list(PHOTOGRAPHS)[:4]]
    expected = [cats_dogs.run(picture, cats_dogs.DEFAULT) for picture in pictures]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda turn: cats_dogs.run(pictures[turn % 4], cats_dogs.DEFAULT), range(200)))
    for turn, (shares, _, heat) in enumerate(answers):
        assert shares == pytest.approx(expected[turn % 4][0], abs=1e-4)
        assert np.abs(np.asarray(heat, int) - np.asarray(expected[turn % 4][2], int)).max() <= 1


def test_examples_are_there():
    assert set(thumbnails()) == set(PHOTOGRAPHS)
    assert len(cats_dogs.EXAMPLES) == len(PHOTOGRAPHS)
    with pytest.raises(KeyError):
        photograph("Unicorn")


def labelled(tmp_path, reds, name="pictures.zip"):
    """A zip with pictures in folders Cat and Dog, and one file that is no picture."""
    path = tmp_path / name
    with zipfile.ZipFile(path, "w") as packed:
        for number, (label, red) in enumerate(reds):
            file = tmp_path / "one.png"
            plain(red).save(file)
            packed.write(file, f"{label}/{number}.png")
        packed.writestr("Cat/notes.png", b"no picture")
    return str(path)


def test_many_pictures_keep_their_labels_and_those_left_out_are_named(redness, tmp_path):
    path = labelled(tmp_path, [("Cat", 0), ("Dog", 255), ("Dog", 20)])
    *_, (done, total, rows, left_out) = cats_dogs.classify([path], redness)
    assert done == total == 3
    assert [(row["label"], row["dog"] > 0.5) for row in rows] == [("cat", False), ("dog", True), ("dog", False)]
    assert len(left_out) == 1
    assert "notes.png" in left_out[0]


def test_a_name_tells_the_label_where_its_folder_does_not(redness, tmp_path):
    path = tmp_path / "pictures.zip"
    plain(0).save(tmp_path / "one.png")
    with zipfile.ZipFile(path, "w") as packed:
        for name in ("train/cat.1.png", "validation/dog.2.png", "Dog/cat.3.png", "train/x.png"):
            packed.write(tmp_path / "one.png", name)
    *_, (_, _, rows, _) = cats_dogs.classify([str(path)], redness)
    assert [row["label"] for row in rows] == ["cat", "dog", "dog", None]


def test_odd_digits_in_names_are_no_harm(redness):
    assert cats_dogs.number_of("room_12m².jpg", 1) == 12
    assert cats_dogs.number_of("³.jpg", 7) == 7
    assert cats_dogs.number_of("1" * 5000 + ".jpg", 1) > 0


def test_two_other_classes_are_not_taken_for_cats_and_dogs(monkeypatch):
    network = zoo.Network("hotdogs", Redness().eval(), Photograph(8), ("hotdog", "not hotdog"), True)
    monkeypatch.setattr(core.zoo, "get", lambda name: network)
    with pytest.raises(Refused, match="does not know cats and dogs"):
        core.network_for("hotdogs")


def test_it_shows_where_it_looked_for_the_animal_that_it_answered(monkeypatch):
    class Sofa(nn.Module):
        """ImageNet's classes: most of all a sofa, then a tabby cat, then a Chihuahua; each unit a place."""

        def __init__(self):
            super().__init__()
            self.features = nn.Conv2d(3, 1000, 1)
            with torch.no_grad():
                self.features.bias[[831, 281, 151]] = torch.tensor([30.0, 20.0, 10.0])

        def forward(self, images):
            return self.features(images).mean((2, 3))

    network = zoo.Network("sofa", Sofa().eval(), Photograph(8), zoo.imagenet_classes(), True)
    monkeypatch.setattr(core.zoo, "get", lambda name: network)
    explained = []
    monkeypatch.setattr(core.saliency, "by_gradients", lambda *arguments: explained.append(arguments[-1]))
    for dog in (0.1, 0.9):
        core.looked("sofa", plain(100), core.Answer(dog, True))
    assert explained == [281, 151]


def test_a_thousand_pictures_come_in_steps(redness, tmp_path):
    path = labelled(tmp_path, [("Cat", 0)] * 1000)
    steps = [done for done, *_ in cats_dogs.classify([path], redness)]
    assert steps[-1] == 1000
    assert len(steps) > 50


def test_the_table_is_what_the_course_writes_and_more():
    rows = [{"name": f"d/{name}", "dog": dog} for name, dog in (("12.jpg", 0.9), ("cat.3.jpg", 0.1), ("x.jpg", 0.5))]
    table = cats_dogs.as_table(rows)
    assert list(table.columns) == ["id", "label", "file", "class"]
    assert table["id"].tolist() == [3, 3, 12]  # the third has no number: its place
    assert table["class"].tolist() == ["cat", "dog", "dog"]
    with open(cats_dogs.as_file(rows)) as file:  # noqa: PTH123
        assert file.readline() == "id,label,file,class\n"


def test_nothing_chosen_is_said():
    with pytest.raises(Refused, match="Choose some pictures"):
        next(cats_dogs.classify(None, "cat_dog"))
    with pytest.raises(Refused, match="Choose a picture"):
        cats_dogs.run(None)  # type: ignore[arg-type]


def test_the_family_stands_in_one_table():
    shown = cats_dogs.head_to_head()
    there = {title: name for title, name in cats_dogs.NETWORKS.items() if name in WEIGHTS}
    assert "cat_dog" in there.values()
    for title, name in there.items():
        measured = json.loads((cats_dogs.WEIGHTS / name / "scores.json").read_text())
        assert title in shown
        assert f"{measured['accuracy']:.1%}" in shown


# API


def test_what_transfer_learning_is_worth_is_drawn_and_told():
    assert "benchmark_strategies" in cats_dogs.worth([])
    lines = [
        Measured("head", 100, 10, 0.95, 2.0, 2562, 2_226_434),
        Measured("head", 1600, 10, 0.97, 9.0, 2562, 2_226_434),
        Measured("from scratch", 400, 10, 0.52, 30.0, 2_226_434, 2_226_434),
    ]
    said = cats_dogs.worth(lines)
    assert "95.0% · 2 s" in said
    assert "2,226,434" in said
    # 50 to 100 % lie 200 apart, and a factor of 4 is half the way from 100 to 1,600
    assert 'points="40.0,32.0 365.0,24.0"' in said
    assert 'points="202.5,204.0"' in said


@pytest.fixture(scope="module")
def client(address):
    return Client(address, verbose=False)


def test_predict_through_the_api(client, tmp_path):
    file = tmp_path / "cat.png"
    photograph("Cat").save(file)
    answer, sentence, _ = client.predict(handle_file(str(file)), "cat_dog", api_name="/predict_cat_dog")
    assert answer["label"] == said_of_the_cat()
    assert {each["label"] for each in answer["confidences"]} == {"cat", "dog"}
    assert said_of_the_cat() in sentence


def test_the_default_is_asked_as_it_was_measured():
    picture, module = photograph("Cat"), zoo.get("cat_dog").module
    whole = Photograph(192)(picture)
    corners = [
        whole[..., rows, columns] for rows in (slice(160), slice(32, 192)) for columns in (slice(160), slice(32, 192))
    ]
    with torch.inference_mode():
        logits = torch.stack([module(view) for view in (whole, whole.flip(-1), *corners)]).mean(0)
    temperature, _ = core.trust("cat_dog")
    (answer,) = core.answers("cat_dog", [picture])
    assert answer.dog == pytest.approx((logits / temperature).softmax(1)[0, 1].item(), abs=1e-5)


def test_an_unknown_network_is_said_in_one_sentence(client, tmp_path):
    file = tmp_path / "cat.png"
    photograph("Cat").save(file)
    with pytest.raises(AppError, match="cat_dog"):
        client.predict(handle_file(str(file)), "cat_dogg", api_name="/predict_cat_dog")


def test_a_batch_through_the_api(client, tmp_path):
    files = []
    for number, name in enumerate(("Cat", "Coffee")):
        photograph(name).save(tmp_path / f"{number}.png")
        files.append(handle_file(str(tmp_path / f"{number}.png")))
    table, file = client.predict(files, "cat_dog", api_name="/predict_cat_dog_batch")
    assert table["headers"] == ["id", "label", "file", "class"]
    assert table["data"][0][3] == said_of_the_cat()
    with open(file) as lines:  # noqa: PTH123
        assert len(lines.readlines()) == 3


# The page


def open_tab(page, address):
    page.goto(f"{address}?tab=cats_dogs")
    page.wait_for_function(f"document.querySelector('#cats-dogs-verdict')?.innerText.includes('{said_of_the_cat()}')")


def test_the_first_view_is_a_worked_example(page, address):
    open_tab(page, address)
    assert page.locator("#cats-dogs-answer").inner_text().lower().startswith("cat or dog")
    assert page.locator("#cats-dogs-heat img").count() == 1


def test_the_threshold_colours_the_grid_anew(page, address, tmp_path):
    file = tmp_path / "pictures.zip"
    with zipfile.ZipFile(file, "w") as packed:
        for number, (label, name) in enumerate((("cat", "Cat"), ("dog", "Cat"), ("cat", "Cat"))):
            photograph(name).save(tmp_path / "one.png")
            packed.write(tmp_path / "one.png", f"{label}/{number}.png")
    open_tab(page, address)
    page.locator("#cats-dogs-files input[type=file]").set_input_files(str(file))
    page.locator("#cats-dogs-files").get_by_text("pictures.zip").wait_for()
    page.locator("#cats-dogs-classify").click()
    page.locator("#cats-dogs-grid figure").nth(2).wait_for()
    right = "[...document.querySelectorAll('#cats-dogs-grid figure')].map((figure) => figure.dataset.right).join()"
    cat = said_of_the_cat() == "cat"
    assert page.evaluate(right) == ("true,false,true" if cat else "false,true,false")
    assert ("66.7 % right" if cat else "33.3 % right") in page.locator("#cats-dogs-grid .summary").inner_text()
    slider = page.locator("#cats-dogs-grid input[type=range]")
    slider.evaluate("slider => { slider.value = 0.02; slider.dispatchEvent(new Event('input')); }")
    assert page.evaluate(right) in ("false,true,false", "true,false,true")
    slider.evaluate("slider => { slider.value = 0.98; slider.dispatchEvent(new Event('input')); }")
    assert page.evaluate(right) == "true,false,true"  # hardly anything is a dog now
    assert page.locator("#cats-dogs-csv").is_visible()
    assert "threshold=0.98" in page.url


@pytest.mark.parametrize(("said", "means"), [("0.3", "0.3"), ("7", "0.98"), ("nonsense", "0.5")])
def test_a_links_threshold_is_taken(page, address, said, means):
    page.goto(f"{address}?tab=cats_dogs&threshold={said}")
    slider = page.locator("#cats-dogs-grid input[type=range]")
    slider.wait_for(state="attached")
    assert slider.input_value() == means


def test_nothing_scrolls_sideways_on_a_phone(phone, address):
    open_tab(phone, address)
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
