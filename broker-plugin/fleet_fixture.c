#include "broker-plugin/fleet_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "broker-plugin/broker_inside.h"

#define TOLD_BYTES 4000000
#define LOG_BYTES  1000000
#define PATH_BYTES 128
#define WAIT_MS    10000

const char fleet_anchors[] = "lists: [deny.txt]\n"
                             "anchors:\n"
                             "  - name: devices\n"
                             "    ca: [root.pem, devices.pem, field.pem]\n"
                             "    crl: [root.crl, devices.crl, field.crl]\n"
                             "    crl_grace_s: 3600\n"
                             "  - name: services\n"
                             "    ca: [root.pem, services.pem]\n"
                             "    crl: [root.crl, services.crl]\n"
                             "    kinds: [service]\n";

const char fleet_roles[] =
    "roles:\n"
    "  - name: device\n"
    "    match: {anchor: devices, kind: thermostat}\n"
    "    publish: ['d/{tenant}/{device}/telemetry', 'd/{tenant}/{device}/status']\n"
    "    will: ['d/{tenant}/{device}/status']\n"
    "    subscribe: ['d/{tenant}/{device}/command', 'all/news']\n"
    "    status: 'd/{tenant}/{device}/status'\n"
    "  - name: ingest\n"
    "    match: {anchor: services, kind: service, device: ingest}\n"
    "    subscribe: ['d/#']\n"
    "    provenance: false\n";

static const struct {
    const char *name;
    enum ph_certificate_type type;
} ca_specs[FLEET_CA_COUNT] = {
    [FLEET_ROOT] = {"root", PH_CERTIFICATE_ROOT},
    [FLEET_DEVICES] = {"devices", PH_CERTIFICATE_CLIENT_CA},
    [FLEET_FIELD] = {"field", PH_CERTIFICATE_CLIENT_CA},
    [FLEET_SERVICES] = {"services", PH_CERTIFICATE_CLIENT_CA},
};

static char *log_lines;
static size_t log_len;

static void hear(enum ph_log_level level, const char *line)
{
    (void)level;
    size_t len = strlen(line);
    if (log_lines != NULL && log_len + len + 2 < LOG_BYTES) {
        (void)snprintf(log_lines + log_len, LOG_BYTES - log_len, "%s\n", line);
        log_len += len + 1;
    }
}

static void must(enum ph_err err, const struct ph_error *error)
{
    if (err != PH_OK) {
        fail_msg("%s", error->message);
    }
}

/* ---- files ---- */

const char *fleet_path(const struct fleet *fleet, const char *name)
{
    static char paths[4][PATH_BYTES];
    static unsigned next;
    char *path = paths[next++ % 4];
    assert_true(snprintf(path, PATH_BYTES, "%s/%s", fleet->dir, name) < PATH_BYTES);
    return path;
}

static void write_bytes(const struct fleet *fleet, const char *name, const void *bytes, size_t len)
{
    struct ph_error error = {0};
    must(ph_file_replace(fleet_path(fleet, name), 0600, bytes, len, &error), &error);
}

void fleet_write(const struct fleet *fleet, const char *name, const char *text)
{
    write_bytes(fleet, name, text, strlen(text));
}

void fleet_write_policy(const struct fleet *fleet, const char *anchors, const char *roles)
{
    static char text[16384];
    int len = snprintf(text, sizeof text, "%s%s", anchors != NULL ? anchors : fleet_anchors,
        roles != NULL ? roles : fleet_roles);
    assert_in_range(len, 1, sizeof text - 1);
    fleet_write(fleet, FLEET_POLICY, text);
}

/* ---- certificates ---- */

static void write_buf(
    const struct fleet *fleet, const char *ca, const char *suffix, const struct ph_buf *pem)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%s.%s", ca, suffix);
    write_bytes(fleet, name, pem->data, pem->len);
}

static void make_authority(struct fleet *fleet, enum fleet_ca ca)
{
    struct fleet_authority *made = &fleet->authorities[ca];
    const struct fleet_authority *root = &fleet->authorities[FLEET_ROOT];
    const struct ph_certificate_content content = {.type = ca_specs[ca].type,
        .name = ca_specs[ca].name,
        .not_before_ms = FLEET_NOW_MS - 30 * FLEET_DAY_MS,
        .not_after_ms = FLEET_NOW_MS + 365 * FLEET_DAY_MS};
    struct ph_error error = {0};
    struct ph_buf pem;
    must(ph_key_new(&made->key, &error), &error);
    must(ph_certificate_issue(&content, made->key, ca == FLEET_ROOT ? NULL : root->certificate,
             root->key, &made->certificate, &error),
        &error);
    ph_buf_init(&pem, 65536);
    must(ph_certificate_print(made->certificate, &pem, &error), &error);
    write_buf(fleet, ca_specs[ca].name, "pem", &pem);
    ph_buf_fini(&pem);
}

void fleet_write_crl(struct fleet *fleet, enum fleet_ca ca, int64_t next_update_ms)
{
    const struct fleet_authority *authority = &fleet->authorities[ca];
    struct ph_error error = {0};
    struct ph_crl *crl = NULL;
    struct ph_buf pem;
    must(ph_crl_new(&crl, &error), &error);
    for (size_t i = 0; i < authority->revoked_count; i++) {
        must(ph_crl_add(crl, authority->revoked[i], FLEET_NOW_MS - FLEET_HOUR_MS, 1, &error),
            &error);
    }
    ph_buf_init(&pem, 65536);
    must(ph_crl_sign(crl, authority->certificate, authority->key, ++fleet->crl_number,
             FLEET_NOW_MS - FLEET_HOUR_MS, next_update_ms, &pem, &error),
        &error);
    write_buf(fleet, ca_specs[ca].name, "crl", &pem);
    ph_buf_fini(&pem);
    ph_crl_free(&crl);
}

void fleet_revoke(struct fleet *fleet, enum fleet_ca ca, const char *serial)
{
    struct fleet_authority *authority = &fleet->authorities[ca];
    assert_true(authority->revoked_count < FLEET_REVOKED_MAX);
    (void)snprintf(authority->revoked[authority->revoked_count++], PH_SERIAL_BYTES, "%s", serial);
    fleet_write_crl(fleet, ca, FLEET_NOW_MS + 7 * FLEET_DAY_MS);
}

static void certify(struct fleet *fleet, struct fleet_device *out, const struct ph_key *key,
    enum fleet_ca ca, const char *tenant, const char *name, int64_t not_after_ms)
{
    const char *kind = ca == FLEET_SERVICES ? "service" : "thermostat";
    const struct ph_certificate_content content = {.type = PH_CERTIFICATE_CLIENT,
        .organization = tenant,
        .unit = kind,
        .name = name,
        .not_before_ms = FLEET_NOW_MS - FLEET_HOUR_MS,
        .not_after_ms = not_after_ms};
    struct ph_error error = {0};
    must(ph_certificate_issue(&content, key, fleet->authorities[ca].certificate,
             fleet->authorities[ca].key, &out->certificate, &error),
        &error);
    must(ph_certificate_facts(out->certificate, &out->facts, &error), &error);
    (void)snprintf(out->client_id, sizeof out->client_id, "%s/%s/%s", tenant, kind, name);
}

void fleet_issue(struct fleet *fleet, struct fleet_device *out, enum fleet_ca ca,
    const char *tenant, const char *name, int64_t not_after_ms)
{
    struct ph_error error = {0};
    *out = (struct fleet_device){.certificate = NULL};
    must(ph_key_new(&out->key, &error), &error);
    certify(fleet, out, out->key, ca, tenant, name, not_after_ms);
}

void fleet_renew(struct fleet *fleet, struct fleet_device *out, const struct fleet_device *device,
    enum fleet_ca ca, const char *tenant, const char *name)
{
    *out = (struct fleet_device){.certificate = NULL};
    certify(fleet, out, device->key, ca, tenant, name, FLEET_NOW_MS + 30 * FLEET_DAY_MS);
}

void fleet_device_fini(struct fleet_device *device)
{
    ph_key_free(&device->key);
    ph_certificate_free(&device->certificate);
}

/* ---- life ---- */

void fleet_init(struct fleet *fleet)
{
    *fleet = (struct fleet){.dir = "/tmp/ph-fleet-XXXXXX"};
    assert_non_null(mkdtemp(fleet->dir));
    fleet->told = calloc(1, TOLD_BYTES);
    log_lines = calloc(1, LOG_BYTES);
    assert_true(fleet->told != NULL && log_lines != NULL);
    for (enum fleet_ca ca = FLEET_ROOT; ca < FLEET_CA_COUNT; ca++) {
        make_authority(fleet, ca);
        fleet_write_crl(fleet, ca, FLEET_NOW_MS + 7 * FLEET_DAY_MS);
    }
    fleet_write(fleet, FLEET_DENY, "# nobody\n");
    fleet_write_policy(fleet, NULL, NULL);
    fleet_write(fleet, "mosquitto.conf",
        "plugin /usr/lib/mosquitto_phonehome.so\nlistener 8883\ncertfile c\nkeyfile k\ncafile a\n"
        "require_certificate true\n");
    ph_log_sink_set(hear);
}

void fleet_fini(struct fleet *fleet)
{
    static const char *const files[] = {
        FLEET_POLICY, FLEET_DENY, "mosquitto.conf", "audit.jsonl", "metrics.prom"};
    fleet_close(fleet);
    ph_log_sink_set(NULL);
    for (enum fleet_ca ca = FLEET_ROOT; ca < FLEET_CA_COUNT; ca++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%s.pem", ca_specs[ca].name);
        (void)unlink(fleet_path(fleet, name));
        (void)snprintf(name, sizeof name, "%s.crl", ca_specs[ca].name);
        (void)unlink(fleet_path(fleet, name));
        ph_key_free(&fleet->authorities[ca].key);
        ph_certificate_free(&fleet->authorities[ca].certificate);
    }
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        (void)unlink(fleet_path(fleet, files[i]));
    }
    assert_int_equal(rmdir(fleet->dir), 0);
    free(fleet->told);
    free(log_lines);
    log_lines = NULL;
}

static void tell(struct fleet *fleet, const char *line)
{
    size_t len = strlen(line);
    assert_true(fleet->told_len + len < TOLD_BYTES);
    memcpy(fleet->told + fleet->told_len, line, len + 1);
    fleet->told_len += len;
}

static void note_kick(struct fleet *fleet, const char *word, const char *name)
{
    char line[PH_USER_NAME_BYTES + 16];
    (void)snprintf(line, sizeof line, "%s %s\n", word, name);
    tell(fleet, line);
    fleet->kicks++;
    if (fleet->on_kick != NULL) {
        fleet->on_kick(fleet, name);
    }
}

static void take_kick(void *context, const char *user_name)
{
    note_kick(context, "kick", user_name);
}

static void take_kick_client(void *context, const char *client_id)
{
    note_kick(context, "kick-client", client_id);
}

static void take_publish(void *context, const char *topic, const void *payload, size_t len)
{
    struct fleet *fleet = context;
    char line[1024];
    (void)snprintf(line, sizeof line, "publish %s %.*s\n", topic, (int)len, (const char *)payload);
    tell(fleet, line);
    fleet->publishes++;
}

void fleet_forget(struct fleet *fleet)
{
    fleet->told[0] = '\0';
    fleet->told_len = 0;
    fleet->kicks = 0;
    fleet->publishes = 0;
    log_lines[0] = '\0';
    log_len = 0;
}

enum ph_err fleet_try_open(struct fleet *fleet, struct ph_error *error)
{
    const struct ph_broker_host host = {.kick = take_kick,
        .kick_client = take_kick_client,
        .publish = take_publish,
        .context = fleet};
    const struct ph_broker_options options = {.policy_file = fleet_path(fleet, FLEET_POLICY),
        .broker_config = fleet_path(fleet, "mosquitto.conf"),
        .audit_file = fleet_path(fleet, "audit.jsonl"),
        .metrics_file = fleet_path(fleet, "metrics.prom")};
    fleet->now_ms = FLEET_NOW_MS;
    fleet->now_monotonic_ms = 1000000;
    fleet_forget(fleet);
    return ph_broker_open(&options, &host, fleet->now_ms, &fleet->broker, error);
}

void fleet_open(struct fleet *fleet)
{
    struct ph_error error = {0};
    (void)unlink(fleet_path(fleet, "audit.jsonl"));
    must(fleet_try_open(fleet, &error), &error);
}

void fleet_close(struct fleet *fleet)
{
    ph_broker_close(&fleet->broker);
}

/* ---- clients ---- */

enum ph_verdict fleet_connect(struct fleet *fleet, struct fleet_device *device)
{
    const struct ph_connect connect = {.client = device,
        .certificate = device->certificate,
        .client_id = device->client_id,
        .address = "192.0.2.1"};
    char user_name[PH_USER_NAME_BYTES];
    enum ph_verdict verdict = ph_broker_connect(
        fleet->broker, &connect, fleet->now_ms, fleet->now_monotonic_ms, user_name);
    if (verdict == PH_ADMIT) {
        memcpy(device->user_name, user_name, sizeof user_name);
    } else {
        assert_string_equal(user_name, "");
    }
    return verdict;
}

void fleet_end(struct fleet *fleet, const struct fleet_device *device)
{
    ph_broker_end(fleet->broker, device);
}

bool fleet_may(struct fleet *fleet, const struct fleet_device *device, enum ph_access_type type,
    const char *topic)
{
    const struct ph_access access = {.client = device,
        .user_name = device->user_name,
        .topic = topic,
        .type = type,
        .has_address = true};
    return ph_broker_access(fleet->broker, &access);
}

bool fleet_send(
    struct fleet *fleet, const struct fleet_device *device, const char *topic, size_t payload_bytes)
{
    const struct ph_publish publish = {.client = device,
        .user_name = device->user_name,
        .topic = topic,
        .payload_bytes = payload_bytes};
    struct ph_provenance provenance;
    return ph_broker_message(fleet->broker, &publish, &provenance);
}

/* ---- time ---- */

void fleet_tick(struct fleet *fleet, int64_t after_ms)
{
    fleet->now_ms += after_ms;
    fleet->now_monotonic_ms += after_ms;
    ph_broker_tick(fleet->broker, fleet->now_ms, fleet->now_monotonic_ms);
}

static void sleep_a_little(void)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    (void)nanosleep(&pause, NULL);
}

void fleet_pass(struct fleet *fleet, int seconds)
{
    for (int i = 0; i < seconds; i++) {
        fleet_tick(fleet, 1000);
        sleep_a_little();
    }
}

void fleet_wait_reload(struct fleet *fleet)
{
    const struct ph_metrics *metrics = ph_broker_metrics(fleet->broker);
    uint64_t before = metrics->reloads + metrics->reload_faults;
    fleet_tick(fleet, 1000);
    for (int i = 0; metrics->reloads + metrics->reload_faults == before; i++) {
        if (i == WAIT_MS) {
            fail_msg("no load within %d ms", WAIT_MS);
        }
        sleep_a_little();
        fleet_tick(fleet, 0);
    }
}

void fleet_settle(struct fleet *fleet)
{
    const struct ph_broker *broker = fleet->broker;
    for (int i = 0;
         broker->sweep.active || ph_sessions_queued(broker->sessions) || broker->strays != NULL;
         i++) {
        assert_true(i < WAIT_MS);
        fleet_tick(fleet, 0);
    }
}

void fleet_reload(struct fleet *fleet)
{
    fleet_wait_reload(fleet);
    fleet_settle(fleet);
}

/* ---- what happened ---- */

bool fleet_told(const struct fleet *fleet, const char *text)
{
    return strstr(fleet->told, text) != NULL;
}

bool fleet_logged(const char *text)
{
    return strstr(log_lines, text) != NULL;
}

size_t fleet_audited_count(const struct fleet *fleet, const char *text)
{
    struct ph_error error = {0};
    struct ph_buf audit;
    size_t count = 0;
    ph_buf_init(&audit, 16000000);
    must(ph_file_load(fleet_path(fleet, "audit.jsonl"), &audit, &error), &error);
    must(ph_buf_append(&audit, "", 1), &error);
    for (const char *at = audit.data; (at = strstr(at, text)) != NULL; at++) {
        count++;
    }
    ph_buf_fini(&audit);
    return count;
}

bool fleet_audited(const struct fleet *fleet, const char *text)
{
    return fleet_audited_count(fleet, text) > 0;
}
