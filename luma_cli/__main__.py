"""`python -m luma_cli`, and the entry point of `luma` and `kie-luma`."""

import sys


def run() -> None:
    if sys.argv[1:] in (["--version"], ["-V"]):  # answered before anything heavy is imported
        from luma_cli import __version__

        print(f"luma {__version__}")
        return
    from luma_cli.cli import main

    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
