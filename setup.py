"""The parts that pyproject.toml cannot say: the optional compiled kernels, the model inside."""

from setuptools import Extension, find_packages, setup

setup(
    # The model and its card lie in models/ of the checkout; installed, they are a package of data.
    packages=[*find_packages(include=["edged", "edged.*"]), "edged.bundled"],
    package_dir={"edged.bundled": "models"},
    package_data={
        "edged": [
            "py.typed",
            "messages/schemas/*.json",
            "evaluation/*.jinja",
            "web/static/*",
            "web/templates/*",
        ],
        "edged.bundled": ["*.tflite", "*.md", "*.txt", "*.toml", "pins.json", "known/*.known"],
    },
    include_package_data=False,
    ext_modules=[
        Extension(
            "edged.imaging._kernels",
            sources=[
                "edged/imaging/_axis.c",
                "edged/imaging/_channels.c",
                "edged/imaging/_kernels.c",
                "edged/imaging/_plan.c",
                "edged/imaging/_resample.c",
                "edged/imaging/_resample_avx2.c",
                "edged/imaging/_resample_neon.c",
            ],
            depends=["edged/imaging/_kernels.h", "edged/imaging/_resample.h"],
            extra_compile_args=[
                *("-std=gnu11", "-O3", "-fno-math-errno", "-g0", "-Wall", "-Wextra"),
                # The weights of a filter are the same on each processor.
                "-ffp-contract=off",
            ],
            # Without a compiler the install goes on, and Pillow and numpy do the same work slower.
            optional=True,
        ),
    ],
)
