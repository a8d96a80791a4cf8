"""A receiver as it is often written: no verification, no memory of what came, no limit. Usage: naive.py PORT."""

import sys

from flask import Flask, jsonify, request

app = Flask(__name__)
processed = []


@app.post("/webhooks")
def receive():
    processed.append(request.get_json(force=True))
    return "", 200


@app.get("/stats")
def stats():
    return jsonify(processed=len(processed))


app.run(port=int(sys.argv[1]), threaded=True)
