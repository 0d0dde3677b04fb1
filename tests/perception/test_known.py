"""How known a picture looks: near 0 where it shows nothing that the model was made for."""

from __future__ import annotations

import hashlib
import logging
import shutil
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from edged import build, paths
from edged.config.schema import Config, DecideConfig, ModelConfig, RuleConfig
from edged.core import UNKNOWN, Frame, Layer, Pixels
from edged.evaluation import made
from edged.imaging.picture import read_picture
from edged.inference import layers
from edged.perception import known, reference
from edged.perception.known import ByHead, ByMeans, Known
from edged.perception.reference import SHARES, Means, Reference, Rows
from tests.inference.test_layers import headed

PICTURES = Path(__file__).parent.parent / "pictures"
COLUMNS, CLASSES = 12, 3


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def frame(pixels: Pixels, at_s: float = 0.0) -> Frame:
    return Frame(pixels, 1, at_s)


def noise() -> Pixels:
    return np.random.Generator(np.random.PCG64(3)).integers(0, 256, (48, 48, 3), np.uint8)


def by_head(path: Path, quantiles: tuple[float, ...]) -> Reference:
    """That of the model of warm and cold colours, by its head."""
    features = layers.find(path.read_bytes()).features
    assert features is not None
    return Reference(
        model=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        data="colours",
        pictures=0,
        held_out=40,
        layers=(features,),
        quantiles=quantiles,
    )


def test_the_share_of_known_pictures_below_a_likeness_lies_between_the_quantiles() -> None:
    quantiles = [share * 2 - 1 for share in SHARES]
    found = [known.share(quantiles, likeness) for likeness in np.linspace(-1.2, 1.2, 25)]
    assert found == sorted(found)
    assert found == pytest.approx(np.clip(np.linspace(-0.1, 1.1, 25), 0, 1), abs=1e-9)


def test_a_likeness_that_is_no_number_is_not_known_at_all() -> None:
    assert known.share(list(SHARES), float("nan")) == 0.0


def test_equal_quantiles_are_stepped_over() -> None:
    quantiles = [0.5] * (len(SHARES) - 1) + [1.0]
    assert known.share(quantiles, 0.4) == 0.0
    assert known.share(quantiles, 1.0) == 1.0
    assert 0.9 <= known.share(quantiles, 0.75) <= 1.0


def test_the_mean_over_positions_is_that_of_the_raw_values() -> None:
    values = np.random.Generator(np.random.PCG64(1)).integers(-128, 128, (3, 5, 7), np.int8)
    expected = values.reshape(15, 7).astype(float).mean(0)
    assert known.pooled(Layer(values, 0.1, 4)) == pytest.approx(expected, rel=1e-6, abs=1e-5)


def test_likeness_by_means_is_the_whitened_cosine() -> None:
    rng = np.random.Generator(np.random.PCG64(2))
    basis, _ = np.linalg.qr(rng.normal(size=(COLUMNS, 4)))
    gain, rest_gain = rng.uniform(2, 5, 4), 1.5
    precision = rest_gain * np.eye(COLUMNS) + basis @ np.diag(gain - rest_gain) @ basis.T
    centre, scale = rng.normal(size=COLUMNS), rng.uniform(0.5, 2, COLUMNS)
    of_class = rng.normal(size=(CLASSES, COLUMNS))
    length = np.sqrt(np.einsum("ci,ij,cj->c", of_class, precision, of_class))
    directions = of_class @ precision / length[:, None]
    likeness = ByMeans(
        Means(
            centre=centre.astype("<f4").tobytes(),
            scale=scale.astype("<f4").tobytes(),
            basis=Rows.of(basis.T.astype(np.float32)),
            gain=gain.astype("<f4").tobytes(),
            rest_gain=rest_gain,
            classes=Rows.of(directions.astype(np.float32)),
        )
    )
    for values in rng.normal(size=(20, COLUMNS)).astype(np.float32):
        position = (values - centre) * scale
        cosines = directions @ position / np.sqrt(position @ precision @ position)
        expected = np.log(np.exp(known.SHARPNESS * cosines).mean()) / known.SHARPNESS
        assert likeness(values, 0) == pytest.approx(expected, abs=0.02)


def means(**change: object) -> Means:
    """Of two values and two classes."""
    fitting = Means(
        centre=bytes(8),
        scale=np.ones(2, "<f4").tobytes(),
        basis=Rows.of(np.ones((1, 2), np.float32)),
        gain=np.ones(1, "<f4").tobytes(),
        rest_gain=1.0,
        classes=Rows.of(np.ones((2, 2), np.float32)),
    )
    return replace(fitting, **change)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"scale": bytes(4)}, "parts do not fit"),
        ({"gain": bytes(8)}, "parts do not fit"),
        ({"classes": Rows.of(np.ones((0, 2), np.float32))}, "parts do not fit"),
        ({"rest_gain": float("inf")}, "not finite"),
    ],
)
def test_means_whose_parts_do_not_fit_are_refused(change: dict[str, object], why: str) -> None:
    assert ByMeans(means()).size == 2
    with pytest.raises(ValueError, match=why):
        ByMeans(means(**change))


@pytest.mark.parametrize("kind", ["FULLY_CONNECTED", "CONV_2D"])
def test_means_are_of_as_many_values_as_the_features_have(kind: str, tmp_path: Path) -> None:
    path = headed(tmp_path / "model.tflite", kind)
    three = means(
        centre=bytes(12),
        scale=bytes(12),
        basis=Rows.of(np.ones((1, 3), np.float32)),
        classes=Rows.of(np.ones((2, 3), np.float32)),
    )
    assert Known(replace(by_head(path, SHARES), means=three), path.read_bytes()).layers


def test_weights_that_are_no_whole_matrix_are_no_head(tmp_path: Path) -> None:
    path = headed(tmp_path / "model.tflite")
    whole = path.read_bytes()
    assert known.head(whole) is not None
    # A vector is preceded by its length.
    stored = layers.constant(whole, layers.find(whole).weights)
    content = bytes(stored.content)
    short = struct.pack("<I", len(content)) + content
    torn = whole.replace(short, struct.pack("<I", len(content) - 4) + content)
    assert known.head(torn) is None
    with pytest.raises(ValueError, match="no head that it could use"):
        Known(by_head(path, SHARES), torn)


def test_a_classifier_that_knows_is_entered_as_itself(tmp_path: Path) -> None:
    path = headed(tmp_path / "model.tflite")
    reference.write(reference.path_of(path), by_head(path, SHARES))
    model = ModelConfig(path=str(path), mean=[0.0], std=[255.0])
    with build.sensing(Config(model=model)).whole as entered:
        prediction = entered.classify(np.zeros((4, 4, 3), np.uint8))
    assert prediction.known is not None
    assert prediction.stages_s["known"] > 0.0


def test_likeness_by_the_head_is_the_correlation_with_the_best_classs_weights() -> None:
    rng = np.random.Generator(np.random.PCG64(4))
    weights = rng.integers(-128, 128, (CLASSES, COLUMNS), np.int8)
    features = rng.integers(0, 256, COLUMNS, np.uint8).astype(np.float32)
    for best in range(CLASSES):
        expected = np.corrcoef(features, weights[best].astype(float))[0, 1]
        assert ByHead(weights)(features, best) == pytest.approx(expected, abs=1e-5)


def test_equal_features_are_not_known_and_nothing_is_divided_by_zero() -> None:
    assert ByHead(np.eye(3, dtype=np.float32))(np.full(3, 7, np.float32), 1) == 0.0


def test_the_bundled_model_knows_a_cat_and_not_what_is_made_up() -> None:
    with build.perception(Config()) as perception:
        cat = perception.classify(frame(read_picture(PICTURES / "cat.jpg"))).prediction
        others = [
            perception.classify(frame(pixels)).prediction.known
            for _, pictures in made.sets(seed=5, count=10)
            for pixels in pictures
        ]
    assert cat.known is not None
    assert cat.known > 0.2
    assert np.mean([one is not None and one < 0.05 for one in others]) > 0.9


def test_a_scene_that_is_not_known_is_unknown_and_switches_no_rule() -> None:
    # Noise of broad stripes that the model calls by a name, surely enough for a rule.
    rule = RuleConfig(name="any", match=[], labels=list(LABELS))
    plain = Config(decide=DecideConfig(enter=0.5, exit=0.3, smoothing_s=0.0), rule=[rule])
    without = replace(plain, decide=replace(plain.decide, unknown_share=0.0))
    stripes = dict(made.sets(seed=1, count=40))["stripes"]
    with build.perception(plain) as aware, build.perception(without) as unaware:
        sure = [p for p in stripes if unaware.classify(frame(p)).prediction.scores.max() > 0.55]
        told = [aware.decide(frame(p, at_s=k)).scene for k, p in enumerate(sure)]
        taken = [unaware.decide(frame(p, at_s=k)).scene for k, p in enumerate(sure)]
    assert len(sure) >= 5
    assert {scene.name for scene in taken} == {"any"}
    assert {scene.name for scene in told} == {UNKNOWN}
    assert not any(scene.active for scene in told)


LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def test_where_it_is_off_no_layer_is_read() -> None:
    with build.perception(Config(decide=DecideConfig(unknown_share=0.0))) as perception:
        prediction = perception.classify(frame(noise())).prediction
    assert (prediction.known, dict(prediction.layers)) == (None, {})
    assert "known" not in prediction.stages_s


def test_the_content_that_was_read_is_let_go_when_that_with_more_outputs_is_there(
    tmp_path: Path,
) -> None:
    path = headed(tmp_path / "model.tflite")
    data = path.read_bytes()
    found = Known(by_head(path, tuple(share * 2 - 1 for share in SHARES)), data)
    held = sys.getrefcount(data)
    found.rest_on(layers.expose(data, found.layers))
    assert sys.getrefcount(data) < held


def test_a_model_without_the_file_tells_nothing(tmp_path: Path) -> None:
    assert known.find(headed(tmp_path / "model.tflite")) is None


def test_by_the_head_of_a_model_warm_is_known_and_grey_is_not(tmp_path: Path) -> None:
    path = headed(tmp_path / "model.tflite")
    reference.write(reference.path_of(path), by_head(path, tuple(s * 0.9 for s in SHARES)))
    model = ModelConfig(path=str(path), mean=[0.0], std=[255.0])
    with build.perception(Config(model=model)) as perception:
        warm = perception.classify(frame(np.full((4, 4, 3), (255, 128, 0), np.uint8))).prediction
        grey = perception.classify(frame(np.full((4, 4, 3), 128, np.uint8))).prediction
    assert (warm.known, grey.known) == (1.0, 0.0)


@pytest.mark.parametrize("content", [b"", b"torn", b"edged known 1\n" + bytes(50)])
def test_a_damaged_file_is_told_once_and_edged_does_without(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = tmp_path / "own.tflite"
    shutil.copy(paths.bundled_model(), model)
    reference.path_of(model).write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert known.find(model) is None
    [line] = caplog.messages
    assert line.startswith(f"{model}.known ")
    assert line.endswith("; until then edged takes nothing for unknown by it")
    assert reference.path_of(model).read_bytes() == content


def test_the_shipped_file_of_a_namesake_says_nothing_of_another_model(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    namesake = headed(tmp_path / paths.bundled_model().name)
    with caplog.at_level(logging.WARNING):
        assert known.find(namesake) is None
    assert not caplog.messages


def test_the_file_beside_the_model_stands_before_the_shipped_one(tmp_path: Path) -> None:
    model = tmp_path / paths.bundled_model().name
    shutil.copy(paths.bundled_model(), model)
    shipped = known.find(model)
    assert shipped is not None
    own = Reference(
        model=model.name,
        sha256=hashlib.sha256(model.read_bytes()).hexdigest(),
        data="own",
        pictures=0,
        held_out=40,
        layers=(),
        quantiles=SHARES,
    )
    reference.write(reference.path_of(model), own)
    beside = known.find(model)
    assert beside is not None
    assert shipped.layers
    assert not beside.layers


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"layers": (4000,)}, "layers that the model does not have"),
        ({"quantiles": tuple(reversed(SHARES))}, "quantiles do not rise"),
        ({"quantiles": (0.5, *SHARES[1:])}, "quantiles do not rise"),
        ({"quantiles": (0.0, 1.0)}, "quantiles do not rise"),
        ({"quantiles": (float("nan"),) * len(SHARES)}, "quantiles do not rise"),
        ({"layers": (2, 2)}, "no head that it could use"),
        (
            {
                "means": Means(
                    centre=bytes(8),
                    scale=bytes(8),
                    basis=Rows.of(np.zeros((0, 2), np.float32)),
                    gain=b"",
                    rest_gain=1.0,
                    classes=Rows.of(np.ones((2, 2), np.float32)),
                )
            },
            "layers have other sizes",
        ),
    ],
)
def test_what_does_not_fit_the_model_is_refused(
    change: dict[str, object], why: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = headed(tmp_path / "model.tflite")
    wrong = replace(by_head(path, SHARES), **change)
    with pytest.raises(ValueError, match=why):
        Known(wrong, path.read_bytes())
    reference.write(reference.path_of(path), wrong)
    with caplog.at_level(logging.WARNING):
        assert known.find(path) is None
    assert why in caplog.text
