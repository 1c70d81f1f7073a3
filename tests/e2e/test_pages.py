"""The pages of a run and of a study in a real browser: whole, silent, and alone."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from made_studies import STUDY, write_study
from script import SCRIPT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium"),
    # Playwright's own loop and pipes outlive it by a moment.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield started
        started.close()


def look(browser: object, page_file: Path) -> tuple[object, list[str], list[str]]:
    """Open a page; return it, what its console said, and what it asked for besides itself."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})  # type: ignore[attr-defined]
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_file.as_uri())
    others = [url for url in asked if url != page_file.as_uri() and not url.startswith("data:")]
    return page, said, others


def images_are_whole(page: object) -> int:
    """Count the images, each of which has been decoded and can be seen."""
    return page.evaluate(  # type: ignore[attr-defined,no-any-return]
        """async () => {
            for (const image of document.images) {
                await image.decode();
                const box = image.getBoundingClientRect();
                if (!(image.naturalWidth > 300 && box.width > 200 && box.height > 100))
                    throw new Error(image.alt + " cannot be seen");
            }
            return document.images.length;
        }"""
    )


def test_the_page_of_a_run_shows_all_figures_and_asks_for_nothing(
    browser: object, tmp_path: Path
) -> None:
    flags = ["--network.kind=ideal", "--learning.dataset=made", "--learning.rounds=2"]
    words = [sys.executable, str(SCRIPT), *flags, "--output", str(tmp_path / "run")]
    subprocess.run(words, check=True, capture_output=True, timeout=200)
    page, said, asked = look(browser, tmp_path / "run" / "report.html")
    assert (said, asked) == ([], [])
    assert images_are_whole(page) == 10
    # The slider draws what the tables say of the other round.
    devices = pd.read_parquet(tmp_path / "run" / "devices.parquet")
    for number in (1, 2):
        slider = page.locator("#round")  # type: ignore[attr-defined]
        slider.evaluate(
            "(e, i) => { e.value = i; e.dispatchEvent(new Event('input')); }", number - 1
        )
        alive = devices.loc[devices["round"] == number, "alive"]
        told = page.locator("#said").inner_text()  # type: ignore[attr-defined]
        assert told == f"{number}: {alive.sum()} of {len(alive)} devices alive"
        circles = page.locator("#playback circle").count()  # type: ignore[attr-defined]
        assert circles == len(alive)


def test_the_page_of_a_study_shows_its_figures_and_sorts_its_tables_as_numbers(
    browser: object, tmp_path: Path
) -> None:
    study = write_study(tmp_path, STUDY, **{"[0.05, 0.2]": "[0.05, 1.0, 0.2]", "count = 2": ""})
    words = [sys.executable, str(SCRIPT), "sweep", str(study), "--results", str(tmp_path)]
    subprocess.run(words, check=True, capture_output=True, timeout=300)
    page, said, asked = look(browser, study.with_suffix("") / "report.html")
    assert (said, asked) == ([], [])
    assert images_are_whole(page) >= 8
    table = page.locator("table").last  # type: ignore[attr-defined]
    heading = table.locator("th", has_text=re.compile("^learning.learning_rate$"))
    column = heading.evaluate("cell => cell.cellIndex")

    def shown() -> list[float]:
        rows = table.locator("tbody tr")
        cells = [rows.nth(i).locator("td").nth(column) for i in range(rows.count())]
        return [float(cell.inner_text()) for cell in cells]

    before = shown()
    heading.click()
    assert shown() == sorted(before)
    heading.click()
    assert shown() == sorted(before, reverse=True)
    assert sorted(set(before)) == [0.05, 0.2, 1.0]
