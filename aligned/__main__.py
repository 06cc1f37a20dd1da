"""``python -m aligned``: the command line, where the script ``aligned`` is not on the path."""

from aligned.cli import main

if __name__ == "__main__":
    main()
