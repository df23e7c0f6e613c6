"""The part of the build that pyproject.toml cannot say: a package with the library inside is for one
platform, and one without is for all."""

import pathlib

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel

HERE = pathlib.Path(__file__).resolve().parent
CARRIES_LIBRARY = any((HERE / "src" / "codegeex").glob("libcodegeex.so*"))


class Wheel(bdist_wheel):
    """No tag of a Python version: what is compiled does not use Python."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.root_is_pure = not CARRIES_LIBRARY

    def get_tag(self) -> tuple[str, str, str]:
        _, _, platform = super().get_tag()
        return "py3", "none", platform if CARRIES_LIBRARY else "any"


setup(cmdclass={"bdist_wheel": Wheel})
