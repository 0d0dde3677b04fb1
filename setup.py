"""The optional compiled part of edged; everything else stands in pyproject.toml."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "edged.imaging._kernels",
            sources=[
                "edged/imaging/_kernels.c",
                "edged/imaging/_resample.c",
                "edged/imaging/_yuv.c",
            ],
            depends=["edged/imaging/_kernels.h"],
            extra_compile_args=["-std=gnu11", "-O3", "-g0", "-Wall", "-Wextra"],
            # Without a compiler the install goes on, and Pillow and numpy do the same work slower.
            optional=True,
        )
    ],
)
