from alignment.keras_listings import APPLICATIONS, keras_listing

SHORT = {"Conv2D": "C", "MaxPooling2D": "M", "Dense": "L"}


def test_vgg16_is_listed_as_published() -> None:
    tokens = [SHORT[name] for name in keras_listing("vgg16")]
    assert " ".join(tokens) == "C C M C C M C C C M C C C M C C C M L L L"


def test_all_are_kept() -> None:
    assert len(APPLICATIONS) == 26
    assert all(len(keras_listing(name)) > 20 for name in APPLICATIONS)
