"""The console at "/", in a headless Chromium: chat, stop, cluster, timeline, key, keyboard, phone.

Screenshots go to the folder BATON_CONSOLE_SHOTS, if it is set. Without Chromium the tests skip.
"""
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest

from browser import Browser, programs
from cluster import BIN, Cluster, DEMO

KEY = "open sesame"
PHONE = (390, 844)


class Console(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        programs()
        cls.folder = tempfile.TemporaryDirectory(prefix="baton-e2e-")
        keys = pathlib.Path(cls.folder.name) / "keys"
        keys.write_text(KEY + "\n")
        cls.cluster = Cluster(DEMO, "--api-key-file", keys)
        cls.script = subprocess.Popen([BIN / "scripted_gateway", DEMO], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
        cls.scripted = cls.script.stdout.readline().removeprefix("ready ").strip()

    @classmethod
    def tearDownClass(cls):
        cls.script.stdin.close()
        assert cls.script.wait(30) == 0
        cls.script.stdout.close()
        cls.folder.cleanup()
        assert cls.cluster.stop() == 0

    def setUp(self):
        self.browser = Browser()
        self.addCleanup(self.browser.close)

    def shot(self, name):
        picture = self.browser.screenshot()
        self.assertTrue(picture.startswith(b"\x89PNG"))
        self.assertGreater(len(picture), 10_000, "a blank page")
        if folder := os.environ.get("BATON_CONSOLE_SHOTS"):
            (pathlib.Path(folder) / f"{name}.png").write_bytes(picture)
        return struct.unpack(">II", picture[16:24])

    def holds(self, condition, seconds=60):
        value = self.browser.wait(condition, seconds)
        self.assertTrue(value, f"never: {condition}; the browser says {self.browser.complaints()}")
        return value

    def text(self, selector):
        return self.browser.run("return document.querySelector(arguments[0])?.innerText ?? ''",
                                selector)

    def open_cluster(self, path="/"):
        """The real cluster's page, with the key given."""
        self.browser.go(f"http://{self.cluster.host}:{self.cluster.port}{path}")
        self.holds("document.querySelector('#key-dialog').open")
        self.browser.type("#key-input", KEY)
        self.browser.press("enter")
        self.holds("document.querySelector('#model').textContent === 'demo'")

    def open_scripted(self):
        self.browser.go(self.scripted + "/")
        self.holds("document.querySelector('#model').textContent")

    def ask(self, text):
        self.browser.type("#prompt", text)
        self.browser.press("enter")

    def answered(self):
        self.holds("document.querySelector('.assistant:last-child:not(.live) .figures-line')")
        return self.text(".assistant:last-child .content")

    def refusals(self):
        """Of the page's own making: what a missing key brings is expected."""
        return [line for line in self.browser.complaints() if " 401 " not in line]

    def test_a_chat_is_answered_with_its_figures_and_its_timeline(self):
        self.open_cluster()
        self.assertEqual(self.text("#ready"), "ready")
        self.shot("empty-light")
        self.ask("What is 37 + 48?")
        self.assertIn("85", self.answered())
        figures = self.text(".assistant:last-child .figures-line")
        self.assertRegex(figures, r"first token [\d.]+ m?s")
        self.assertRegex(figures, r"[\d.]+ tokens/s")
        self.assertIn("Whole request", self.text("#timeline"))
        self.assertIn("decode, first token to last", self.text("#timeline"))
        self.assertIn("decode-0", self.text("#timeline .route"))
        shares = self.browser.run("return [...document.querySelectorAll('#timeline .bar')]"
                                  ".map(bar => [...bar.children].reduce((sum, piece) => "
                                  "sum + Number(piece.style.flexGrow), 0))")
        self.assertEqual(len(shares), 2)
        for share in shares:
            self.assertAlmostEqual(share, 1, delta=0.01)  # the parts are the whole
        self.ask("And 10 + 5?")
        self.answered()
        self.shot("chat-light")
        self.browser.colours("dark")
        self.shot("chat-dark")
        self.assertEqual(self.refusals(), [])

    def test_the_key_is_asked_for_once_and_kept_in_the_tab(self):
        self.open_cluster()
        self.assertEqual(self.browser.run("return sessionStorage.getItem('baton-key')"), KEY)
        self.assertEqual(self.browser.run("return localStorage.length + document.cookie.length"), 0)
        self.browser.go(f"http://{self.cluster.host}:{self.cluster.port}/#cluster")
        self.holds("document.querySelector('#model').textContent === 'demo'")
        self.assertFalse(self.browser.run("return document.querySelector('#key-dialog').open"))

    def test_a_wrong_key_is_asked_for_again(self):
        self.browser.go(f"http://{self.cluster.host}:{self.cluster.port}/")
        self.holds("document.querySelector('#key-dialog').open")
        self.browser.type("#key-input", "wrong")
        self.browser.press("enter")
        self.holds("sessionStorage.getItem('baton-key') === 'wrong' && "
                   "document.querySelector('#key-dialog').open")

    def test_the_cluster_is_shown_live(self):
        self.open_cluster()
        self.ask("Write a long story.")
        self.answered()
        self.browser.click("#tab-cluster")
        for name in ("prefill-0", "decode-0"):
            self.holds(f"document.querySelector('#view-cluster').innerText.includes('{name}')")
        seen = self.text("#view-cluster").lower()
        for word in ("running", "waiting", "tokens/s", "cache in use", "hand-offs", "placed again",
                     "tp=1", "of ", "pages", "blocks/s"):
            self.assertIn(word, seen)
        self.holds("document.querySelector('#spark polyline')")
        self.holds("Number([...document.querySelectorAll('.figure')].find(f => "
                   "f.innerText.includes('Hand-offs')).querySelector('dd').textContent) > 0")
        self.shot("cluster-light")
        self.browser.colours("dark")
        self.shot("cluster-dark")
        self.assertEqual(self.refusals(), [])

    def test_stop_ends_an_answer_and_keeps_what_came(self):
        self.open_scripted()
        for stop in (lambda: self.browser.press("escape"), lambda: self.browser.click("#send")):
            self.ask("[slow]say:" + "one two three four five six seven " * 40 + ":end")
            self.holds("document.querySelector('.assistant:last-child .content')"
                       ".textContent.length > 20")
            self.assertEqual(self.text("#send"), "Stop")
            stop()
            self.answered()
            self.assertIn("stopped", self.text(".assistant:last-child .figures-line"))
            self.assertLess(len(self.text(".assistant:last-child .content")), 1000)
            self.assertEqual(self.text("#send"), "Send")

    def test_thinking_is_folded_and_markup_stays_text(self):
        self.open_scripted()
        self.browser.run("document.querySelector('[name=thinking]').checked = true")
        self.ask("say:<think>Let me see.</think>"
                 "It is <b>bold</b> <img src=x onerror=alert(1)>.:end")
        answer = self.answered()
        self.assertIn("<b>bold</b> <img", answer)
        self.assertIsNone(self.browser.run("return document.querySelector('.log b, .log img')"))
        thinking = ".assistant:last-child .thinking"
        self.assertFalse(self.browser.run(f"return document.querySelector('{thinking}').open"))
        self.assertRegex(self.text(f"{thinking} summary"), "Thought for")
        self.browser.click(f"{thinking} summary")
        self.assertEqual(self.text(f"{thinking} .thought"), "Let me see.")

    def test_a_failure_is_told(self):
        self.open_scripted()
        self.ask("[fail 3]say:this never comes to its end:end")
        self.holds("document.querySelector('.assistant:last-child .error')")
        self.assertIn("The worker was lost.", self.text(".assistant:last-child .error"))

    def test_the_settings_are_sent(self):
        self.open_scripted()
        self.browser.run("document.querySelector('[name=max_tokens]').value = 2")
        self.ask("say:one two three four five six:end")
        self.answered()
        self.assertIn("2 tokens", self.text(".assistant:last-child .figures-line"))
        self.assertIn("cut at the limit", self.text(".assistant:last-child .figures-line"))

    def test_a_slider_that_nobody_moved_is_the_models_own_and_not_sent(self):
        self.open_cluster()
        self.browser.run("window.sent = []; const real = window.fetch; window.fetch = (to, how) => "
                         "(how?.body && window.sent.push(JSON.parse(how.body)), real(to, how))")
        temperature = "#knobs output[for=temperature]"
        self.holds(f"document.querySelector('{temperature}').textContent === '0 (default)'")
        self.ask("What is 37 + 48?")
        self.answered()
        self.browser.run("const slider = document.querySelector('#temperature');"
                         "slider.value = 1.5;"
                         "slider.dispatchEvent(new Event('input', {bubbles: true}))")
        self.holds(f"document.querySelector('{temperature}').textContent === '1.5'")
        self.ask("What is 37 + 48?")
        self.answered()
        self.browser.run("document.querySelector('#knobs').reset()")
        self.holds(f"document.querySelector('{temperature}').textContent === '0 (default)'")
        self.ask("What is 37 + 48?")
        self.answered()
        sent = self.browser.run("return window.sent")
        self.assertEqual([body.get("temperature") for body in sent], [None, 1.5, None])
        self.assertFalse([body for body in sent if "top_p" in body or "min_p" in body])

    def test_everything_is_reached_by_keyboard(self):
        self.open_scripted()
        self.assertEqual(self.browser.run("return document.activeElement.id"), "prompt")
        self.browser.run("document.querySelector('#tab-chat').focus()")
        self.browser.press("right")
        self.assertEqual(self.browser.run("return document.activeElement.id"), "tab-cluster")
        self.assertTrue(self.browser.run("return document.querySelector('#view-chat').hidden"))
        self.browser.press("left")
        self.assertFalse(self.browser.run("return document.querySelector('#view-chat').hidden"))
        reached = set()
        for _ in range(40):
            self.browser.press("tab")
            reached.add(self.browser.run("const a = document.activeElement;"
                                         "return a.id || a.name || a.textContent"))
        for name in ("key", "prompt", "send", "system", "temperature", "seed", "thinking", "clear"):
            self.assertIn(name, reached)

    def test_it_fits_a_phone(self):
        self.browser.resize(*PHONE, phone=True)
        self.browser.colours("dark")
        self.open_cluster()
        self.ask("What is 37 + 48?")
        self.answered()
        for name in ("chat", "cluster"):
            self.browser.click(f"#tab-{name}")
            self.holds(f"!document.querySelector('#view-{name}').hidden")
            if name == "cluster":
                self.holds("document.querySelector('#decode article')")
                self.assertIn("Kvstore", self.text("#figures"))
            wide = self.browser.run("return document.documentElement.scrollWidth")
            self.assertLessEqual(wide, PHONE[0], "nothing sticks out")
            self.assertEqual(self.shot(f"phone-{name}"), (PHONE[0] * 2, PHONE[1] * 2))
        small = self.browser.run(
            "return [...document.querySelectorAll('#view-cluster button, .top button')]"
            ".filter(b => b.offsetHeight && b.offsetHeight < 32).map(b => b.id)")
        self.assertEqual(small, [], "a finger is no mouse")
        self.browser.click("#tab-chat")
        self.browser.click(".assistant:last-child .more summary")
        self.holds("document.querySelector('.assistant:last-child .more .bar')")
        self.shot("phone-timeline")


if __name__ == "__main__":
    unittest.main()
