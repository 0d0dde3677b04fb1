"""The installed runtimes, how one opens a model, and the share of its delegates.

LiteRT, tflite-runtime and TensorFlow share one Python interface, so all that differs is where it
is imported from.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from edged import install
from edged.config.schema import ModelConfig
from edged.errors import ModelError
from edged.inference import chatter
from edged.inference.modelfile import content

MESSAGE_MAX = 160
"""The length to which a runtime's message is cut."""


class Runtime(NamedTuple):
    """An installed runtime: ``title`` for people, and the module that holds its interpreter."""

    title: str
    module: Any


class _Kind(NamedTuple):
    package: str
    interpreter: str
    title: str
    requirement: str


_KINDS = {
    "litert": _Kind("ai_edge_litert", "ai_edge_litert.interpreter", "litert", "ai-edge-litert"),
    "tflite": _Kind(
        "tflite_runtime",
        "tflite_runtime.interpreter",
        "tflite-runtime",
        "tflite-runtime==2.14.0 'numpy<2' (Python < 3.12)",
    ),
    "tensorflow": _Kind(
        "tensorflow",
        "tensorflow.lite.python.interpreter",
        "tensorflow",
        "tensorflow",
    ),
}
"""By the name in ``model.runtime``, in the order that "auto" tries them."""


def choose(name: str) -> Runtime:
    """The runtime that ``model.runtime`` names, or the first one installed for "auto".

    ModelError, with what to install, if it is absent or cannot be imported.
    """
    if name != "auto":
        return _imported(name)
    for candidate, kind in _KINDS.items():
        if importlib.util.find_spec(kind.package) is not None:
            return _imported(candidate)
    options = " or ".join(install.command(kind.requirement) for kind in _KINDS.values())
    raise ModelError(f"model.runtime: none is installed: {options}")


def _imported(name: str) -> Runtime:
    kind = _KINDS[name]
    if importlib.util.find_spec(kind.package) is None:
        raise ModelError(
            f"model.runtime {name} is not installed: {install.command(kind.requirement)}"
        )
    # TensorFlow reads it at import: nothing below a warning.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    # For developers: that TensorFlow's interpreter will move elsewhere.
    warnings.filterwarnings("ignore", message=r"\s*Warning: tf\.lite\.Interpreter")
    try:
        package = importlib.import_module(kind.package)
        module = importlib.import_module(kind.interpreter)
    except (ImportError, AttributeError) as error:
        raise ModelError(
            f"model.runtime {name} cannot be imported ({one_line(error)}): "
            f"repair it ({install.command(kind.requirement)}) or choose another"
        ) from error
    return Runtime(f"{kind.title} {getattr(package, '__version__', '')}".strip(), module)


def default_threads() -> int:
    """Threads for this board: one core is left for camera, network and system; at most three.

    MobileNet's layers are too small to feed more than about four cores, and a thread that waits for
    a core delays all others at the end of each layer. So 1 on one or two cores and 3 on four
    (Raspberry Pi 3 to 5, Zero 2 W, Jetson Nano) and more. Cores are physical ones that the process
    may use: two threads on one core gain nothing.
    """
    allowed = os.sched_getaffinity(0)
    cores = set()
    for cpu in allowed:
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            cores.add(siblings.read_text())
        except OSError:
            cores.add(str(cpu))
    return min(max(len(cores) - 1, 1), 3)


def open_interpreter(
    runtime: Runtime, path: Path, model: ModelConfig, threads: int, data: bytes | None = None
) -> Any:
    """An interpreter with its tensors allocated; ModelError if the runtime refuses the model.

    `data`, if given, replaces the file's content.
    """
    delegates = [_delegate(runtime, model)] if model.delegate else []
    resolvers = runtime.module.OpResolverType
    try:
        with chatter.dropped():
            interpreter = runtime.module.Interpreter(
                model_content=content(path) if data is None else data,
                num_threads=threads,
                experimental_delegates=delegates,
                experimental_op_resolver_type=(
                    resolvers.AUTO if model.xnnpack else resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES
                ),
            )
            interpreter.allocate_tensors()
    # A tensor's name that is not UTF-8 also raises ValueError.
    except (RuntimeError, ValueError) as error:
        raise _refused(path, runtime, one_line(error)) from error
    return interpreter


def _refused(path: Path, runtime: Runtime, reason: str) -> ModelError:
    if found := re.search(r"unresolved custom op: ([^\s.]+)", reason, re.IGNORECASE):
        operator = found[1]
        if operator == "edgetpu-custom-op":
            advice = 'it is compiled for the Edge TPU: set model.delegate = "libedgetpu.so.1"'
        else:
            advice = "export it with standard operators, or set a model.delegate that has this one"
        return ModelError(f"{path}: {runtime.title} has no operator {operator}: {advice}")
    advice = "copy or export it again, or try another model.runtime"
    if "xnnpack" in reason.lower():
        advice = "set model.xnnpack = false, or export it again"
    return ModelError(f"{path}: {runtime.title} cannot run it ({reason}): {advice}")


def _delegate(runtime: Runtime, model: ModelConfig) -> Any:
    import ctypes

    def unusable(reason: str) -> ModelError:
        return ModelError(
            f"model.delegate {model.delegate} cannot be used ({reason}): "
            "correct the path, install its library or connect its device"
        )

    try:
        # Tried here first: the runtime's own wrapper prints a traceback when this fails.
        library = ctypes.PyDLL(model.delegate)
        for symbol in ("tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate"):
            getattr(library, symbol)
    except OSError as error:
        raise unusable(one_line(error)) from error
    except AttributeError as error:
        raise unusable("it is not a TFLite delegate") from error
    try:
        return runtime.module.load_delegate(model.delegate, model.delegate_options)
    except (RuntimeError, ValueError) as error:
        raise unusable(one_line(error)) from error


def delegated_share(interpreter: Any) -> float | None:
    """The share of the model's operators that delegates run (XNNPACK or another), 0..1.

    None if the runtime does not report it. A runtime keeps the operators that a delegate took in
    its list and adds one node per part taken, with its input and output tensors; the operators
    between those were delegated.
    """
    try:
        nodes = interpreter._get_ops_details()
    except AttributeError:
        return None
    operators = [node for node in nodes if node["op_name"] != "DELEGATE"]
    producers = {
        int(tensor): number for number, node in enumerate(operators) for tensor in node["outputs"]
    }
    taken: set[int] = set()
    for part in nodes:
        if part["op_name"] != "DELEGATE":
            continue
        entering = {int(tensor) for tensor in part["inputs"]}
        waiting = [int(tensor) for tensor in part["outputs"]]
        while waiting:
            number = producers.get(waiting.pop())
            if number is not None and number not in taken:
                taken.add(number)
                inputs = (int(tensor) for tensor in operators[number]["inputs"])
                waiting += [tensor for tensor in inputs if tensor not in entering]
    return len(taken) / len(operators) if operators else 0.0


def one_line(error: BaseException) -> str:
    """The message of a library's error, short, printable and on one line.

    TFLite joins the messages of all its layers. The failed operator and the first message suffice.
    """
    words = "".join(filter(str.isprintable, " ".join(str(error).split())))
    if failed := re.search(_FAILED_NODE, words):
        cause = re.sub(_SOURCE_PLACE, "", words[: failed.start()]).strip(" .")
        what = f"operator {failed['number']}, {failed['name']}"
        words = f"{what}: {cause}" if cause else f"{what}, failed to {failed['step']}"
    if len(words) > MESSAGE_MAX:
        words = f"{words[: MESSAGE_MAX - 3]}..."
    return words or type(error).__name__


_FAILED_NODE = r"Node number (?P<number>\d+) \((?P<name>[^)]+)\) failed to (?P<step>prepare|invoke)"
_SOURCE_PLACE = r"\S+\.(?:cc|h):\d+:?\s*"
