"""What axe-core finds on a page."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page


def check(page: Page, state: str, *, reads_styles: bool = True) -> None:
    """Nothing serious or critical is found; contrast counts as serious.

    Where it reads styles of another origin, it puts them into the page, which a strict page does not allow.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    found: Any = page.evaluate(
        "preload => axe.run({resultTypes: ['violations'], preload}).then((results) => results.violations)", reads_styles
    )
    told = [
        f"{state}: {one['id']} ({one['impact']}) {node['target']} {node['failureSummary']}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
    assert told == [], "\n".join(told)
