"""The part of the build that pyproject.toml cannot say: a package with the library inside is for one
platform, and one without is for all."""

import pathlib

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel

HERE = pathlib.Path(__file__).resolve().parent
CARRIES_LIBRARY = any((HERE / "src" / "codegeex").glob("libcodegeex.so*"))


class Package(Distribution):
    """Goes where compiled packages go if it carries a library."""

    def has_ext_modules(self) -> bool:
        return CARRIES_LIBRARY


class Wheel(bdist_wheel):
    """No tag of a Python version: what is compiled does not use Python."""

    def get_tag(self) -> tuple[str, str, str]:
        _, _, platform = super().get_tag()
        return "py3", "none", platform if CARRIES_LIBRARY else "any"


setup(distclass=Package, cmdclass={"bdist_wheel": Wheel})
