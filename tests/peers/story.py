"""The official Python SDK, unmodified, goes through everything that it can ask of Posthaste.

Usage: story.py URL KEY. Its receiver is in this process; `standardwebhooks` verifies every delivery it got.
The last line is `python: N deliveries verified`; anything unexpected is an exception.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from urllib.request import Request, urlopen

from standardwebhooks import Webhook as StandardWebhook
from svix.api import (
    AppPortalAccessIn,
    AppUsageStatsIn,
    ApplicationCreateOptions,
    ApplicationIn,
    ApplicationListOptions,
    ApplicationPatch,
    ApplicationTokenExpireIn,
    BackgroundTaskListOptions,
    BulkExpungeContentsIn,
    EndpointHeadersIn,
    EndpointHeadersPatchIn,
    EndpointIn,
    EndpointListOptions,
    EndpointPatch,
    EndpointSecretRotateIn,
    EndpointUpsertIn,
    EnvironmentIn,
    EventExampleIn,
    EventTypeDeleteOptions,
    EventTypeImportOpenApiIn,
    EventTypeIn,
    EventTypeListOptions,
    EventTypePatch,
    EventTypeUpsertIn,
    IngestEndpointIn,
    IngestEndpointSecretIn,
    IngestSourceIn,
    MessageAttemptListAttemptedMessagesOptions,
    MessageAttemptListByEndpointOptions,
    MessageAttemptListByMsgOptions,
    MessageCreateOptions,
    MessageGetOptions,
    MessageIn,
    MessageListOptions,
    MessagePrecheckIn,
    OperationalWebhookEndpointHeadersIn,
    OperationalWebhookEndpointIn,
    OperationalWebhookEndpointSecretIn,
    OperationalWebhookEndpointUpsertIn,
    Svix,
    SvixConfig,
    SvixOptions,
)
from svix.exceptions import HttpError, HTTPValidationError
from svix.models import (
    AppPortalCapability,
    BackgroundTaskStatus,
    BackgroundTaskType,
    MessageStatus,
    MessageStatusText,
    Ordering,
    StatusCodeClass,
)
from svix.webhooks import Webhook as SvixWebhook

PATIENCE_SECS = 20


class Receiver:
    """Answers 200 and keeps what came, with the path it came to."""

    def __init__(self):
        self.deliveries, self.came = [], Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                with outer.came:
                    outer.deliveries.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                    outer.came.notify_all()
                answer = b"thank you"
                self.send_response(200)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}"

    def wait_for(self, path, count):
        """The deliveries to a path, once there are `count`."""
        mine = lambda: [delivery for delivery in self.deliveries if delivery[0] == path]
        with self.came:
            assert self.came.wait_for(lambda: len(mine()) >= count, PATIENCE_SECS), f"{path}: {mine()}"
            return mine()


def refused(status, call):
    """The SDK's own exception with this status; every 4xx body must be JSON for it."""
    try:
        call()
    except (HttpError, HTTPValidationError) as error:
        assert error.status_code == status, error
        return error
    raise AssertionError(f"{status} expected")


def eventually(ask):
    """What `ask` gives, once it is something."""
    end = time.monotonic() + PATIENCE_SECS
    while time.monotonic() < end:
        if answer := ask():
            return answer
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def applications(svix):
    app = svix.application.create(ApplicationIn(name="Acme", uid="acme-py", metadata={"plan": "gold"}))
    assert app.metadata == {"plan": "gold"} and app.created_at.tzinfo
    again = svix.application.get_or_create(ApplicationIn(name="Other", uid="acme-py"))
    assert again == app == svix.application.get("acme-py") == svix.application.get(app.id)
    assert refused(409, lambda: svix.application.create(ApplicationIn(name="Acme", uid="acme-py"))).code == "conflict"
    once = ApplicationCreateOptions(idempotency_key="one-app")
    assert svix.application.create(ApplicationIn(name="Once"), once) == svix.application.create(ApplicationIn(name="Once"), once)
    return app


def event_types(svix):
    schemas = {"1": {"type": "object", "examples": [{"amount": 42}]}}
    created = svix.event_type.create(EventTypeIn(name="payment.succeeded", description="Money came", schemas=schemas))
    assert created.schemas == schemas and not created.deprecated
    svix.event_type.create(EventTypeIn(name="payment.failed", description="It did not"))
    assert svix.event_type.get("payment.succeeded").description == "Money came"
    assert refused(409, lambda: svix.event_type.create(EventTypeIn(name="payment.failed", description=""))).code == "conflict"
    names = [event_type.name for event_type in svix.event_type.list(EventTypeListOptions(order=Ordering.DESCENDING)).data]
    assert names == ["payment.succeeded", "payment.failed"], names


def endpoints(svix, app, receiver):
    everything = svix.endpoint.create(app.id, EndpointIn(url=f"{receiver.url}/all", uid="all", headers={"X-Team": "blue"}))
    assert not everything.disabled and everything.event_types is None and everything.description == ""
    failed = EndpointIn(url=f"{receiver.url}/failed", event_types=["payment.failed"], channels=["eu"], metadata={"a": "b"})
    failed = svix.endpoint.create(app.id, failed)
    assert (failed.event_types, failed.channels, failed.metadata) == (["payment.failed"], ["eu"], {"a": "b"})
    assert svix.endpoint.get(app.id, "all") == everything
    patched = svix.endpoint.patch(app.id, failed.id, EndpointPatch(description="failures", channels=None))
    assert (patched.description, patched.channels, patched.event_types) == ("failures", None, ["payment.failed"])
    unknown = EndpointIn(url=f"{receiver.url}/x", event_types=["nobody.knows"])
    assert refused(422, lambda: svix.endpoint.create(app.id, unknown)).detail[0].loc == ["body", "eventTypes"]
    private = refused(422, lambda: svix.endpoint.create(app.id, EndpointIn(url="http://10.0.0.1/")))
    assert private.detail[0].loc == ["body", "url"] and "10.0.0.1" in private.detail[0].msg
    return everything, failed


def headers(svix, app, endpoint):
    svix.endpoint.set_headers(app.id, endpoint.id, EndpointHeadersIn(headers={"X-Team": "red", "Authorization": "Bearer t"}))
    svix.endpoint.patch_headers(app.id, endpoint.id, EndpointHeadersPatchIn(headers={"X-More": "1"}, delete_headers=["X-Team"]))
    shown = svix.endpoint.get_headers(app.id, endpoint.id)
    assert (shown.headers, shown.sensitive) == ({"X-More": "1"}, ["Authorization"]), shown
    forbidden = EndpointHeadersIn(headers={"Host": "x"})
    assert "Host" in refused(422, lambda: svix.endpoint.set_headers(app.id, endpoint.id, forbidden)).detail[0].msg


def events(svix, app, receiver):
    first = MessageIn(event_type="payment.succeeded", event_id="order-1", payload={"amount": "1.10", "é": "\u2028"})
    keyed, content = MessageCreateOptions(idempotency_key="k-1"), MessageCreateOptions(with_content=True)
    published = svix.message.create(app.id, first, keyed)
    assert published == svix.message.create(app.id, first, keyed) and published.payload == {}
    assert published.event_id == "order-1" and published.timestamp.tzinfo
    assert refused(409, lambda: svix.message.create(app.id, first)).code == "conflict"
    other = MessageIn(event_type="payment.succeeded", payload={})
    assert refused(409, lambda: svix.message.create(app.id, other, keyed)).code == "conflict"
    second = MessageIn(event_type="payment.failed", payload={"n": 2}, channels=["eu"], tags=["urgent"], payload_retention_hours=24)
    assert svix.message.create(app.id, second, content).payload == {"n": 2}
    raw = MessageIn(event_type="payment.failed", payload={}, transformations_params={"rawPayload": "[1, 2]"})
    svix.message.create(app.id, raw)
    bodies = [body for _, _, body in receiver.wait_for("/all", 3)]
    assert sorted(bodies) == sorted([b"[1, 2]", b'{"n":2}', json.dumps(first.payload, ensure_ascii=False, separators=(",", ":")).encode()])
    assert sorted(body for _, _, body in receiver.wait_for("/failed", 2)) == [b"[1, 2]", b'{"n":2}']
    assert svix.message.get(app.id, "order-1", MessageGetOptions(with_content=True)).payload == first.payload
    return published


def attempts(svix, app, endpoint, event, receiver):
    by_event = lambda **options: svix.message_attempt.list_by_msg(app.id, event.id, MessageAttemptListByMsgOptions(with_content=True, **options)).data
    (attempt,) = eventually(lambda: by_event())
    assert (attempt.status, attempt.response_status_code, attempt.response) == (MessageStatus.SUCCESS, 200, "thank you")
    assert (attempt.msg_id, attempt.endpoint_id, attempt.url) == (event.id, endpoint.id, f"{receiver.url}/all")
    assert svix.message_attempt.get(app.id, event.id, attempt.id) == attempt
    assert by_event(status=MessageStatus.SUCCESS, status_code_class=StatusCodeClass.CODE2XX, endpoint_id=endpoint.id) == [attempt]
    assert by_event(status=MessageStatus.FAIL) == [] == by_event(before=datetime.now(timezone.utc) - timedelta(days=1))
    of_endpoint = MessageAttemptListByEndpointOptions(event_types=["payment.succeeded"], with_content=True)
    assert svix.message_attempt.list_by_endpoint(app.id, endpoint.id, of_endpoint).data == [attempt]
    with_msg = MessageAttemptListByEndpointOptions(event_types=["payment.succeeded"], with_msg=True)
    (bare,) = svix.message_attempt.list_by_endpoint(app.id, endpoint.id, with_msg).data
    assert (bare.response, bare.msg.id, bare.msg.payload) == ("", event.id, {}), bare
    svix.message_attempt.resend(app.id, event.id, endpoint.id)
    assert receiver.wait_for("/all", 4)[3][1]["webhook-id"] == event.id
    assert [attempt.trigger_type for attempt in eventually(lambda: len(by_event()) == 2 and by_event())] == [1, 0]


def standing(svix, app, endpoint, event):
    """Where deliveries stand, by endpoint and by event, and what they came to."""
    listed = lambda **options: svix.message_attempt.list_attempted_messages(app.id, endpoint.id, MessageAttemptListAttemptedMessagesOptions(**options)).data
    rows = eventually(lambda: len(listed(status=MessageStatus.SUCCESS)) == 3 and listed())
    assert event.id in [row.id for row in rows] and rows[0].status_text == MessageStatusText.SUCCESS
    assert listed(tag="urgent")[0].payload == {} and listed(tag="urgent", with_content=True)[0].payload == {"n": 2}
    destinations = svix.message_attempt.list_attempted_destinations(app.id, event.id).data
    assert [(row.id, row.status) for row in destinations] == [(endpoint.id, MessageStatus.SUCCESS)], destinations
    stats = lambda: svix.endpoint.get_stats(app.id, endpoint.id)
    assert eventually(lambda: stats().pending == 0 and stats()).success == 3
    attempts = svix.endpoint.get_attempt_stats(app.id, endpoint.id)
    assert (attempts.success, attempts.fail) == (4, 0), attempts
    now = datetime.now(timezone.utc)
    usage = AppUsageStatsIn(since=now - timedelta(days=1), until=now, app_ids=[app.uid, "nobody"])
    assert svix.statistics.aggregate_app_stats(usage).unresolved_app_ids == ["nobody"]
    assert svix.statistics.aggregate_event_types().task == "event-type.aggregate"


def upserts(svix, app, receiver):
    """What PUT and PATCH make of applications, event types and endpoints."""
    made = svix.application.upsert("put-py", ApplicationIn(name="One", throttle_rate=9))
    assert (made.uid, made.throttle_rate) == ("put-py", 9)
    assert svix.application.patch("put-py", ApplicationPatch(name="Two")).name == "Two"
    again = svix.application.upsert("put-py", ApplicationIn(name="Three"))
    assert (again.id, again.throttle_rate, again.uid) == (made.id, None, None), "a uid that is not given is gone"
    svix.application.delete(made.id)
    upsert = EventTypeUpsertIn(description="Later", feature_flags=["beta"], group_name="refund")
    made = svix.event_type.upsert("refund.made", upsert)
    assert (made.feature_flags, made.group_name) == (["beta"], "refund")
    assert svix.event_type.patch("refund.made", EventTypePatch(deprecated=True)).deprecated
    svix.event_type.delete("refund.made")
    assert svix.event_type.get("refund.made").archived
    svix.event_type.delete("refund.made", EventTypeDeleteOptions(expunge=True))
    assert refused(404, lambda: svix.event_type.get("refund.made")).code == "not_found"
    put = EndpointUpsertIn(url=f"{receiver.url}/put", channels=["nowhere"], description="put")
    made = svix.endpoint.upsert(app.id, "put", put)
    again = svix.endpoint.upsert(app.id, "put", EndpointUpsertIn(url=f"{receiver.url}/put", channels=["nowhere"]))
    assert (made.uid, again.id, again.description, again.uid) == ("put", made.id, "", None)
    svix.endpoint.delete(app.id, made.id)


def environment(svix):
    """Event types out of a document, out of an environment, and in again."""
    body = {"content": {"application/json": {"schema": {"type": "object"}, "example": {"n": 1}}}}
    spec = {"openapi": "3.1.0", "webhooks": {"import.made": {"post": {"description": "Imported", "requestBody": body}}}}
    found = svix.event_type.import_openapi(EventTypeImportOpenApiIn(spec=spec, dry_run=True)).data
    assert (found.modified, found.to_modify[0].description) == (["import.made"], "Imported")
    svix.event_type.import_openapi(EventTypeImportOpenApiIn(spec_raw=json.dumps(spec)))
    assert svix.event_type.get("import.made").schemas["1"]["examples"] == [{"n": 1}]
    exported = svix.environment.export()
    assert "import.made" in [row.name for row in exported.event_types] and exported.connectors == []
    svix.event_type.delete("import.made", EventTypeDeleteOptions(expunge=True))
    rows = [row.model_dump(include={"name", "description", "schemas"}) for row in exported.event_types]
    svix.environment.import_(EnvironmentIn(event_types=[EventTypeIn(**row) for row in rows], settings=exported.settings))
    svix.event_type.delete("import.made", EventTypeDeleteOptions(expunge=True))


def access(svix, app, url):
    """A token of the application, what it sees, and how it ends."""
    grant = AppPortalAccessIn(feature_flags=["beta"], expiry=3_600, session_id="s1", capabilities=[AppPortalCapability.VIEW_BASE])
    access = svix.authentication.app_portal_access(app.id, grant)
    assert access.url.startswith(f"{url}/portal#key=") and access.token in access.url
    bearer = lambda token: Svix(token, SvixOptions(server_url=url))
    assert bearer(access.token).application.get(app.id).uid == app.uid
    assert refused(403, bearer(access.token).application.list).code == "insufficient access"
    svix.authentication.expire_all(app.id, ApplicationTokenExpireIn(session_ids=["s1"]))
    assert refused(401, lambda: bearer(access.token).application.get(app.id)).code == "authentication_failed"
    token = svix.authentication.app_portal_access(app.id, AppPortalAccessIn()).token
    bearer(token).authentication.logout()
    assert refused(401, lambda: bearer(token).application.get(app.id)).code == "authentication_failed"


def operational(svix, app, receiver):
    """What happens to endpoints is told; gives the secret that it is signed with."""
    hearer = OperationalWebhookEndpointIn(url=f"{receiver.url}/ops", uid="ops", event_types=["endpoint.created"])
    hearer = svix.operational_webhook.endpoint.create(hearer)
    assert svix.operational_webhook.endpoint.list().data == [hearer] == [svix.operational_webhook.endpoint.get("ops")]
    put = OperationalWebhookEndpointUpsertIn(url=f"{receiver.url}/ops", uid="ops", event_types=["endpoint.created"], description="x")
    assert svix.operational_webhook.endpoint.upsert("ops", put).description == "x"
    headers = OperationalWebhookEndpointHeadersIn(headers={"X-Ops": "1"})
    svix.operational_webhook.endpoint.set_headers("ops", headers)
    assert svix.operational_webhook.endpoint.get_headers("ops").headers == {"X-Ops": "1"}
    secret = svix.operational_webhook.endpoint.get_secret("ops").key
    svix.operational_webhook.endpoint.rotate_secret("ops", OperationalWebhookEndpointSecretIn())
    svix.endpoint.create(app.id, EndpointIn(url=f"{receiver.url}/new", uid="new", channels=["nowhere"]))
    _, sent, body = receiver.wait_for("/ops", 1)[0]
    told = json.loads(body)
    assert (told["type"], told["data"]["appUid"], sent["x-ops"]) == ("endpoint.created", app.uid, "1"), told
    svix.endpoint.delete(app.id, "new")
    svix.operational_webhook.endpoint.delete("ops")
    assert refused(404, lambda: svix.operational_webhook.endpoint.get("ops")).code == "not_found"
    return secret


def sources(svix, url, key):
    """Sources of types that no SDK knows are listed beside those that it knows, and stay what they are."""

    def raw(method, path, body=None):
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        request = Request(url + path, json.dumps(body).encode() if body else None, headers, method=method)
        with urlopen(request) as answer:
            return json.load(answer)

    kinds = ["fintoc", "bridge", "finix", "standard-webhooks"]
    made = {kind: raw("POST", "/ingest/api/v1/source", {"name": kind, "type": kind, "config": {"toleranceSeconds": 60}}) for kind in kinds}
    svix.ingest.source.create(IngestSourceIn(name="theirs", type="svix", config=SvixConfig(secret="whsec_" + "c2VjcmV0" * 4)))
    plain = svix.ingest.source.create(IngestSourceIn(name="any", type="generic-webhook"))
    types = {row.name: row.type for row in svix.ingest.source.list().data}
    assert types == {**dict.fromkeys([*kinds, "any"], "generic-webhook"), "theirs": "svix"}, types
    for kind, source in made.items():
        read = svix.ingest.source.get(source["id"])
        put = IngestSourceIn(name=f"{kind} too", uid=read.uid, metadata=read.metadata, type=read.type, config=read.config)
        assert svix.ingest.source.upsert(read.id, put).name == f"{kind} too"
        now = raw("GET", f"/ingest/api/v1/source/{read.id}")
        assert (now["provider"], now["config"]) == (source["provider"], source["config"]), now
        assert svix.ingest.source.rotate_token(read.id).ingest_url != source["ingestUrl"]
    endpoint = svix.ingest.endpoint.create(plain.id, IngestEndpointIn(url="http://127.0.0.1:1/", uid="in"))
    assert svix.ingest.endpoint.list(plain.id).data == [endpoint]
    svix.ingest.endpoint.rotate_secret(plain.id, "in", IngestEndpointSecretIn())
    for row in svix.ingest.source.list().data:
        svix.ingest.source.delete(row.id)


def erased(svix, quick, app, event):
    """What is expunged is shown nowhere; what is not served says so."""
    active = lambda event_type: svix.message.precheck(app.id, MessagePrecheckIn(event_type=event_type)).active
    assert active("any.thing")
    (attempt,) = svix.message_attempt.list_by_msg(app.id, event.id, MessageAttemptListByMsgOptions(limit=1)).data
    svix.message_attempt.expunge_content(app.id, event.id, attempt.id)
    assert svix.message_attempt.get(app.id, event.id, attempt.id).response == "EXPUNGED"
    svix.message.expunge_content(app.id, event.id)
    assert svix.message.get(app.id, event.id, MessageGetOptions(with_content=True)).payload == {"expired": True}
    results = svix.message.bulk_expunge_content(app.id, BulkExpungeContentsIn(ids=["order-1", "nobody"])).results
    assert results == {"order-1": "expunged", "nobody": "not-found"}, results
    task = svix.message.expunge_all_contents(app.id)
    assert task.task == "application.purge_content"
    eventually(lambda: svix.background_task.get(task.id).status == "finished")
    tasks = lambda **how: [one.id for one in svix.background_task.list(BackgroundTaskListOptions(**how)).data]
    assert tasks(task=BackgroundTaskType.APPLICATION_PURGE_CONTENT, status=BackgroundTaskStatus.FINISHED)[0] == task.id
    assert tasks(task=BackgroundTaskType.SDK_GENERATE) == tasks(status=BackgroundTaskStatus.FAILED) == []
    shown = svix.message.list(app.id, MessageListOptions(with_content=True)).data
    assert {json.dumps(row.payload) for row in shown} == {'{"expired": true}'}
    assert refused(501, lambda: quick.integration.list(app.id)).code == "not_implemented"


def secrets(svix, app, endpoint, receiver):
    """Gives every secret that the deliveries so far must verify with."""
    old = svix.endpoint.get_secret(app.id, endpoint.id).key
    rotated = svix.endpoint.rotate_secret(app.id, endpoint.id, EndpointSecretRotateIn())
    assert rotated.key == svix.endpoint.get_secret(app.id, endpoint.id).key != old
    example = EventExampleIn(event_type="payment.succeeded", example_index=0)
    assert svix.endpoint.send_example(app.id, endpoint.id, example).event_type == "payment.succeeded"
    _, sent, body = receiver.wait_for("/all", 5)[4]
    assert body == b'{"amount":42}' and sent["x-more"] == "1" and sent["authorization"] == "Bearer t", sent
    for secret in (old, rotated.key):
        StandardWebhook(secret).verify(body, sent)
    return old, rotated.key


def walk(options, ask):
    """All pages forwards, then all of them backwards; both must show the same, and end."""
    pages, page = [], ask(options(limit=2))
    while True:
        pages.append(page.data)
        if page.done:
            break
        page = ask(options(limit=2, iterator=page.iterator))
    ids = [row.id for rows in pages for row in rows]
    back, page = pages[-1], ask(options(limit=2, iterator=page.prev_iterator))
    while True:
        back = page.data + back
        if page.done:
            break
        page = ask(options(limit=2, iterator=page.prev_iterator))
    assert [row.id for row in back] == ids and len(set(ids)) == len(ids), (ids, back)
    return ids


def pages(svix, app, endpoint):
    for number in range(3):
        svix.application.create(ApplicationIn(name=f"App {number}"))
    assert len(walk(ApplicationListOptions, svix.application.list)) == 5
    busy = svix.application.list(ApplicationListOptions(exclude_apps_with_no_endpoints=True)).data
    assert app.id in [row.id for row in busy] and not any(row.name.startswith("App ") for row in busy), busy
    assert len(walk(EndpointListOptions, lambda options: svix.endpoint.list(app.id, options))) == 2
    newest_first = walk(MessageListOptions, lambda options: svix.message.list(app.id, options))
    assert newest_first == sorted(newest_first, reverse=True) and len(newest_first) == 4
    count = lambda: len(svix.message_attempt.list_by_endpoint(app.id, endpoint.id).data)
    eventually(lambda: count() == 5)
    walk(MessageAttemptListByEndpointOptions, lambda options: svix.message_attempt.list_by_endpoint(app.id, endpoint.id, options))
    typed = svix.message.list(app.id, MessageListOptions(event_types=["payment.failed"], with_content=True)).data
    assert [event.payload for event in typed] == [{"rawPayload": "[1, 2]"}, {"n": 2}], typed
    assert refused(422, lambda: svix.message.list(app.id, MessageListOptions(limit=251))).detail[0].loc == ["query", "limit"]


def ends(svix, app, endpoint, failed, event):
    svix.endpoint.delete(app.id, failed.id)
    missing = [
        lambda: svix.endpoint.get(app.id, failed.id),
        lambda: svix.endpoint.get_secret(app.id, failed.id),
        lambda: svix.application.get("nobody"),
        lambda: svix.message.get(app.id, "msg_" + "0" * 27),
        lambda: svix.message.create("nobody", MessageIn(event_type="a", payload={})),
        lambda: svix.event_type.get("nobody"),
        lambda: svix.message_attempt.get(app.id, event.id, "atmpt_" + "1" * 27),
        lambda: svix.endpoint.send_example(app.id, endpoint.id, EventExampleIn(event_type="nobody")),
        lambda: svix.message_attempt.resend(app.id, event.id, failed.id),
    ]
    for call in missing:
        assert refused(404, call).code == "not_found"
    too_large = MessageIn(event_type="a", payload={"a": "x" * 3_000_000})
    assert "1048576" in refused(413, lambda: svix.message.create(app.id, too_large)).detail
    svix.application.delete(app.id)
    assert refused(404, lambda: svix.application.get(app.id)).code == "not_found"


def main(url, key):
    svix, receiver = Svix(key, SvixOptions(server_url=url)), Receiver()
    stranger = Svix("sk_test_" + "0" * 32, SvixOptions(server_url=url))
    assert refused(401, stranger.application.list).code == "authentication_failed"
    app = applications(svix)
    event_types(svix)
    everything, failed = endpoints(svix, app, receiver)
    headers(svix, app, everything)
    event = events(svix, app, receiver)
    attempts(svix, app, everything, event, receiver)
    failed_secret = svix.endpoint.get_secret(app.id, failed.id).key
    standing(svix, app, everything, event)
    upserts(svix, app, receiver)
    environment(svix)
    access(svix, app, url)
    ops_secret = operational(svix, app, receiver)
    old, _ = secrets(svix, app, everything, receiver)
    pages(svix, app, everything)
    sources(svix, url, key)
    erased(svix, Svix(key, SvixOptions(server_url=url, retry_schedule=[])), app, event)
    ends(svix, app, everything, failed, event)
    secrets_by_path = {"/failed": failed_secret, "/ops": ops_secret}
    for path, sent, body in receiver.deliveries:
        secret = secrets_by_path.get(path, old)
        StandardWebhook(secret).verify(body, sent)
        SvixWebhook(secret).verify(body, sent)
    print(f"python: {len(receiver.deliveries)} deliveries verified")


if __name__ == "__main__":
    main(*sys.argv[1:])
