"""What setup.cfg can't say: packages are found, and the cards are one that lies in ``datasets/``."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["agbench", "agbench.*"]), "agbench.cards"])
