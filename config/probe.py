"""`python -m config.probe URL`: exit code 0 when it answers 200. For containers' health checks."""

import sys
import urllib.error
import urllib.request


def main() -> None:
    try:
        with urllib.request.urlopen(sys.argv[1], timeout=4) as answer:  # noqa: S310 - an operator's
            sys.exit(0 if answer.status == 200 else f"{answer.status}")
    except (OSError, urllib.error.URLError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
