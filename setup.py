"""The optional compiled part of edged; everything else stands in pyproject.toml."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "edged.imaging._kernels",
            sources=["edged/imaging/_kernels.c"],
            extra_compile_args=["-std=gnu11", "-O3", "-g0", "-Wall", "-Wextra"],
            # Without a compiler the install goes on, and Pillow and numpy do the same work slower.
            optional=True,
        )
    ],
)
