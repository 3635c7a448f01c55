"""`python -m luma_cli`, and the entry point of `luma` and `kie-luma`.

What must be quick is answered before anything heavy is imported: the version, and what a Tab offers.
"""

import gc
import os
import signal
import sys


def run() -> None:
    words = sys.argv[1:]
    if words in (["--version"], ["-V"]) and _print_version():
        pass
    elif words == ["__task_ids"]:
        from luma_cli.config import folders
        from luma_cli.journal.recent_ids import recent_ids

        print("\n".join(recent_ids(folders.state_folder())))
    elif words[:1] in (["__tasks"], ["__prompts"]):
        _print_offers(*words)
    else:
        # Nothing of what start-up makes is garbage: to look for some costs 4 % of it (measured).
        gc.set_threshold(100_000, 10, 10)
        # Until `main` has a better answer, Ctrl-C ends us without a traceback, as it ends any program.
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        from luma_cli.cli import main

        main.leave(main.main(words))


def _print_offers(kind: str, prefix: str = "") -> None:
    """What a Tab offers, a line each: the word, a tab, and what a shell may show beside it."""
    from luma_cli.config import folders

    if kind == "__tasks":
        from luma_cli.journal.recent_ids import recent_tasks

        tasks = [(task_id, f"{clip}: {prompt}") for task_id, clip, prompt in recent_tasks(folders.state_folder())]
        offers = [("@last", f"the newest, {tasks[0][1]}"), *tasks] if tasks else []
    else:
        from luma_cli.config.prompt_names import prompt_names

        offers = prompt_names(folders.config_folder())
    for word, beside in offers:
        print(f"{prefix}{word}\t{beside}")


def _print_version() -> bool:
    """False where stdout takes nothing: that is reported by those who know how."""
    from luma_cli import __version__

    try:
        # Past Python's buffer, which would fail again at the end.
        os.write(sys.stdout.fileno(), f"luma {__version__}\n".encode())
    except (OSError, AttributeError):  # the latter: there is no stdout
        return False
    return True


if __name__ == "__main__":
    run()
