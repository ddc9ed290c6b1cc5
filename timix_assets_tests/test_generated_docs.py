"""Documents that repeat declarations are up to date."""

from timix_assets_tests.generated_docs import documents


def test_generated_documents_are_up_to_date() -> None:
    stale = [path.name for path, content in documents().items() if path.read_text(encoding="utf-8") != content]
    assert stale == [], "run `make docs`"
