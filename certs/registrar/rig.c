#include "certs/registrar/rig.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"
#include "base/text.h"
#include "x509/request.h"

static void require(enum ph_err err, const struct ph_error *error)
{
    if (err != PH_OK) {
        fail_msg("%s", error->message);
    }
}

static void path_of(const struct ph_rig *rig, char out[PATH_MAX], const char *file)
{
    (void)snprintf(out, PATH_MAX, "%s/%s", rig->dir, file);
}

static void issue(struct ph_rig *rig, enum ph_ca_role role, const char *kind, const char *name,
    int64_t days, int64_t limit)
{
    char out[PATH_MAX];
    char folder[80];
    struct ph_error error = {0};
    (void)snprintf(folder, sizeof folder, "issued-%s", name);
    path_of(rig, out, folder);
    const struct ph_ca_order order = {
        .role = role,
        .tenant = "acme",
        .kind = role == PH_DEVICES ? kind : NULL,
        .names = &name,
        .name_count = 1,
        .out = out,
        .claim = {.kind = role == PH_CLAIMS ? kind : NULL, .limit = limit},
        .actor = {.who = "tester", .why = "test"},
        .now_ms = rig->now_ms,
        .not_before_ms = rig->now_ms - PH_CA_BACKDATE_MS,
        .not_after_ms = rig->now_ms + days * PH_DAY_MS,
    };
    require(ph_ca_issue(rig->ca, &order, &error), &error);
}

static void start(struct ph_rig *rig)
{
    char certificate[PATH_MAX];
    char key[PATH_MAX];
    struct ph_error error = {0};
    path_of(rig, certificate, "issued-registrar/cert.pem");
    path_of(rig, key, "issued-registrar/key.pem");
    require(
        ph_registrar_new(rig->ca, &rig->rules, certificate, key, &rig->registrar, &error), &error);
}

void ph_rig_open(struct ph_rig *rig)
{
    char pki[PATH_MAX];
    struct ph_error error = {0};
    *rig = (struct ph_rig){.dir = "/tmp/ph-registrar-test-XXXXXX", .now_ms = ph_clock_unix_ms()};
    rig->rules = (struct ph_registrar_rules){
        .device_ms = 100 * PH_DAY_MS,
        .renew_at = 0.6,
        .renew_jitter = 0.1,
        .rollover_ms = 10 * PH_DAY_MS,
        .renew_grace_ms = 5 * PH_DAY_MS,
        .retry_waiting_s = 60,
        .retry_refused_s = 3600,
    };
    assert_non_null(mkdtemp(rig->dir));
    path_of(rig, pki, "pki");
    const struct ph_ca_plan plan = {.name = "test",
        .now_ms = rig->now_ms,
        .root_days = 4000,
        .authority_days = 3000,
        .root_crl_days = 1000,
        .crl_days = 1000};
    require(ph_ca_create(pki, &plan, &error), &error);
    require(ph_ca_open(pki, &rig->ca, &error), &error);
    rig->inventory = ph_ca_inventory(rig->ca);
    issue(rig, PH_SERVICES, NULL, "registrar", 1000, 0);
    start(rig);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void ph_rig_close(struct ph_rig *rig)
{
    ph_registrar_free(&rig->registrar);
    ph_ca_close(&rig->ca);
    assert_int_equal(nftw(rig->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

void ph_rig_restart(struct ph_rig *rig)
{
    char pki[PATH_MAX];
    struct ph_error error = {0};
    path_of(rig, pki, "pki");
    ph_registrar_free(&rig->registrar);
    ph_ca_close(&rig->ca);
    require(ph_ca_open(pki, &rig->ca, &error), &error);
    rig->inventory = ph_ca_inventory(rig->ca);
    start(rig);
}

static void become(struct ph_rig_peer *peer, bool claim)
{
    struct ph_certificate_facts facts = {0};
    struct ph_error error = {0};
    require(ph_certificate_facts(peer->certificate, &facts, &error), &error);
    require(ph_certificate_identity(peer->certificate, &peer->asker.identity, &error), &error);
    memcpy(peer->fingerprint, facts.fingerprint, sizeof peer->fingerprint);
    peer->asker.claim = claim;
    peer->asker.fingerprint = peer->fingerprint;
}

static void load(struct ph_rig *rig, const char *name, bool claim, struct ph_rig_peer *out)
{
    char path[PATH_MAX];
    char file[96];
    struct ph_error error = {0};
    *out = (struct ph_rig_peer){0};
    (void)snprintf(file, sizeof file, "issued-%s/cert.pem", name);
    path_of(rig, path, file);
    require(ph_certificate_load(path, &out->certificate, &error), &error);
    (void)snprintf(file, sizeof file, "issued-%s/key.pem", name);
    path_of(rig, path, file);
    require(ph_key_load(path, &out->key, &error), &error);
    become(out, claim);
}

void ph_rig_claim(
    struct ph_rig *rig, const char *name, const char *kind, int64_t limit, struct ph_rig_peer *out)
{
    issue(rig, PH_CLAIMS, kind, name, 500, limit);
    load(rig, name, true, out);
}

void ph_rig_device(struct ph_rig *rig, const char *name, int64_t days, struct ph_rig_peer *out)
{
    issue(rig, PH_DEVICES, "thermostat", name, days, 0);
    load(rig, name, false, out);
}

void ph_rig_peer_free(struct ph_rig_peer *peer)
{
    ph_certificate_free(&peer->certificate);
    ph_key_free(&peer->key);
}

void ph_rig_expect(struct ph_rig *rig, const char *name, const char *hardware, const char *key_hash)
{
    struct ph_error error = {0};
    struct ph_expected expected = {
        .identity = {.tenant = "acme", .kind = "thermostat"},
        .who = "jane",
        .why = "order 17",
        .made_ms = rig->now_ms,
    };
    assert_true(ph_text_copy(expected.identity.device, sizeof expected.identity.device, name));
    assert_true(ph_text_copy(expected.hardware, sizeof expected.hardware, hardware));
    assert_true(ph_text_copy(expected.key_hash, sizeof expected.key_hash, key_hash));
    require(ph_inventory_begin(rig->inventory, &error), &error);
    require(ph_expected_put(rig->inventory, &expected, &error), &error);
    require(ph_inventory_commit(rig->inventory, &error), &error);
}

void ph_rig_request(const struct ph_identity *subject, struct ph_key **key, char *pem, size_t size)
{
    struct ph_error error = {0};
    struct ph_buf buf;
    ph_buf_init(&buf, PH_LIMIT_CERTIFICATE_BYTES);
    if (*key == NULL) {
        require(ph_key_new(key, &error), &error);
    }
    require(ph_request_make(*key, subject, &buf, &error), &error);
    assert_true(buf.len < size);
    memcpy(pem, buf.data, buf.len + 1);
    ph_buf_fini(&buf);
}

void ph_rig_ask(
    struct ph_rig *rig, const struct ph_asker *asker, struct ph_ask *ask, struct ph_rig_answer *out)
{
    uint8_t bytes[16];
    char id[PH_ASK_ID_BYTES] = "";
    struct ph_error error = {0};
    struct ph_buf request;
    struct ph_buf answer;
    ph_buf_init(&request, PH_LIMIT_ASK_BYTES);
    ph_buf_init(&answer, PH_LIMIT_ANSWER_BYTES);
    ph_random_bytes(bytes, sizeof bytes);
    ph_hex_encode(ask->id, bytes, sizeof bytes);
    require(ph_ask_encode(ask, &request, &error), &error);
    require(ph_registrar_begin(rig->registrar, &error), &error);
    require(ph_registrar_answer(
                rig->registrar, asker, request.data, request.len, rig->now_ms, &answer, id, &error),
        &error);
    require(ph_registrar_commit(rig->registrar, &error), &error);
    assert_string_equal(id, ask->id);
    *out = (struct ph_rig_answer){0};
    require(ph_answer_parse(answer.data, answer.len, &out->message, &out->answer, &error), &error);
    assert_string_equal(out->answer.id, ask->id);
    ph_buf_fini(&request);
    ph_buf_fini(&answer);
}

void ph_rig_answer_free(struct ph_rig_answer *answer)
{
    ph_answer_message_free(&answer->message);
}

void ph_rig_take(
    const struct ph_rig_answer *answer, const struct ph_key *key, struct ph_rig_peer *out)
{
    char path[] = "/tmp/ph-registrar-taken-XXXXXX";
    struct ph_error error = {0};
    char hash[PH_FINGERPRINT_BYTES];
    struct ph_certificate_facts facts = {0};
    assert_int_equal(answer->answer.type, PH_ANSWER_CERTIFICATE);
    *out = (struct ph_rig_peer){0};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    size_t len = strlen(answer->answer.certificate);
    assert_int_equal(write(fd, answer->answer.certificate, len), len);
    (void)close(fd);
    require(ph_certificate_load(path, &out->certificate, &error), &error);
    (void)unlink(path);
    become(out, false);
    require(ph_key_hash(key, hash, &error), &error);
    require(ph_certificate_facts(out->certificate, &facts, &error), &error);
    assert_string_equal(facts.key_hash, hash);
}
