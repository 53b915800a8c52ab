# SPDX-License-Identifier: MIT
import sys

from drmsqueeze.cli import main

sys.exit(main())
