"""A camera in a process of its own: driver, network and decoders reach neither pins nor broker.

`child`, `server` and `reach` run there, and must stay small: no msgspec. `process`, `source` and
`pictures` run in the daemon, and trust nothing that comes from there. A process opens its camera
once: after an error it ends, and the daemon starts another. The two speak JSON arrays, one message
a packet, over a socket pair for events:

- to the camera's process: first an object, the order, with the ends of two more connections; then
  ``["open", least_px]``. An end of file asks it to close the camera and end.
- to the daemon: ``["ready", kind, landlock, seccomp]``, ``["opened", name]``, ``["frame", number,
  captured_s, live, exposure_s, doubt]``, ``["due", due_s]``, ``["missing", why]``,
  ``["failed", why]``, ``["ended", why]``, ``["log", level, text]``.

Pictures are asked for one by one, over one connection for those that the model needs and one for
whole ones, and come through memory that the daemon makes, of a size that nobody can change:

- to the camera's process: ``["decode", request, number, least_px, slot]``; ``["next", request,
  after, least_px, slot]``, for the first capture after that number, as soon as it comes, so that
  who waits for a frame is not waited for; ``["room", request, slot, bytes]`` with the memory;
  ``["free", number]``.
- to the daemon: ``["picture", request, number, height_px, width_px]``, ``["needs", request,
  number, bytes]``, ``["damaged", request, number, why]``, ``["gone", request, number]``.

Times are those of ``time.monotonic()``, which all processes share.
"""

ONCE = -1
"""The slot of memory that is used for one picture only."""

PICTURE_MESSAGE_BYTES = 1 << 12
