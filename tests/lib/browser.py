"""A headless Chromium driven by tests/live/browser.mjs: one JSON command a line, one answer a line."""
import json, os, select, subprocess

from process import ROOT


class Browser:
    def __init__(self, program, env):
        self.node = subprocess.Popen([program, os.path.join(ROOT, "tests", "live", "browser.mjs")], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ, **env})

    def __call__(self, cmd, patience=30, **arguments):
        """One command; returns the answer's members, and fails with its error."""
        self.node.stdin.write(json.dumps({"cmd": cmd, **arguments}) + "\n")
        self.node.stdin.flush()
        ready, _, _ = select.select([self.node.stdout], [], [], patience)
        line = self.node.stdout.readline() if ready else ""
        assert line, f"the browser gave no answer to {cmd} {arguments}"
        answer = json.loads(line)
        assert answer.pop("ok"), f"{cmd} {arguments}: {answer['error']}"
        return answer

    def close(self):
        if self.node.poll() is None:
            self.node.stdin.close()
            try:
                self.node.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.node.pid, 9)
                self.node.wait(5)
