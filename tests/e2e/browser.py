"""A headless Chromium, driven over WebDriver's plain HTTP: nothing but Python's own library."""
import base64
import contextlib
import http.client
import json
import re
import shutil
import subprocess
import tempfile
import unittest

ANSWER_S = 60
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the name that the standard gives element ids
KEYS = {"enter": "\ue007", "escape": "\ue00c", "tab": "\ue004", "left": "\ue012", "right": "\ue014",
        "shift": "\ue008"}
# Looks again with every frame: nothing is slept away. The condition's value comes back.
WAIT = """
const [source, limit, done] = [arguments[0], arguments[1], arguments[arguments.length - 1]];
const holds = new Function("return (" + source + ")");
const began = performance.now();
(function look() {
  let value = null;
  try { value = holds(); } catch (error) { value = null; }
  if (value) done(value);
  else if (performance.now() - began > limit) done(null);
  else setTimeout(look, 15);
})();
"""


def programs():
    """(chromium, chromedriver), or a skipped test where they are absent."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if not browser or not driver:
        raise unittest.SkipTest("Chromium is absent: apt install chromium chromium-driver")
    return browser, driver


class Browser:
    def __init__(self, width=1280, height=800):
        browser, driver = programs()
        self.profile = tempfile.TemporaryDirectory(prefix="baton-e2e-", ignore_cleanup_errors=True)
        self.process = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        for line in self.process.stdout:
            if match := re.search(r"successfully on port (\d+)", line):
                self.port = int(match[1])
                break
        else:
            raise AssertionError("chromedriver said no port")
        arguments = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                     "--no-proxy-server", "--hide-scrollbars", "--disable-extensions",
                     f"--window-size={width},{height}", f"--user-data-dir={self.profile.name}"]
        made = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"binary": browser, "args": arguments}}}})
        self.session = f"/session/{made['sessionId']}"
        self._ask("POST", f"{self.session}/timeouts", {"script": ANSWER_S * 1000})

    def close(self):
        with contextlib.suppress(OSError, AssertionError):
            self._ask("DELETE", self.session)
        self.process.terminate()
        self.process.wait(ANSWER_S)
        self.process.stdout.close()
        self.profile.cleanup()

    def _ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S * 2)
        connection.request(method, path, None if body is None else json.dumps(body),
                           {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())["value"]
        connection.close()
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer

    def go(self, url):
        self._ask("POST", f"{self.session}/url", {"url": url})

    def run(self, script, *arguments):
        """What the script returns."""
        return self._ask("POST", f"{self.session}/execute/sync",
                         {"script": script, "args": list(arguments)})

    def wait(self, condition, seconds=ANSWER_S):
        """The condition's value, once it holds; None if it never does."""
        return self._ask("POST", f"{self.session}/execute/async",
                         {"script": WAIT, "args": [condition, seconds * 1000]})

    def find(self, selector):
        return self._ask("POST", f"{self.session}/element",
                         {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self._ask("POST", f"{self.session}/element/{self.find(selector)}/click", {})

    def type(self, selector, text):
        self._ask("POST", f"{self.session}/element/{self.find(selector)}/value", {"text": text})

    def press(self, *names):
        """Keys, held together, to whatever has the focus."""
        keys = [KEYS.get(name, name) for name in names]
        actions = [{"type": "keyDown", "value": key} for key in keys]
        actions += [{"type": "keyUp", "value": key} for key in reversed(keys)]
        self._ask("POST", f"{self.session}/actions",
                  {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def command(self, name, **parameters):
        """One of Chromium's own commands."""
        return self._ask("POST", f"{self.session}/goog/cdp/execute",
                         {"cmd": name, "params": parameters})

    def resize(self, width, height, phone=False):
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height,
                     deviceScaleFactor=2 if phone else 1, mobile=phone)

    def colours(self, scheme):
        self.command("Emulation.setEmulatedMedia",
                     features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self):
        """A PNG."""
        return base64.b64decode(self._ask("GET", f"{self.session}/screenshot"))

    def complaints(self):
        """What the browser's console has got: errors, refusals of the content security policy."""
        return [entry["message"] for entry in
                self._ask("POST", f"{self.session}/se/log", {"type": "browser"})
                if entry["level"] in ("SEVERE", "WARNING")]
