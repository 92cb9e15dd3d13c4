"""Reports on runs, to look at: one HTML page, or Markdown for a repository."""

from tutelage.results.report.write import write_report

__all__ = ["write_report"]
