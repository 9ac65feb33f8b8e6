"""`python -m edgefer` is the command `edgefer`."""

import sys

from edgefer.cli import main

sys.exit(main())
