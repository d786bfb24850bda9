"""baton convert: packs once, keeps a sound file, mends one that is not, says what it can't do."""
import os
import pathlib
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("BATON_BIN", SOURCE / "build/release/bin"))
DEMO = SOURCE / "model/demo"


def convert(*flags):
    return subprocess.run([BIN / "baton", "convert", *map(str, flags)], capture_output=True,
                          text=True, timeout=100)


class Convert(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="baton-convert-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def packed(self):
        files = list(self.folder.iterdir())
        self.assertEqual(len(files), 1, files)
        return files[0]

    def test_a_file_is_made_kept_and_mended(self):
        first = convert(DEMO, "--pack-dir", self.folder)
        self.assertEqual(first.returncode, 0, first.stderr)
        file = self.packed()
        self.assertIn(str(file), first.stdout)
        bytes_, inode = file.read_bytes(), file.stat().st_ino
        self.assertEqual(convert(DEMO, "--pack-dir", self.folder).returncode, 0)
        self.assertEqual(file.stat().st_ino, inode, "a sound file stays")
        broken = bytearray(bytes_)
        broken[len(broken) // 2] ^= 1
        file.write_bytes(broken)
        self.assertEqual(convert(DEMO, "--pack-dir", self.folder).returncode, 0)
        self.assertEqual(self.packed().read_bytes(), bytes_)

    def test_what_it_cant_do_it_says_in_one_sentence(self):
        for flags in ((self.folder / "nowhere",), (DEMO, "--mode", "quick"),
                      (DEMO, "--mode", "exact")):
            done = convert(*flags)
            self.assertNotEqual(done.returncode, 0, flags)
            said = done.stderr.replace("Run with --help for more information.", "")
            self.assertEqual(len(said.strip().splitlines()), 1, said)


if __name__ == "__main__":
    unittest.main()
