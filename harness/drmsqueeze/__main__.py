# SPDX-License-Identifier: MIT
import sys

from drmsqueeze.cli import main

if __name__ == "__main__":  # a process of a campaign imports this
    sys.exit(main())
