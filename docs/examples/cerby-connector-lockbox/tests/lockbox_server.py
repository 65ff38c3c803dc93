"""A Lockbox server in this process, on a real socket."""

import hashlib
import socketserver
import threading
from typing import Any

COMMON = {hashlib.sha256(text).hexdigest() for text in (b"password1", b"letmein")}


class Server(socketserver.ThreadingTCPServer):
    """`digests` maps names to the digests of their passwords; `log` has every line that came in."""

    allow_reuse_address, daemon_threads = True, True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.digests: dict[str, str] = {}
        self.sessions: list[Conversation] = []
        self.log: list[str] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


class Conversation(socketserver.StreamRequestHandler):
    server: Any
    name = ""

    def handle(self) -> None:
        try:
            for line in self.rfile:
                words = line.decode().split()
                self.wfile.write(f"{self.answer(*words)}\n".encode())
        except OSError:
            return
        finally:
            if self in self.server.sessions:
                self.server.sessions.remove(self)

    def answer(self, verb: str, *words: str) -> str:
        self.server.log.append(" ".join((verb, *words)))
        if verb == "LOGIN":
            return self.log_in(*words)
        if verb == "PING":
            return "OK"
        name = words[0]
        if self.name not in {name, "keeper"}:
            return "FORBIDDEN only its owner and keeper may do that"
        if name not in self.server.digests:
            return f"FORBIDDEN there is no login {name}"
        if verb == "SET":
            if words[1] in COMMON:
                return "WEAK everybody knows that one"
            self.server.digests[name] = words[1]
            return "OK"
        others = [each for each in self.server.sessions if each.name == name and each is not self]
        for each in others:
            each.connection.shutdown(2)
        return f"OK {len(others)}"

    def log_in(self, name: str, digest: str) -> str:
        if self.server.digests.get(name) != digest:
            return "DENIED"
        self.name = name
        self.server.sessions.append(self)
        return "OK"
