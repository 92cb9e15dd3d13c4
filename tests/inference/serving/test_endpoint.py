"""What the endpoint answers: the predictions of the model, or the reason, for each file of a request."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.served_model import COLORS, Endpoint, color_file, color_model, endpoint, png_header


def turned(color: str) -> bytes:
    """A JPEG file that is stored on its side."""
    image, stream = Image.open(io.BytesIO(color_file(color, (60, 20)))), io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(stream, "JPEG", exif=exif)
    return stream.getvalue()


def saved(image: Image.Image, form: str = "PNG") -> bytes:
    stream = io.BytesIO()
    image.save(stream, form)
    return stream.getvalue()


FILES = {
    "a.png": color_file("red"),
    "b.jpg": color_file("green", (200, 300), "JPEG"),
    "turned.jpg": turned("blue"),
    "c.webp": color_file("blue", form="WEBP"),
    "gray.png": saved(Image.new("L", (9, 9), 90)),
    "deep.png": saved(Image.fromarray(np.full((9, 9), 30_000, np.uint16))),
    "clear.png": saved(Image.new("RGBA", (9, 9), (200, 0, 0, 40))),
    "many.tif": color_file("red", form="TIFF"),
    "half.jpg": color_file("green", (200, 300), "JPEG")[:2000],
    "notes.txt": b"no image at all",
    "page.html": b"<html><script>alert(1)</script></html>",
    "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "empty.png": b"",
    "bomb.png": png_header(60_000, 60_000),
}


def test_files_of_a_form_get_what_the_model_predicts_of_them(served: Endpoint, tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    expected = served.model.predict([tmp_path / name for name in FILES])
    answer = served.predict(*FILES.items())
    assert answer.status_code == 200
    found = answer.json()["predictions"]
    assert [one["name"] for one in found] == list(FILES)
    assert [one["label"] for one in found] == expected.labels
    assert [one["error"] or "" for one in found] == expected.errors
    assert sum(one["error"] is None for one in found) == 8
    for one, row in zip(found, expected.probabilities, strict=True):
        if one["error"] is None:
            assert list(one["probabilities"]) == list(COLORS)
            np.testing.assert_allclose(list(one["probabilities"].values()), row, atol=1e-6)
            assert one["confidence"] == max(one["probabilities"].values())
        else:
            assert one["confidence"] is None and one["probabilities"] is None


@pytest.mark.parametrize("kind", ["application/octet-stream", "image/png", "IMAGE/PNG; x=y"])
def test_a_body_is_one_image_whatever_it_is_called(served: Endpoint, kind: str) -> None:
    answer = served.ask("POST", "/api/predict", {"content-type": kind}, color_file("blue"))
    (found,) = answer.json()["predictions"]
    assert (found["name"], found["label"], found["error"]) == ("image 0", "blue", None)


def test_a_body_that_is_no_image_says_why(served: Endpoint) -> None:
    for body, reason in ((b"", "is empty (0 bytes)"), (b"text", "is not a readable image")):
        answer = served.ask("POST", "/api/predict", {"content-type": "application/octet-stream"}, body)
        assert answer.status_code == 200 and reason in answer.json()["predictions"][0]["error"]


FORM = "multipart/form-data; boundary=x"
WRONG = {
    "a field that is no file": (
        FORM,
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
        "is no file",
    ),
    "no file": (FORM, b"--x--\r\n", "the form has no file"),
    "nothing": (FORM, b"", "the form has no file"),
    "no boundary": ("multipart/form-data", b"--x--\r\n", "the form cannot be read"),
    "another boundary": (FORM, b"--y\r\n\r\n\r\n--y--\r\n", "the form cannot be read"),
    "a file without a field": (FORM, b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n", "cannot be read"),
}


@pytest.mark.parametrize(("kind", "body", "reason"), WRONG.values(), ids=WRONG)
def test_a_form_that_makes_no_sense_is_refused(served: Endpoint, kind: str, body: bytes, reason: str) -> None:
    answer = served.ask("POST", "/api/predict", {"content-type": kind}, body)
    assert answer.status_code == 400 and reason in answer.json()["error"]


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded", "imagex/png"])
def test_other_kinds_of_bodies_are_refused(served: Endpoint, kind: str) -> None:
    answer = served.ask("POST", "/api/predict", {"content-type": kind}, color_file("red"))
    assert answer.status_code == 415 and "multipart/form-data" in answer.json()["error"]


def test_more_files_than_the_server_takes_are_refused_and_none_is_lost_of_as_many(served: Endpoint) -> None:
    files = [(f"{k}.png", color_file("red")) for k in range(served.batcher.capacity)]
    found = served.predict(*files).json()["predictions"]
    assert [one["name"] for one in found] == [name for name, _ in files]
    assert {one["label"] for one in found} == {"red"}
    refused = served.predict(*files, ("one.png", color_file("red")))
    assert refused.status_code == 413 and "256 images at most" in refused.json()["error"]
    assert served.predict(*[("x.png", b"")] * 1000).status_code == 413


def test_no_byte_of_a_large_file_goes_to_the_disk(served: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    large = color_file("green", (640, 640), "BMP")
    assert len(large) > 2**20
    (found,) = served.predict(("large.bmp", large)).json()["predictions"]
    assert found["label"] == "green"


def test_the_facts_of_the_model_are_told(served: Endpoint) -> None:
    facts = served.ask("GET", "/api/model").json()
    assert facts["classes"] == list(COLORS) and facts["image_size"] == 8
    assert facts["most_images"] == 256 and facts["largest_request"] == 64 * 2**20


def test_a_picture_is_a_small_jpeg_or_the_reason(served: Endpoint) -> None:
    def asked(content: bytes) -> tuple[int, bytes]:
        answer = served.ask("POST", "/api/picture", {"content-type": "application/octet-stream"}, content)
        return answer.status_code, answer.content

    status, made = asked(color_file("red", (800, 400), "TIFF"))
    assert status == 200
    with Image.open(io.BytesIO(made)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (480, 240))
    status, made = asked(turned("red"))
    assert Image.open(io.BytesIO(made)).size == (20, 60)
    for name in ("half.jpg", "notes.txt", "empty.png", "bomb.png"):
        assert asked(FILES[name])[0] == 422


def test_many_classes_are_all_told() -> None:
    with endpoint(color_model(("a", "ключ", "<b>"))) as found:
        (one,) = found.predict(("x.png", color_file("blue"))).json()["predictions"]
        assert one["label"] == "<b>" and list(one["probabilities"]) == ["a", "ключ", "<b>"]


def test_the_description_fits_what_is_answered(served: Endpoint) -> None:
    made = served.ask("GET", "/openapi.json", {"x-tutelage-token": None}).json()
    assert made["openapi"].startswith("3.1") and made["servers"] == [{"url": "http://127.0.0.1:8766"}]
    assert not set(COLORS) & set(str(made).split("'"))
    schemas = made["components"]["schemas"]

    def fits(value: dict, name: str) -> None:
        assert list(value) == schemas[name]["required"] == list(schemas[name]["properties"])

    fits(served.ask("GET", "/api/model").json(), "Model")
    answer = served.predict(("a.png", color_file("red")), ("b.png", b"")).json()
    fits(answer, "Predictions")
    for one in answer["predictions"]:
        fits(one, "Prediction")
    fits(served.predict().json(), "Refusal")
    routes = {route.path: set(route.methods) - {"HEAD"} for route in served.app.app.routes}  # type: ignore[attr-defined]
    described = {path: {method.upper() for method in methods} for path, methods in made["paths"].items()}
    assert described == {path: methods for path, methods in routes.items() if path.startswith("/api/")}
