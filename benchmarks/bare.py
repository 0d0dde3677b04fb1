"""The floor: a bare script around the invoke. Needs no edged, so any environment can run it.

Arguments: module, model, threads, xnnpack (1 or 0), runs and, for litert-compiled, the file of
XNNPACK's weight cache. Prints one JSON object, then waits for its standard input to end, so that
its memory can be looked at.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

began_s = time.perf_counter()
import numpy as np  # noqa: E402

MODULES = {
    "litert": "ai_edge_litert.interpreter",
    "litert-compiled": "ai_edge_litert.compiled_model",
    "tflite-runtime": "tflite_runtime.interpreter",
    "tensorflow": "tensorflow.lite.python.interpreter",
}


def interpreted(module: Any, model: str, threads: int, xnnpack: bool) -> Callable[[], None]:
    """What writes the input, invokes and reads the output, by the interface that all have."""
    options: dict[str, Any] = {"model_path": model, "num_threads": threads}
    if not xnnpack:
        options["experimental_op_resolver_type"] = (
            module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        )
    interpreter = module.Interpreter(**options)
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]
    made = interpreter.get_output_details()[0]["index"]
    pixels = np.zeros(given["shape"], given["dtype"])

    def run() -> None:
        interpreter.set_tensor(given["index"], pixels)
        interpreter.invoke()
        interpreter.get_tensor(made)

    return run


def compiled(module: Any, model: str, threads: int, weight_cache: str) -> Callable[[], None]:
    """The same by LiteRT's newer interface."""
    cpu = module.CpuOptions(num_threads=threads, xnnpack_weight_cache_path=weight_cache)
    accelerator = module.HardwareAccelerator.CPU
    options = module.Options(hardware_accelerators=accelerator, cpu_options=cpu)
    network = module.CompiledModel.from_file(model, options=options)
    signature = next(iter(network.get_signature_list()))
    (given,) = network.get_input_tensor_details(signature).values()
    made = next(iter(network.get_output_tensor_details(signature).values()))
    inputs, outputs = network.create_input_buffers(0), network.create_output_buffers(0)
    pixels = np.zeros(given["shape"], given["dtype"])
    count, kind = int(np.prod(made["shape"])), np.dtype(made["dtype"])

    def run() -> None:
        inputs[0].write(pixels)
        network.run_by_index(0, inputs, outputs)
        outputs[0].read(count, kind)

    return run


def main(
    name: str, model: str, threads: str, xnnpack: str, runs: str, weight_cache: str = ""
) -> None:
    module = __import__(MODULES[name], fromlist=["Interpreter"])
    imported_s = time.perf_counter()
    if name == "litert-compiled":
        run = compiled(module, model, int(threads), weight_cache)
    else:
        run = interpreted(module, model, int(threads), xnnpack == "1")
    loaded_s = time.perf_counter()
    durations_s = []
    for _ in range(int(runs)):
        start_s = time.perf_counter()
        run()
        durations_s.append(time.perf_counter() - start_s)
    print(
        json.dumps(
            {
                "import_s": imported_s - began_s,
                "load_s": loaded_s - imported_s,
                "durations_s": durations_s,
            }
        ),
        flush=True,
    )
    sys.stdin.read()


main(*sys.argv[1:])
