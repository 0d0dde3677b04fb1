#!/usr/bin/python3
"""Asks a web server for more than it can answer: ``flood.py PORT PICTURE CLIENTS VIEWERS SECONDS``.

Clients send the picture to ``/model/predict`` over and over, each with a connection of its own, and
ask for metrics in between; viewers watch the live picture. Prints how often each status came, and
how many bytes of live pictures, as JSON.
"""

import http.client
import json
import sys
import threading
import time
from collections import Counter
from pathlib import Path

port, picture, clients, viewers, seconds = sys.argv[1:]
end_s = time.monotonic() + float(seconds)
lock = threading.Lock()
answers: Counter[str] = Counter()
BODY = (
    b'--b\r\nContent-Disposition: form-data; name="image"; filename="x.jpg"\r\n\r\n'
    + Path(picture).read_bytes()
    + b"\r\n--b--\r\n"
)
FORM = {"Content-Type": "multipart/form-data; boundary=b"}


def ask(number: int) -> None:
    """One client."""
    while time.monotonic() < end_s:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)
            while time.monotonic() < end_s:
                if number % 8:
                    connection.request("POST", "/model/predict", BODY, FORM)
                else:
                    connection.request("GET", "/metrics")
                answer = connection.getresponse()
                answer.read()
                count(str(answer.status))
        except (OSError, http.client.HTTPException) as error:
            count(type(error).__name__)
            time.sleep(0.1)


def watch() -> None:
    """One viewer."""
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)
    try:
        connection.request("GET", "/live/picture.mjpeg")
        answer = connection.getresponse()
        while time.monotonic() < end_s:
            count("live bytes", len(answer.read1(1 << 16)))
    except (OSError, http.client.HTTPException) as error:
        count(f"viewer: {type(error).__name__}")


def count(what: str, more: int = 1) -> None:
    """Of all threads."""
    with lock:
        answers[what] += more


threads = [threading.Thread(target=ask, args=(n,), daemon=True) for n in range(int(clients))]
threads += [threading.Thread(target=watch, daemon=True) for _ in range(int(viewers))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(max(0.0, end_s + 60 - time.monotonic()))
print(json.dumps(answers))
