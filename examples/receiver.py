"""Answers every webhook with 200 and shows it: something to send to. Usage: receiver.py PORT. Needs Python and nothing else.

It verifies nothing, so nothing real belongs behind it; `handler.py` does. GET answers how many came.
"""

import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

processed = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        processed.append(self.headers.get("webhook-id"))
        print(self.path, body.decode(errors="replace"), flush=True)
        self.answer(b"")

    def do_GET(self):
        self.answer(json.dumps({"processed": len(processed)}).encode())

    def answer(self, body):
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass  # who hung up does not listen

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
