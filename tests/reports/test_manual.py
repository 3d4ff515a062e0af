from pathlib import Path

from deskwire.reports.manual import manual

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "reports.md"


def test_the_reference_says_what_the_reports_say() -> None:
    assert PAGE.read_text() == manual(), "run: make docs"
