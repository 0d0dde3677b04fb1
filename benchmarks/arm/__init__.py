"""Instructions on the boards' own cores, counted in an emulated computer.

``qemu-system-aarch64 -icount shift=0`` lets the guest's clock count instructions, one nanosecond
each, so what is a millisecond there is a million instructions: free of noise, and with the vector
instructions that the core has. It says nothing of caches and memory.

`guest` measures inside; ``python -m benchmarks.arm`` starts the computers and writes the report.
"""

MARK = "edged-bench-arm "
"""Before the JSON on the line that the guest's program prints."""
