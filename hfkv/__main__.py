"""``python -m hfkv``."""

from hfkv.cli import main

if __name__ == "__main__":
    main()
