"""``python -m amdiff``."""

from amdiff.cli import main

main()
