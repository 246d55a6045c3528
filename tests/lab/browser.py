"""Prefect's UI in a real Chromium, as a person uses it to answer a promotion that waits."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, TimeoutError, sync_playwright  # noqa: A004 - it is what is raised

# Chromium looks for its makers' servers otherwise, and as root it has no sandbox.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    # The run's page draws its graph with WebGL, which takes a machine without a graphics card all it has.
    "--disable-3d-apis",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WAIT_MILLISECONDS = 180_000
SENDINGS = 3


@dataclass(frozen=True)
class ApprovalForm:
    """The resume form of a waiting run, opened.

    Attributes:
        page: The browser's page.
    """

    page: Page

    @property
    def text(self) -> str:
        """Everything the form shows, the plan included."""
        return self._modal.inner_text()

    @property
    def _modal(self) -> Locator:
        return self.page.locator(".p-modal")

    def _field(self, title: str) -> Locator:
        label = self.page.locator(".schema-form-property__label", has_text=title)
        return self._modal.locator(".schema-form-property").filter(has=label)

    def choose(self, title: str, value: str) -> None:
        """Choose a value from a list, which opens on the arrow key."""
        self._field(title).locator(".p-select-button__control").focus()
        self.page.keyboard.press("ArrowDown")
        self.page.locator(".p-select-option").get_by_text(value, exact=True).click()

    def write(self, title: str, value: str) -> None:
        """Write into a field."""
        self._field(title).locator("textarea, input").first.fill(value)

    def tick(self, title: str) -> None:
        """Tick a box."""
        # The box itself is hidden; what is drawn in its place lies around it.
        self._field(title).locator("input[type=checkbox]").locator("xpath=..").click()

    def submit(self) -> None:
        """Send the form until it is gone, and leave the page, which asks its server all the time.

        On SQLite Prefect's server may refuse a request that comes while it writes; the form then stays, and a person
        sends it again.
        """
        for _ in range(SENDINGS):
            self._modal.get_by_role("button", name="Submit").click()
            with suppress(TimeoutError):
                self._modal.wait_for(state="hidden", timeout=WAIT_MILLISECONDS / SENDINGS)
                break
        self._modal.wait_for(state="hidden")
        self.page.goto("about:blank")

    def answer(
        self, approver: str, decision: str, code: str, reason: str = "", ticks: tuple[str, ...] = ()
    ) -> None:
        """Fill in all fields and send them."""
        for title in ticks:
            self.tick(title)
        self.choose("Approver", approver)
        self.choose("Decision", decision)
        if reason:
            self.write("Reason", reason)
        self.write("One-time code", code)
        self.submit()


@contextmanager
def open_page() -> Iterator[Page]:
    """Start a headless Chromium and open a page in it."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        try:
            page = browser.new_page(viewport={"width": 1200, "height": 1000}, reduced_motion="reduce")
            page.set_default_timeout(WAIT_MILLISECONDS)
            yield page
        finally:
            browser.close()


def log_in(page: Page, ui_url: str, login: str) -> None:
    """Log in, as a person does once: the UI keeps it. A run's own page does not ask, so that comes after."""
    page.goto(f"{ui_url}/login")
    page.get_by_placeholder("admin:pass").fill(login)
    page.get_by_role("button", name="Login").click()
    page.wait_for_url(lambda url: not url.endswith("/login"))


def open_form(page: Page, ui_url: str, flow_run_id: str, login: str) -> ApprovalForm:
    """Log in, open a waiting run's page and its resume form.

    Args:
        page: The browser's page.
        ui_url: Where the UI is.
        flow_run_id: The run.
        login: `user:password`, which the UI asks for in one field.
    """
    log_in(page, ui_url, login)
    page.goto(f"{ui_url}/runs/flow-run/{flow_run_id}")
    page.get_by_role("button", name="Resume").first.click()
    page.locator(".p-modal .schema-form-property").first.wait_for()
    # The plan comes with a request of its own, after the fields.
    page.locator(".p-modal", has_text="approvals").first.wait_for()
    return ApprovalForm(page)
