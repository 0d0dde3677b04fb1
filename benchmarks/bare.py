"""The floor: a bare script around the invoke. Needs no edged, so any environment can run it.

Arguments: module, model, threads, xnnpack (1 or 0), runs. Prints one JSON object, then waits for
its standard input to end, so that its memory can be looked at.
"""

import json
import sys
import time

began_s = time.perf_counter()
import numpy as np  # noqa: E402

MODULES = {
    "litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
    "tensorflow": "tensorflow.lite.python.interpreter",
}


def main(name: str, model: str, threads: int, xnnpack: bool, runs: int) -> None:
    module = __import__(MODULES[name], fromlist=["Interpreter"])
    imported_s = time.perf_counter()
    options: dict[str, object] = {"model_path": model, "num_threads": threads}
    if not xnnpack:
        options["experimental_op_resolver_type"] = (
            module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        )
    interpreter = module.Interpreter(**options)
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]
    made = interpreter.get_output_details()[0]["index"]
    pixels = np.zeros(given["shape"], given["dtype"])
    loaded_s = time.perf_counter()
    durations_s = []
    for _ in range(runs):
        start_s = time.perf_counter()
        interpreter.set_tensor(given["index"], pixels)
        interpreter.invoke()
        interpreter.get_tensor(made)
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


main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "1", int(sys.argv[5]))
