"""``python -m xpci_utils.run NOTEBOOK -f PARAMS``: the same as ``xpci run``, for an environment without the command."""

import sys

from xpci_utils.running.notebook import main

if __name__ == "__main__":
    sys.exit(main())
