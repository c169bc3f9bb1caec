"""Certificates and configuration of the real stack: the shipped files, made impatient."""

import os
import pwd

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))))

BROKER = """\
user {user}
listener {port} 127.0.0.1
cafile {work}/pki/trust/clients.pem
certfile {work}/broker/cert.pem
keyfile {work}/broker/key.pem
require_certificate true
tls_version tlsv1.2
allow_anonymous false
plugin {plugin}
plugin_opt_policy {work}/policy.yaml
plugin_opt_audit {work}/log/audit.jsonl
check_retain_source true
persistence true
persistence_location {work}/broker/kept/
autosave_interval 2
set_tcp_nodelay true
max_queued_messages 1000000
max_inflight_messages 500
max_packet_size 131072
allow_duplicate_messages true
log_dest stderr
connection_messages false
"""

# One device publishes where only the relay hears it, and the relay speaks for every device.
ROLES = """\
roles:
  - name: relay
    match: {{ anchor: services, kind: service, device: relay }}
    publish: [ph/v1/+/+/+/telemetry]
    subscribe: [relay/+/+/+/telemetry, ph/v1/+/+/+/telemetry, ph/v1/+/+/+/ack]

  - name: carried
    match: {{ anchor: devices, device: {carried} }}
    publish:
      - relay/{{tenant}}/{{kind}}/{{device}}/telemetry
      - ph/v1/{{tenant}}/{{kind}}/{{device}}/status
      - ph/v1/{{tenant}}/{{kind}}/{{device}}/reply
    will:
      - ph/v1/{{tenant}}/{{kind}}/{{device}}/status
    subscribe:
      - ph/v1/{{tenant}}/{{kind}}/{{device}}/ack
      - ph/v1/{{tenant}}/{{kind}}/{{device}}/command
      - ph/v1/ingest/status
"""

INGEST = """\
broker: {{ host: localhost, port: {port}, ca: ingest/ca.pem, certificate: ingest/cert.pem, key: ingest/key.pem }}
store: {store}
kinds: kinds.yaml
batch: {{ messages: 200, delay_ms: 10 }}
acks: {{ interval_ms: 50 }}
partition: {{ hours: 1, rows: 1000 }}
"""

DEVICE = """\
broker: {{ host: localhost, port: {port}, ca: ca.pem, certificate: cert.pem, key: key.pem }}
spool: {{ file: spool/spool.db, sync: full }}
publish: {{ interval_ms: {interval_ms}, ack_timeout_ms: 500, drain_ms: 300000 }}
reconnect: {{ min_ms: 50, max_ms: 300, refused_ms: 300 }}
room: {{ seed: {seed}, speed: 60 }}
topics: {{ telemetry: "{prefix}/{{tenant}}/{{kind}}/{{device}}/telemetry" }}
"""


def write_file(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def read_file(*parts):
    with open(os.path.join(*parts), encoding="utf-8") as file:
        return file.read()


def write_configuration(stack):
    issue_certificates(stack)
    write_broker(stack)
    store = stack.database.uri_of_clients if stack.database else "ingest/store/readings.db"
    os.makedirs(stack.path("ingest", "store"))
    write_file(stack.path("ingest.yaml"), INGEST.format(port=stack.ports["ingest"], store=store))
    write_file(stack.path("kinds.yaml"), read_file(SOURCE, "config", "kinds.yaml"))
    for number, name in enumerate(stack.devices):
        write_device(stack, number, name)


def issue_certificates(stack):
    pki = stack.path("pki")
    ca = lambda *arguments: stack.tools.run("ph-ca", *arguments)
    ca("init", pki)
    ca("issue", "broker", "--ca", pki, "--dns", "localhost", "--ip", "127.0.0.1", "--out", stack.path("broker"), "broker")
    for name in ("ingest", "relay"):
        ca("issue", "service", "--ca", pki, "--tenant", "acme", "--out", stack.path(name), name)
    names = stack.path("names")
    write_file(names, "\n".join(stack.devices) + "\n")
    ca("issue", "device", "--ca", pki, "--tenant", "acme", "--kind", "thermostat", "--names", names,
       "--out", stack.path("devices"))


def write_broker(stack):
    os.makedirs(stack.path("broker", "kept"))
    policy = read_file(SOURCE, "config", "policy.yaml")
    roles = ROLES.format(carried=stack.carried or "none")
    write_file(stack.path("policy.yaml"), policy.replace("roles:\n", roles, 1))
    user = pwd.getpwuid(os.getuid()).pw_name
    write_file(stack.path("mosquitto.conf"), BROKER.format(
        user=user, port=stack.ports["broker"], work=stack.work, plugin=stack.tools.plugin))


def write_device(stack, number, name):
    folder = stack.path("devices", name)
    os.makedirs(os.path.join(folder, "spool"))
    prefix = "relay" if name == stack.carried else "ph/v1"
    write_file(os.path.join(folder, "device.yaml"), DEVICE.format(
        port=stack.ports["devices"], interval_ms=stack.interval_ms, seed=stack.seed * 1000 + number + 1, prefix=prefix))
