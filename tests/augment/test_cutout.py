import pytest
import torch

from tutelage.augment.cutout import Cutout, erase
from tutelage.augment.view import ImageShape
from tutelage.core.seeding import generator

SHAPE = ImageShape(3, 32, 32)


def erased(cutout: Cutout, shape: ImageShape = SHAPE, rows: int = 5000) -> torch.Tensor:
    """Which pixels of white images were erased: (rows, H, W)."""
    white = torch.full((rows, shape.channels, shape.height, shape.width), 255, dtype=torch.uint8)
    return cutout.apply(white, cutout.draw(rows, shape, generator(0, "cutout")))[:, 0] != 255


def test_official_squares_have_sixteen_pixels_a_side_and_are_cut_off_at_the_edges():
    area = erased(Cutout(0.5, "official")).flatten(1).sum(1)
    assert area.max() == 256
    assert area.min() == 64


def test_paper_squares_have_seventeen_pixels_a_side_and_are_not_cut_off_at_the_left_and_the_top():
    pixels = erased(Cutout(0.5, "paper"))
    assert pixels.flatten(1).sum(1).max() == 17 * 17
    touching = pixels[:, 0, :].any(1) & ~pixels[:, -1, :].any(1)
    assert touching.any()
    assert (pixels[touching].any(2).sum(1) == 17).all()


@pytest.mark.parametrize("placement", ["toolbox", "usb"])
def test_toolbox_squares_have_any_side_up_to_half_the_width(placement):
    side = erased(Cutout(0.5, placement)).any(1).sum(1)
    assert side.min() <= 2
    assert side.max() == 16
    assert torch.bincount(side, minlength=17)[2:16].min() > 100


def test_the_side_follows_the_shorter_side_of_the_image():
    assert erased(Cutout(0.5, "official"), ImageShape(1, 8, 20)).flatten(1).sum(1).max() == 16


def test_a_share_of_nothing_erases_nothing():
    for placement in ("official", "paper", "toolbox", "usb"):
        assert not erased(Cutout(0.0, placement)).any()


@pytest.mark.parametrize(
    ("placement", "fill"), [("official", (127,) * 3), ("toolbox", (125, 123, 114)), ("usb", (125, 123, 114))]
)
def test_squares_have_the_published_color(placement, fill):
    white = torch.full((50, 3, 32, 32), 255, dtype=torch.uint8)
    cutout = Cutout(0.5, placement)
    result = cutout.apply(white, cutout.draw(50, SHAPE, generator(1, "cutout")))
    assert {tuple(c) for c in result.permute(0, 2, 3, 1).reshape(-1, 3).unique(dim=0).tolist()} == {fill, (255,) * 3}


def test_erase_takes_boxes_beyond_the_image_and_empty_ones():
    images = torch.full((3, 1, 4, 6), 9, dtype=torch.uint8)
    boxes = torch.tensor([[-2, -2, 2, 1], [4, 3, 99, 99], [3, 3, 3, 3]])
    result = erase(images, boxes, fill=(5,))
    assert result[0, 0].tolist() == [[5, 5, 9, 9, 9, 9]] + [[9] * 6] * 3
    assert result[1, 0].tolist() == [[9] * 6] * 3 + [[9, 9, 9, 9, 5, 5]]
    assert (result[2] == 9).all()


def test_a_color_of_another_number_of_channels_is_an_error():
    with pytest.raises(ValueError, match="one level for each of 1 channels"):
        erase(torch.zeros(1, 1, 4, 4, dtype=torch.uint8), torch.zeros(1, 4), fill=(1, 2, 3))
