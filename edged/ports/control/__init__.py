"""The control socket: how the command line asks the running daemon.

A Unix stream socket that speaks JSON lines. A client sends one request, one of `edged.commands`
as over MQTT (``{"command": "pause", "id": 7}``), and gets one ``reply`` message. After that to
``snapshot`` follow ``jpeg_bytes`` bytes of JPEG. A client may also ask to follow,
``{"command": "watch"}``: after the reply come the messages that MQTT has too, one JSON object a
line, until the client leaves.
"""
