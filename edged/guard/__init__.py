"""The process that owns the pins, and sets the safe levels when the daemon ends or stalls.

Imported in that process it must stay small: no numpy, no msgspec. `pins` and `guard` run there,
`process` in the daemon. They exchange JSON arrays over a socket pair, one message per packet:

- to the guard: first an object, the configuration; then ``["set", question, output, value]``,
  ``["levels", [[output, value, due_s]...]]``, ``["beat"]``. An end of file asks for the safe levels
  and is the end.
- to the daemon: ``["ready"]`` or ``["wrong", why]``; ``["output", output, value, at_s, error]``,
  ``["input", input, active, edge]``, ``["errors", [why...]]``, ``["answer", question, error]``
  to a set, ``["beat"]`` to a beat, ``["log", level, text]``.

Outputs and inputs go by their place in the configuration; times are those of ``time.monotonic()``,
which all processes share.
"""
