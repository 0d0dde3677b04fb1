"""The classifier: one TensorFlow Lite model under whichever runtime is installed.

`load` finds out everything about the model once (file, runtime, tensors, labels, normalisation)
and refuses what is no image classifier; `TfliteClassifier.classify` then only moves numbers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from edged import paths
from edged.config.schema import ModelConfig
from edged.core import Layer, Pixels, Prediction, Scores
from edged.errors import ModelError
from edged.imaging.resample import Resampler
from edged.inference import interface, kinds, modelfile, runtimes, tensors
from edged.inference import labels as label_files
from edged.inference import layers as inner
from edged.inference.interface import ImageInput, ScoresOutput
from edged.inference.labels import Labels
from edged.inference.modelfile import ModelFile
from edged.inference.preprocessing import Preprocessing
from edged.inference.tensors import Tensor
from edged.models.naming import model_name
from edged.perception.filter import look_up
from edged.printable import printable

logger = logging.getLogger(__name__)

TOLERANCE = 0.01
"""By which the sum of float probabilities may be off: softmax is approximated here and there."""


def read(model: ModelConfig) -> ModelFile:
    """The file that `model` names; the bundled one where it names none.

    ModelError, also where it is a known kind of model that is no image classifier, unless
    `model.labels` fit an output.
    """
    file = modelfile.read(Path(model.path) if model.path else paths.bundled_model())
    kind = kinds.certain(file)
    if kind and not label_files.given_fit(file, model.labels):
        kinds.refuse(file, kind)
    return file


def load(
    model: ModelConfig,
    fit: Literal["stretch", "crop"] = "stretch",
    file: ModelFile | None = None,
    layers: Collection[int] = (),
    data: bytes | None = None,
) -> TfliteClassifier:
    """The classifier that `model` describes, from its `file` and its `data` if they have been read.

    `fit` says how a picture of another aspect comes into the input: stretched, or cropped to the
    middle. Predictions have the inner tensors `layers`. ModelError, one line, if anything about the
    model or its labels is unfit.
    """
    return load_alike(model, fit, file, layers=layers, data=data)[0]


def load_alike(
    model: ModelConfig,
    fit: Literal["stretch", "crop"] = "stretch",
    file: ModelFile | None = None,
    *,
    labels: Labels | None = None,
    count: int = 1,
    features: bool = False,
    layers: Collection[int] = (),
    data: bytes | None = None,
    told_in_log: bool = True,
) -> list[TfliteClassifier]:
    """As `load`, `count` of them, for as many threads; with `labels`, if those have been found.

    With `features` their predictions have these also where the model keeps them to itself, and
    in any case the inner tensors `layers`, which `layers.find` names. One that works beside the
    model in use is not `told_in_log`.
    """
    file = file or read(model)
    path = file.path
    runtime = runtimes.choose(model.runtime)
    threads = model.threads or runtimes.default_threads()
    data = modelfile.content(path) if data is None else data
    told = len(file.outputs)
    wanted = [*layers]
    if features and told == 1 and (found := inner.find(data).features) is not None:
        wanted.insert(0, found)
    data = inner.expose(data, wanted)
    interpreter = runtimes.open_interpreter(runtime, path, model, threads, data)
    inputs = interface.tensors_of(path, interpreter.get_input_details())
    outputs = interface.tensors_of(path, interpreter.get_output_details())
    by_index = {output.index: output for output in outputs}
    outputs = outputs[:told]
    if len(inputs) != 1:
        raise ModelError(
            f"{path} has {len(inputs)} inputs and {len(outputs)} outputs: "
            "give an image classifier, with one image as input and one list of scores as output"
        )
    image = interface.image_input(path, inputs[0], file, model)
    candidates = interface.score_lists(path, outputs)
    labels = labels or label_files.find(file, model.labels, model.locale)
    scores = interface.scores_output(path, outputs, candidates, file, len(labels.names), model)
    if len(wanted) > len(layers):
        scores = msgspec.structs.replace(scores, features=by_index[wanted[0]])
    label_files.check_count(path, scores.values, labels)
    if image.doubt:
        logger.warning("model %s: %s", path, image.doubt)
    classifier = TfliteClassifier(
        path,
        interpreter,
        image,
        scores,
        labels,
        fit,
        runtime=runtime.title,
        threads=threads,
        keeps_state=file.keeps_state,
        layers=[by_index[layer] for layer in layers],
    )
    if not scores.known:
        classifier.find_out_what_scores_are()
    if told_in_log and logger.isEnabledFor(logging.INFO):
        delegated = classifier.delegated
        logger.info(
            "model %s: %s, threads: %d, delegated operators: %s; input %dx%d %s %s %s; "
            "%d classes from %s, outputs are %s",
            path,
            runtime.title,
            threads,
            "unknown" if delegated is None else f"{delegated:.0%}",
            image.width_px,
            image.height_px,
            "RGB" if image.channels == 3 else "grey",
            image.tensor.dtype.name,
            image.normalised,
            len(labels.names),
            labels.source,
            "logits" if classifier.scores.logits else "probabilities",
        )
        if not model.path:
            logger.info(
                "the bundled model classifies everything as one of %s; "
                "`edged models list` shows others, `edged teach LABEL --camera` teaches it more",
                ", ".join(labels.names),
            )
    more = range(count - 1)
    return [
        classifier,
        *(
            classifier.twin(runtimes.open_interpreter(runtime, path, model, threads, data))
            for _ in more
        ),
    ]


class TfliteClassifier:
    """A loaded model; `load` makes it. One thread at a time.

    ``runtime`` is title and version, ``image`` and ``scores`` are what `load` found out about input
    and output, ``found_labels`` says where ``labels`` are from. Buffers are made once: `classify`
    allocates the scores that it returns and nothing else of a picture's size.
    """

    def __init__(
        self,
        path: Path,
        interpreter: Any,
        image: ImageInput,
        scores: ScoresOutput,
        labels: Labels,
        fit: Literal["stretch", "crop"],
        *,
        runtime: str,
        threads: int,
        keeps_state: bool = False,
        layers: Sequence[Tensor] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self.name = printable(model_name(path))
        self.labels = labels.names
        self.found_labels = labels
        self.runtime = runtime
        self.threads = threads
        self.input_px = (image.height_px, image.width_px)
        self._interpreter = interpreter
        # Each gives the tensor's own memory, as a view that must be let go before the next invoke,
        # which else refuses. Made once: it takes Python as long as copying the tensor.
        self._input = interpreter.tensor(image.tensor.index)
        self._output = interpreter.tensor(scores.tensor.index)
        self.image = image
        self.scores = scores
        self._rest_first = scores.values == 1 and len(labels.names) == 2
        told = scores.features
        self._features = None if told is None else (interpreter.tensor(told.index), told)
        self._layers = [(interpreter.tensor(layer.index), layer) for layer in layers]
        outputs = interpreter.get_output_details()
        self._scales_are_finite = all(
            np.isfinite(output["quantization_parameters"]["scales"]).all() for output in outputs
        )
        # An integer is always finite, and so is what is made of it with a finite scale.
        self._floats = [
            interpreter.tensor(output["index"])
            for output in outputs
            if np.dtype(output["dtype"]).kind == "f"
        ]
        self._score_of_byte = None if scores.logits else tensors.bounded_table(scores.tensor)
        self.keeps_state = keeps_state
        self._resample = Resampler()
        self._crop = fit == "crop"
        self._clock = clock
        shape = (image.height_px, image.width_px)
        if not image.plain:
            self._rgb: Pixels = np.empty((*shape, 3), np.uint8)
            self._indices: npt.NDArray[np.intp] = np.empty((*shape, image.channels), np.intp)

    @property
    def bare(self) -> TfliteClassifier:
        """Itself: nothing was taught to it."""
        return self

    def twin(self, interpreter: Any) -> TfliteClassifier:
        """The same over another interpreter of the same model, for another thread."""
        return TfliteClassifier(
            self.path,
            interpreter,
            self.image,
            self.scores,
            self.found_labels,
            "crop" if self._crop else "stretch",
            runtime=self.runtime,
            threads=self.threads,
            keeps_state=self.keeps_state,
            layers=[layer for _, layer in self._layers],
            clock=self._clock,
        )

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures enter the model and scores leave it."""
        fit: Literal["stretch", "crop"] = "crop" if self._crop else "stretch"
        return Preprocessing.of(self.image, self.scores, fit, self.labels)

    @cached_property
    def delegated(self) -> float | None:
        """The share of operators that XNNPACK or another delegate runs, 0..1.

        None if the runtime does not tell.
        """
        return runtimes.delegated_share(self._interpreter)

    def classify(self, pixels: Pixels) -> Prediction:
        """The scores of `pixels`; stages are resize, tensor, invoke and scores.

        ModelError if the runtime fails in the middle of the model.
        """
        began_s = self._clock()
        self._resize(pixels)
        resized_s = self._clock()
        self._fill()
        filled_s = self._clock()
        self._invoke()
        invoked_s = self._clock()
        scores = self._read_scores()
        features = None if self._features is None else _read(*self._features)
        layers = {layer.index: _copy(view, layer) for view, layer in self._layers}
        stages_s = {
            "resize": resized_s - began_s,
            "tensor": filled_s - resized_s,
            "invoke": invoked_s - filled_s,
            "scores": self._clock() - invoked_s,
        }
        finite = self._scales_are_finite and all(np.isfinite(view()).all() for view in self._floats)
        return Prediction(scores, self.labels, stages_s, self.name, features, finite, layers)

    def find_out_what_scores_are(self) -> None:
        """Decide by the outputs on a few pictures where nothing else says what they are.

        Values of 0..1 that sum to 1 on each of them are probabilities, whatever operator makes
        them: logits do not. ModelError if the runtime fails in the middle of the model.
        """
        values = np.array([self._values(pixels) for pixels in trial_pictures(*self.input_px)])
        step = self.scores.tensor.scale * values.shape[1] / 2
        within = bool((values >= -TOLERANCE).all() and (values <= 1 + TOLERANCE).all())
        if within and (np.abs(values.sum(1) - 1) <= max(TOLERANCE, step)).all():
            self.scores = msgspec.structs.replace(self.scores, logits=False)
            self._score_of_byte = tensors.bounded_table(self.scores.tensor)
        elif within:
            logger.warning(
                "model %s: its outputs stay within 0..1 as probabilities do, though nothing says "
                "what they are, so logits is a guess: set model.scores",
                self.path,
            )

    def _values(self, pixels: Pixels) -> Scores:
        """The output as real numbers."""
        self._resize(pixels)
        self._fill()
        self._invoke()
        return _read(self._output, self.scores.tensor)

    def invoke(self) -> None:
        """Run the model on what its input holds: the floor that benchmarks compare with."""
        self._interpreter.invoke()

    def _invoke(self) -> None:
        if self.keeps_state:
            # Each picture is one of its own.
            self._interpreter.reset_all_variables()
        try:
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"{self.path}: {self.runtime} failed to run it ({runtimes.one_line(error)}): "
                "export it again, or try another model.runtime"
            ) from error

    def __enter__(self) -> TfliteClassifier:
        return self

    def __exit__(self, *exception: object) -> None:
        self._interpreter = self._input = self._output = None

    def _picture(self) -> npt.NDArray[Any]:
        image = self.image
        picture: npt.NDArray[Any] = self._input()
        return picture.reshape(image.height_px, image.width_px, image.channels)

    def _resize(self, pixels: Pixels) -> None:
        if self._crop:
            pixels = tensors.centre(pixels, *self.input_px)
        # Of a plain one the shape is (1, height, width, 3).
        self._resample(pixels, self._input()[0].view(np.uint8) if self.image.plain else self._rgb)

    def _fill(self) -> None:
        image = self.image
        if not image.plain:
            if image.channels == 1:
                tensors.luma(self._rgb, self._indices[..., 0])
            else:
                self._indices[...] = self._rgb[..., ::-1] if image.blue_first else self._rgb
            tensors.look_up(image.table, self._indices, self._picture())
        elif image.tensor.dtype == np.int8:
            # Turning the highest bit is the pixel minus 128, in place.
            picture = self._picture().view(np.uint8)
            np.bitwise_xor(picture, 0x80, out=picture)

    def _read_scores(self) -> Scores:
        output = self.scores
        if self._score_of_byte is not None:
            scores = look_up(self._score_of_byte, self._output())
        else:
            scores = _read(self._output, output.tensor)
            if output.logits:
                (tensors.logistic if output.values == 1 else tensors.softmax)(scores)
            tensors.bound(scores)
        if self._rest_first:
            return np.concatenate([1 - scores, scores])
        return scores


def trial_pictures(height_px: int, width_px: int) -> list[Pixels]:
    """Black, white, a ramp and noise, uint8 (height, width, 3); the same on every machine."""
    shape = (height_px, width_px, 3)
    ramp = np.linspace(0, 255, width_px).astype(np.uint8)[None, :, None]
    noise = np.random.Generator(np.random.PCG64(0)).integers(0, 256, shape, np.uint8)
    return [
        np.zeros(shape, np.uint8),
        np.full(shape, 255, np.uint8),
        np.broadcast_to(ramp, shape).copy(),
        noise,
    ]


def _read(view: Callable[[], npt.NDArray[Any]], tensor: Tensor) -> Scores:
    return tensors.dequantise(view().reshape(-1), tensor.scale, tensor.zero_point)


def _copy(view: Callable[[], npt.NDArray[Any]], tensor: Tensor) -> Layer:
    return Layer(view()[0].copy(), tensor.scale, tensor.zero_point)
