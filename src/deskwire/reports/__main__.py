"""Print the reference of the reports."""

import sys

from deskwire.reports.manual import manual

sys.stdout.write(manual())
