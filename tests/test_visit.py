"""One visit in a real browser: links, back and forward, one current picture, and what links carry from tab to tab."""

import pytest
from PIL import Image
from playwright.sync_api import expect

SHOWN = "image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])"


@pytest.fixture
def red(tmp_path):
    """A picture of a visitor's own."""
    Image.new("RGB", (64, 40), (200, 30, 30)).save(tmp_path / "red.png")
    return tmp_path / "red.png"


def tab(page, name):
    page.get_by_role("tab", name=name, exact=True).click()


def has_picture(page, place, size):
    """Wait until the picture in `place` has this size in px."""
    page.wait_for_function(
        """([place, size]) => {
            const shown = document.querySelector(`${place} img`);
            return shown?.complete && shown.naturalWidth === size[0] && shown.naturalHeight === size[1];
        }""",
        arg=[place, list(size)],
        timeout=180_000,
    )


def test_a_picture_that_is_chosen_in_one_tab_is_seen_in_the_others(page, address, red):
    page.goto(f"{address}?tab=cats_dogs")
    expect(page.locator("#cats-dogs-verdict")).to_contain_text("cat", timeout=180_000)
    page.locator("#cats-dogs-picture input[type=file]").set_input_files(red)
    has_picture(page, "#cats-dogs-picture", (64, 40))
    tab(page, "Feature maps")
    has_picture(page, "#feature-maps-picture", (64, 40))
    tab(page, "Model zoo")
    expect(page.locator("#model-zoo-chooser .picture[aria-pressed=true]")).to_have_count(1, timeout=180_000)
    expect(page.get_by_role("button", name="Your picture")).to_have_attribute("aria-pressed", "true")
    tab(page, "Receptive field")
    page.wait_for_function(
        """() => {
            const photo = document.querySelector('.rf-network .photo');
            const pixel = photo?.getContext('2d').getImageData(photo.width / 2, photo.height / 2, 1, 1).data;
            return pixel && pixel[0] > 150 && pixel[1] < 90 && pixel[2] < 90;
        }""",
        timeout=180_000,
    )
    tab(page, "Feature maps")  # and an example chosen there is seen where the visit began
    page.locator("#tab-feature_maps .choices button[data-name=Coffee]").click()
    has_picture(page, "#feature-maps-picture", (600, 400))
    tab(page, "Cats and dogs")
    has_picture(page, "#cats-dogs-picture", (600, 400))


def test_a_picture_of_the_receptive_field_tab_goes_along_too(page, address, red):
    page.goto(f"{address}?tab=receptive_field")
    page.wait_for_function("window.convlensOpened")
    with page.expect_response(lambda response: "/run/" in response.url):
        page.locator(".rf-network .picture").set_input_files(red)
    tab(page, "Cats and dogs")
    has_picture(page, "#cats-dogs-picture", (64, 40))


def test_links_in_the_page_carry_network_and_picture_on(page, address, red):
    page.goto(f"{address}?tab=cats_dogs")
    expect(page.locator("#cats-dogs-verdict")).to_contain_text("cat", timeout=180_000)
    page.locator("#cats-dogs-picture input[type=file]").set_input_files(red)
    has_picture(page, "#cats-dogs-picture", (64, 40))
    page.locator("#tab-cats_dogs .open-in").get_by_role("link", name="Receptive field").click()
    expect(page.locator("#receptive_field-architecture input")).to_have_value("cat_dog", timeout=180_000)
    page.wait_for_url("**tab=receptive_field**network=cat_dog**")
    page.locator("#tab-receptive_field .open-in").get_by_role("link", name="Feature maps").click()
    expect(page.locator("#feature-maps-network input")).to_have_value("cat_dog", timeout=180_000)
    has_picture(page, "#feature-maps-picture", (64, 40))
    page.locator("#tab-feature_maps .open-in").get_by_role("link", name="Model zoo").click()
    expect(page.locator("#model-zoo-table")).to_contain_text("cat_dog", timeout=180_000)
    assert "Cats and dogs" not in page.locator("[role=tab][aria-selected=true]").all_inner_texts()


def test_back_and_forward_move_between_tabs(page, address):
    page.goto(address)
    page.wait_for_function("window.convlensOpened")
    selected = page.locator("#tabs > .tab-wrapper [role=tab][aria-selected=true]")
    tab(page, "Receptive field")
    page.wait_for_url("**tab=receptive_field**")
    tab(page, "Cats and dogs")
    page.wait_for_url("**tab=cats_dogs**")
    page.go_back()
    expect(selected).to_have_text("Receptive field")
    page.go_back()
    expect(selected).to_have_text("Fashion sketch")
    page.go_forward()
    expect(selected).to_have_text("Receptive field")
    page.wait_for_url("**tab=receptive_field**")


def test_a_tab_that_is_opened_again_has_its_own_address_again(page, address):
    page.goto(f"{address}?tab=receptive_field&network=vgg16&size=224&layer=features.0&unit=3.5")
    expect(page.locator("#receptive_field-architecture input")).to_have_value("vgg16", timeout=180_000)
    tab(page, "Cats and dogs")
    page.wait_for_url(f"{address}?tab=cats_dogs")
    tab(page, "Receptive field")
    page.wait_for_url("**network=vgg16**unit=3.5**")


def test_the_link_that_is_copied_opens_the_same_view(page, new_page, address):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{address}?tab=feature_maps&network=cat_dog&layer=layer1.0.conv1&channel=5")
    expect(page.locator("#feature-maps-sentence")).to_contain_text("layer1.0.conv1", timeout=180_000)
    page.locator("#feature-maps-grid button[data-channel='9']").click()
    page.wait_for_url("**channel=9**")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("status").filter(has_text="Link copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    other = new_page()
    other.goto(link)
    expect(other.locator("#feature-maps-sentence")).to_contain_text("layer1.0.conv1", timeout=180_000)
    expect(other.locator("#feature-maps-grid button[data-channel='9']")).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize(
    ("name", "part", "title"),
    [
        ("sketch", "data", "The data set"),
        ("cats_dogs", "head-to-head", "Head to head"),
        ("feature_maps", "filters", "Filters"),
        ("model_zoo", "lesson", "Fewer multiply–adds, yet slower?"),
        ("receptive_field", "steps", "Step by step"),
    ],
)
def test_the_open_part_of_a_tab_is_in_the_address(page, new_page, address, name, part, title):
    page.goto(f"{address}?tab={name}")
    tab(page, title)
    page.wait_for_url(f"**part={part}**")
    other = new_page()
    other.goto(f"{address}?tab={name}&part={part}")
    expect(other.get_by_role("tab", name=title, exact=True)).to_have_attribute("aria-selected", "true")


def test_a_network_that_cats_and_dogs_cannot_have_is_said(page, address):
    page.goto(f"{address}?tab=cats_dogs&network=nonsense")
    expect(page.get_by_text("nonsense").first).to_be_visible(timeout=180_000)
    expect(page.locator("#cats-dogs-verdict")).to_contain_text("cat", timeout=180_000)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("tab=nonsense", "a tab that there is not"),
        ("tab=feature_maps&network=nonsense", "a network that cannot be had here"),
        ("tab=feature_maps&network=cat_dog&layer=nonsense", "a layer that this network does not have"),
    ],
)
def test_a_broken_link_opens_something_and_says_so(page, address, query, said):
    page.goto(f"{address}?{query}")
    expect(page.get_by_text(said)).to_be_visible(timeout=180_000)


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_the_tab_of_the_address_is_open_ten_times_out_of_ten(new_page, address, warm):
    first = new_page()
    for _ in range(10):
        page = first.context.new_page() if warm else new_page()
        page.goto(f"{address}?tab=model_zoo")
        page.wait_for_function("window.convlensOpened")
        expect(page.locator("#tabs > .tab-wrapper [role=tab][aria-selected=true]")).to_have_text("Model zoo")
        assert page.url == f"{address}?tab=model_zoo"
        page.close()
