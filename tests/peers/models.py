"""Walks the request models of the official Python SDK: every field of every route that is served is taken, or answered 501.

Usage: models.py URL KEY. Each field goes with those that its model requires, in a body that the model itself has made.
The last line is `python: N fields verified`; anything unexpected is an exception.
"""

import base64
import importlib
import inspect
import json
import pkgutil
import re
import sys
import time
import typing
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone

import pydantic
import svix.api

URL, KEY = sys.argv[1:3]
PATIENCE_SECS = 20
NOW = datetime.now(timezone.utc)
SECRET = "whsec_" + base64.b64encode(b"0" * 24).decode()
# What a field must hold to be taken, where its type does not say so.
VALUES = {
    "url": "http://127.0.0.1:9/",
    "since": (NOW - timedelta(hours=1)).isoformat(),
    "until": NOW.isoformat(),
    "after": NOW.isoformat(),
    "deliverAt": (NOW + timedelta(minutes=10)).isoformat(),
    "secret": SECRET,
    "key": SECRET,
    "eventType": "a.b",
    "eventTypes": ["a.b"],
    "capabilities": ["ViewBase"],
    "expiry": 3600,
    "payloadRetentionPeriod": 5,
    "exampleIndex": 0,
    "statusCodeClass": 500,
    "spec": {"webhooks": {}},
    "specRaw": '{"webhooks":{}}',
    "transformationsParams": {"rawPayload": "<xml/>"},
    "settings": {"schemaValidation": "off"},
    "schemas": {"1": {"type": "object", "examples": [{"a": 1}]}},
    "deleteHeaders": ["x-a"],
    "type": "generic-webhook",
    "config": {},
}
# What only one model means otherwise.
OF_MODEL = {
    ("OperationalWebhookEndpointIn", "eventTypes"): ["endpoint.created"],
    ("OperationalWebhookEndpointUpsertIn", "eventTypes"): ["endpoint.created"],
    ("EventTypeImportOpenApiIn", "spec"): {"webhooks": {}},
    ("ConnectorIn", "kind"): "Custom",
}
count = 0


def call(method, path, body):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, {"authorization": f"Bearer {KEY}"}, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    return status, json.loads(text or b"null")


def patiently(method, path, body):
    """As call; a task of the field before may still run."""
    until = time.monotonic() + PATIENCE_SECS
    while True:
        status, answer = call(method, path, body)
        if status != 409 or time.monotonic() > until:
            return status, answer
        time.sleep(0.05)


def is_model(kind):
    return inspect.isclass(kind) and issubclass(kind, pydantic.BaseModel)


def kinds(annotation):
    """The types that an annotation allows, without None."""
    if typing.get_origin(annotation) is typing.Union:
        return [kind for each in typing.get_args(annotation) for kind in kinds(each)]
    return [] if annotation is type(None) else [annotation]


def value(model, field, number):
    name, kind = field.alias, kinds(field.annotation)[0]
    if (model.__name__, name) in OF_MODEL:
        return OF_MODEL[model.__name__, name]
    inner = typing.get_args(kind)
    if is_model(kind):
        return whole(kind, number)
    if typing.get_origin(kind) is list and is_model(inner[0]):
        return [whole(inner[0], number)]
    if name in VALUES:
        return VALUES[name]
    if name in ("uid", "eventId"):
        return f"unique-{number}"
    simple = {str: "a.b", int: 1, bool: False, datetime: NOW.isoformat()}
    if kind in simple:
        return simple[kind]
    if typing.get_origin(kind) is list:
        return ["a"]
    if typing.get_origin(kind) is dict:
        return {} if inner[1] is typing.Any else {"x-a": "b"}
    return next(iter(kind)).value  # an enumeration


def whole(model, number, also=None):
    """What a model requires, and one field more, as the SDK writes it."""
    fields = model.model_fields.values()
    body = {field.alias: value(model, field, number) for field in fields if field.is_required() or field is also}
    return json.loads(model.model_validate(body).model_dump_json(exclude_unset=True, by_alias=True))


def operations():
    """Method, path and model of each operation that changes something."""
    for found in pkgutil.iter_modules(svix.api.__path__):
        module = importlib.import_module(f"svix.api.{found.name}")
        for name, each in inspect.getmembers(module, inspect.isclass):
            if each.__module__ != module.__name__ or name.endswith(("Async", "Options")):
                continue
            for verb, function in inspect.getmembers(each, inspect.isfunction):
                if verb.startswith("_"):
                    continue
                said = re.search(r'method="(post|put|patch)",\s*path="([^"]+)"', inspect.getsource(function))
                if said:
                    taken = typing.get_type_hints(function).items()
                    models = [kind for name, kind in taken if name != "return" and is_model(kind)]
                    yield said[1].upper(), said[2], models[0] if models else None


def check(method, path, body, what):
    global count
    status, answer = patiently(method, path, body)
    assert status < 300 or status == 501, (method, path, body, status, answer)
    count += 1
    print(method, path, what, status)


def made(path, body):
    status, answer = call("POST", path, body)
    assert status == 201, answer
    return answer.get("id")


made("/api/v1/event-type", {"name": "a.b", "description": "", "schemas": VALUES["schemas"]})
APP = made("/api/v1/app", {"name": "Acme"})
VALUES["appIds"] = [APP]
SOURCE = made("/ingest/api/v1/source", {"name": "a", "type": "generic-webhook"})
HERE = {"url": VALUES["url"], "disabled": False}
PLACES = {
    "{app_id}": APP,
    "{source_id}": SOURCE,
    "{event_type_name}": "a.b",
    "{sink_id}": "inbox",
    "{consumer_id}": "me",
}
ENDPOINTS = {
    "/api/v1/app/": made(f"/api/v1/app/{APP}/endpoint", HERE),
    "/ingest/": made(f"/ingest/api/v1/source/{SOURCE}/endpoint", HERE),
    "/api/v1/operational-webhook/": made("/api/v1/operational-webhook/endpoint", HERE),
}
EVENT = {"eventType": "a.b", "payload": {}}
served = set()
for number, (method, template, model) in enumerate(operations()):
    path = template
    for name, text in PLACES.items():
        path = path.replace(name, text)
    if "{msg_id}" in path:  # a new one: the content of those before may be gone
        path = path.replace("{msg_id}", call("POST", f"/api/v1/app/{APP}/msg", EVENT)[1]["id"])
    for start, endpoint in ENDPOINTS.items():
        path = path.replace("{endpoint_id}", endpoint) if path.startswith(start) else path
    if call(method, path, None)[0] == 501:
        continue  # a part of the API that is not served
    assert "{" not in path, path
    served.add((method, template))
    if model is None:
        check(method, path, None, "nothing")
        continue
    for at, field in enumerate(model.model_fields.values()):
        body = whole(model, f"{number}-{at}", field)
        if model.__name__ == "EventTypeIn":
            body["name"] = f"a.b.{at}"
        if model.__name__ == "EventTypeImportOpenApiIn" and "spec" not in body and "specRaw" not in body:
            body["spec"] = VALUES["spec"]
        at_path = path
        if "application" in body:  # it is made when the path is its uid
            at_path = path.replace(APP, body["application"].setdefault("uid", "acme"))
        check(method, at_path, body, f"{model.__name__}.{field.alias}")

assert len(served) > 38, sorted(served)
print(f"python: {count} fields verified")
