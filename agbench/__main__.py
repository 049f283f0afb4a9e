"""``python -m agbench`` is ``agbench``."""

from agbench.cli.main import main

if __name__ == "__main__":
    main()
