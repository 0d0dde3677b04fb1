"""What people write first: Flask around an interpreter. Needs no edged.

Arguments: model, port. It takes the form that edged takes, at the same address.
"""

import io
import sys
import threading

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from flask import Flask, jsonify, request
from PIL import Image

app = Flask(__name__)
interpreter = Interpreter(model_path=sys.argv[1])
interpreter.allocate_tensors()
given = interpreter.get_input_details()[0]
made = interpreter.get_output_details()[0]
one_at_a_time = threading.Lock()


@app.post("/model/predict")
def predict():  # type: ignore[no-untyped-def]
    """The five best classes of a picture."""
    _, height, width, _ = given["shape"]
    picture = Image.open(io.BytesIO(request.files["image"].read())).convert("RGB")
    pixels = np.asarray(picture.resize((width, height)))[None].astype(given["dtype"])
    with one_at_a_time:
        interpreter.set_tensor(given["index"], pixels)
        interpreter.invoke()
        values = interpreter.get_tensor(made["index"])[0]
    scale, zero_point = made["quantization"]
    scores = (values.astype(np.float32) - zero_point) * (scale or 1.0)
    best = np.argsort(-scores)[:5]
    return jsonify([{"label_id": int(i), "probability": float(scores[i])} for i in best])


app.run(port=int(sys.argv[2]))
