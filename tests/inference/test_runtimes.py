"""Which runtime runs a model, on how many threads, and what a delegate took of it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edged.config.schema import ModelConfig
from edged.errors import ModelError
from edged.inference import runtimes
from tests.inference import builder


def opened(path: Path, **options: Any) -> Any:
    model = ModelConfig(path=str(path), **options)
    return runtimes.open_interpreter(runtimes.choose("auto"), path, model, 1)


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(ModelError) as raised:
        opened(path, **options)
    message = str(raised.value)
    assert "\n" not in message
    return message


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pretend that only these packages are installed."""

    def pretend(*packages: str) -> None:
        found = importlib.util.find_spec

        def find(name: str) -> Any:
            return found("json") if name in packages else None

        monkeypatch.setattr(importlib.util, "find_spec", find)

    return pretend


def test_the_first_installed_runtime_is_taken_and_tells_its_version() -> None:
    title, _, version = runtimes.choose("auto").title.rpartition(" ")
    assert title in ("litert", "tflite-runtime", "tensorflow")
    assert version[0].isdigit()


@pytest.mark.parametrize(
    ("name", "install"),
    [
        ("litert", "pip install ai-edge-litert"),
        ("tflite", "-m pip install tflite-runtime==2.14.0"),
        ("tensorflow", "-m pip install tensorflow"),
    ],
)
def test_a_runtime_that_is_not_installed_names_what_to_install(
    only: Any, name: str, install: str
) -> None:
    only()
    for wanted in (name, "auto"):
        with pytest.raises(ModelError) as raised:
            runtimes.choose(wanted)
        assert install in str(raised.value)


def test_a_runtime_that_cannot_be_imported_says_why(
    only: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    only("tflite_runtime")
    package = tmp_path / "tflite_runtime"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "interpreter.py").write_text("raise ImportError('numpy 2\\nis too new')")
    monkeypatch.syspath_prepend(tmp_path)
    for module in ("tflite_runtime", "tflite_runtime.interpreter"):
        # Set first, so that what the test imports under this name is gone after it.
        monkeypatch.setitem(sys.modules, module, sys)
        del sys.modules[module]
    with pytest.raises(ModelError, match=r"numpy 2 is too new.*pip install"):
        runtimes.choose("auto")


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (3, 2), (4, 3), (8, 3)])
def test_one_core_is_left_for_the_rest(
    monkeypatch: pytest.MonkeyPatch, cores: int, threads: int
) -> None:
    # Numbers that no machine has, so that each counts as a core of its own.
    allowed = set(range(90_000, 90_000 + cores))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: allowed)
    assert runtimes.default_threads() == threads


def test_without_xnnpack_nothing_is_delegated(tmp_path: Path) -> None:
    path = builder.colours(tmp_path / "model.tflite")
    assert runtimes.delegated_share(opened(path, xnnpack=False)) == 0.0


def test_xnnpack_takes_most_of_a_mobilenet_and_the_share_is_told(shared_data: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="other runtimes may come without XNNPACK")
    path = shared_data / "models" / "mobilenet_v1_0.25_128_quant.tflite"
    assert 0.9 <= (runtimes.delegated_share(opened(path)) or 0.0) <= 1.0
    # Half of this one is an LSTM and its conversions, which stay with the runtime itself.
    path = shared_data / "models" / "keras_lstm_mnist_ptq.tflite"
    assert 0.1 <= (runtimes.delegated_share(opened(path)) or 0.0) <= 0.9


class Nodes:
    """An interpreter that has only a list of nodes: name, inputs, outputs."""

    def __init__(self, *nodes: tuple[str, list[int], list[int]]) -> None:
        self._nodes = nodes

    def _get_ops_details(self) -> list[dict[str, Any]]:
        return [{"op_name": n, "inputs": i, "outputs": o} for n, i, o in self._nodes]


def test_what_lies_between_a_delegates_inputs_and_outputs_is_what_it_took() -> None:
    chain = [("CONV_2D", [0], [1]), ("ADD", [1, 0], [2]), ("MEAN", [2], [3]), ("CONV_2D", [3], [4])]
    share = runtimes.delegated_share
    assert share(Nodes(*chain)) == 0.0
    assert share(Nodes(*chain, ("DELEGATE", [0], [4]))) == 1.0
    assert share(Nodes(*chain, ("DELEGATE", [0], [2]))) == 0.5
    assert share(Nodes(*chain, ("DELEGATE", [0], [2]), ("DELEGATE", [3], [4]))) == 0.75


def test_a_runtime_that_lists_no_nodes_leaves_the_share_unknown() -> None:
    assert runtimes.delegated_share(object()) is None


def test_a_missing_operator_is_named(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "models" / "model_invoking_error.tflite"
    assert "has no operator fake-op-double: export it" in refusal(path)
    model = builder.Model()
    image, scores = model.tensor([1, 2, 2, 3]), model.tensor([1, 3])
    model.operator("edgetpu-custom-op", [image], [scores])
    path = tmp_path / "model.tflite"
    path.write_bytes(model.content([image], [scores]))
    assert 'set model.delegate = "libedgetpu.so.1"' in refusal(path)


def test_a_graph_that_the_runtime_cannot_prepare_is_refused(tmp_path: Path) -> None:
    model = builder.Model()
    image, scores = model.tensor([1, 2, 2, 3]), model.tensor([1, 7])
    model.reshape(image, scores)
    path = tmp_path / "model.tflite"
    path.write_bytes(model.content([image], [scores]))
    message = refusal(path)
    assert str(path) in message
    assert "cannot run it" in message


def test_a_delegate_that_is_absent_or_none_is_refused(tmp_path: Path) -> None:
    path = builder.colours(tmp_path / "model.tflite")
    message = refusal(path, delegate="/nowhere/libedgetpu.so.1")
    assert "model.delegate /nowhere/libedgetpu.so.1 cannot be used" in message
    assert "not a TFLite delegate" in refusal(path, delegate="libc.so.6")


@pytest.fixture(scope="module")
def delegate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to build a delegate with")
    library = tmp_path_factory.mktemp("delegate") / "libdelegate.so"
    source = Path(__file__).parent / "delegate.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    return library


def test_a_delegate_is_loaded_with_its_options_and_asked(delegate: Path, tmp_path: Path) -> None:
    path = builder.colours(tmp_path / "model.tflite")
    log = tmp_path / "log"
    interpreter = opened(path, delegate=str(delegate), delegate_options={"log": str(log)})
    assert log.read_text().split() == ["created", "prepared"]
    del interpreter
    assert log.read_text().split() == ["created", "prepared", "destroyed"]


def test_a_delegate_without_its_device_says_so_on_one_line(delegate: Path, tmp_path: Path) -> None:
    path = builder.colours(tmp_path / "model.tflite")
    assert "no device is connected" in refusal(path, delegate=str(delegate))


def mismatched(path: Path) -> Path:
    """A convolution whose weights have another number of channels than its picture."""
    model = builder.Model()
    image, scores = model.tensor([1, 4, 4, 3]), model.tensor([1, 4, 4, 5])
    weights = model.tensor([5, 1, 1, 2], data=np.zeros((5, 1, 1, 2), np.float32).tobytes())
    bias = model.tensor([5], data=np.zeros(5, np.float32).tobytes())
    options = {"padding": 0, "strideW": 1, "strideH": 1}
    options |= {"dilationWFactor": 1, "dilationHFactor": 1}
    model.operator("CONV_2D", [image, weights, bias], [scores], kind="Conv2DOptions", **options)
    path.write_bytes(model.content([image], [scores]))
    return path


def test_a_refusal_names_the_operator_and_the_first_complaint(tmp_path: Path) -> None:
    path = mismatched(tmp_path / "model.tflite")
    message = refusal(path)
    assert message.endswith(
        "(operator 1, TfLiteXNNPackDelegate: XNNPack delegate failed to reshape runtime): "
        "set model.xnnpack = false, or export it again"
    )
    message = refusal(path, xnnpack=False)
    assert "(operator 0, CONV_2D: input_channel % filter_input_channel != 0 (1 != 0))" in message


def test_a_long_complaint_is_cut() -> None:
    many = "Restored original execution plan after delegate application failure." * 9
    assert len(runtimes.one_line(RuntimeError(many))) == runtimes.MESSAGE_MAX


def test_a_crash_while_a_model_loads_leaves_its_stack_on_standard_error() -> None:
    program = (
        "import os; from pathlib import Path; from types import SimpleNamespace\n"
        "from edged.config.schema import ModelConfig\n"
        "from edged.inference import runtimes\n"
        "def crash(**options): os.abort()\n"
        "module = SimpleNamespace(OpResolverType=SimpleNamespace(AUTO=0), Interpreter=crash)\n"
        "runtime, path = runtimes.Runtime('', module), Path('/proc/self/exe')\n"
        "runtimes.open_interpreter(runtime, path, ModelConfig(), 1)\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in done.stderr
    assert "in open_interpreter" in done.stderr


def test_importing_opening_and_running_a_model_say_nothing(tmp_path: Path) -> None:
    path = builder.colours(tmp_path / "model.tflite")
    program = (
        "import sys; from pathlib import Path\n"
        "from edged.config.schema import ModelConfig\n"
        "from edged.inference import runtimes\n"
        "runtime = runtimes.choose('auto')\n"
        "runtimes.open_interpreter(runtime, Path(sys.argv[1]), ModelConfig(), 1).invoke()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, path],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stderr == ""
