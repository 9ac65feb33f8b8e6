"""`python -m edgefer` is the command `edgefer`."""

import sys

from edgefer.commands.console import main

sys.exit(main())
