"""The control socket: how the command line asks the running daemon.

A Unix stream socket that speaks JSON lines. A client sends one request,
``{"command": NAME, "arguments": {...}}``, and gets one answer, ``{"ok": true, "data": {...}}`` or
``{"ok": false, "error": "..."}``. After the answer to ``snapshot`` follow ``jpeg_bytes`` bytes of
JPEG; after that to ``watch``, one JSON object a line for each report, until the client leaves.
"""
