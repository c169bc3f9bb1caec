#include "certs/registrar/registrar.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "certs/registrar/turn.h"
#include "certs/root_key.h"
#include "x509/signed.h"

/* ---- made and freed ---- */

/* The file has the leaf and the CAs behind it. */
static enum ph_err load_own(struct ph_registrar *registrar, const char *certificate_file,
    const char *key_file, struct ph_error *error)
{
    enum ph_err err = ph_certificate_load(certificate_file, &registrar->certificate, error);
    if (err == PH_OK) {
        err = ph_certificate_check_key(registrar->certificate, key_file, error);
    }
    if (err == PH_OK) {
        err = ph_key_load(key_file, &registrar->key, error);
    }
    return err == PH_OK ? ph_file_load(certificate_file, &registrar->chain, error) : err;
}

enum ph_err ph_registrar_new(struct ph_ca *ca, const struct ph_registrar_rules *rules,
    const char *certificate_file, const char *key_file, struct ph_registrar **out,
    struct ph_error *error)
{
    struct ph_registrar *registrar = calloc(1, sizeof *registrar);
    if (registrar == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "registrar: out of memory");
    }
    registrar->ca = ca;
    registrar->inventory = ph_ca_inventory(ca);
    registrar->rules = rules;
    registrar->refusals = (struct ph_log_limit){.interval_ms = 1000, .burst = 20};
    registrar->extras = (struct ph_log_limit){.interval_ms = 1000, .burst = 20};
    ph_buf_init(&registrar->chain, PH_LIMIT_CERTIFICATE_BYTES);
    enum ph_err err = load_own(registrar, certificate_file, key_file, error);
    if (err == PH_OK) {
        *out = registrar;
        registrar = NULL;
    }
    ph_registrar_free(&registrar);
    return err;
}

void ph_registrar_free(struct ph_registrar **registrar)
{
    if (registrar == NULL || *registrar == NULL) {
        return;
    }
    ph_signers_free(&(*registrar)->signers);
    ph_buf_fini(&(*registrar)->chain);
    ph_key_free(&(*registrar)->key);
    ph_certificate_free(&(*registrar)->certificate);
    free(*registrar);
    *registrar = NULL;
}

struct ph_registrar_counts ph_registrar_counts(const struct ph_registrar *registrar)
{
    return registrar->counts;
}

/* ---- transactions ---- */

enum ph_err ph_registrar_begin(struct ph_registrar *registrar, struct ph_error *error)
{
    registrar->counted = registrar->counts;
    return ph_inventory_begin(registrar->inventory, error);
}

enum ph_err ph_registrar_commit(struct ph_registrar *registrar, struct ph_error *error)
{
    enum ph_err err = ph_inventory_commit(registrar->inventory, error);
    if (err != PH_OK) {
        registrar->counts = registrar->counted;
    }
    return err;
}

void ph_registrar_rollback(struct ph_registrar *registrar)
{
    ph_inventory_rollback(registrar->inventory);
    registrar->counts = registrar->counted;
}

/* ---- answers ---- */

static enum ph_err decide(struct ph_turn *turn, struct ph_error *error)
{
    switch (turn->ask->type) {
    case PH_ASK_ENROLL:
        return ph_turn_enroll(turn, error);
    case PH_ASK_RENEW:
        return ph_turn_ask_renew(turn, error);
    case PH_ASK_STATE:
        return ph_turn_state(turn, error);
    case PH_ASK_TIME:
        return ph_turn_time(turn, error);
    }
    return ph_error_set(error, PH_ERR_INTERNAL, "request of an unknown type");
}

static void say_refused(struct ph_turn *turn)
{
    static const char *const names[] = {[PH_ASK_ENROLL] = "enroll",
        [PH_ASK_RENEW] = "renew",
        [PH_ASK_STATE] = "state",
        [PH_ASK_TIME] = "time"};
    int64_t suppressed = 0;
    turn->registrar->counts.refused++;
    if (ph_log_limit_pass(&turn->registrar->refusals, turn->now_ms, &suppressed)) {
        ph_log(PH_LOG_WARNING, "refused", PH_STR("from", turn->who),
            PH_STR("ask", names[turn->ask->type]), PH_STR("reason", turn->reason),
            PH_INT("suppressed", suppressed));
    }
}

static void init_turn(struct ph_turn *turn, struct ph_registrar *registrar,
    const struct ph_asker *asker, const struct ph_ask *ask, int64_t now_ms)
{
    *turn = (struct ph_turn){.registrar = registrar, .asker = asker, .ask = ask, .now_ms = now_ms};
    memcpy(turn->answer.id, ask->id, sizeof turn->answer.id);
    ph_identity_print(turn->who, sizeof turn->who, &asker->identity);
    ph_buf_init(&turn->text, PH_LIMIT_SIGNED_BYTES);
}

enum ph_err ph_registrar_answer(struct ph_registrar *registrar, const struct ph_asker *asker,
    const void *bytes, size_t len, int64_t now_ms, struct ph_buf *answer, char id[PH_ASK_ID_BYTES],
    struct ph_error *error)
{
    struct ph_ask_message *message = NULL;
    struct ph_ask ask = {0};
    struct ph_turn turn;
    enum ph_err err = ph_ask_parse(bytes, len, &message, &ask, error);
    if (err != PH_OK) {
        return err;
    }
    memcpy(id, ask.id, PH_ASK_ID_BYTES);
    init_turn(&turn, registrar, asker, &ask, now_ms);
    err = decide(&turn, error);
    if (err != PH_OK && turn.decided) {
        say_refused(&turn);
        err = PH_OK;
    }
    if (err == PH_OK) {
        err = ph_answer_encode(&turn.answer, answer, error);
    }
    ph_request_free(&turn.request);
    ph_buf_fini(&turn.text);
    ph_ask_message_free(&message);
    return err;
}

enum ph_err ph_registrar_apologize(struct ph_registrar *registrar, const void *bytes, size_t len,
    struct ph_buf *answer, char id[PH_ASK_ID_BYTES], struct ph_error *error)
{
    struct ph_ask_message *message = NULL;
    struct ph_ask ask = {0};
    struct ph_answer later = {
        .type = PH_ANSWER_WAIT,
        .reason = "the registrar cannot answer at present",
        .retry_s = registrar->rules->retry_waiting_s,
    };
    enum ph_err err = ph_ask_parse(bytes, len, &message, &ask, error);
    if (err == PH_OK) {
        memcpy(later.id, ask.id, sizeof later.id);
        memcpy(id, ask.id, PH_ASK_ID_BYTES);
        err = ph_answer_encode(&later, answer, error);
    }
    ph_ask_message_free(&message);
    return err;
}

/* ---- CRLs ---- */

struct due {
    struct ph_registrar *registrar;
    int64_t now_ms;
    bool due;
};

/* One whose key is not here, or wants a passphrase (a root's), is an operator's to sign. */
static bool can_sign(const struct ph_authority *authority, const char *dir, const char *key_file)
{
    struct ph_key *key = NULL;
    bool can = authority->role != PH_ROOT
                   ? ph_path_exists(key_file)
                   : ph_root_key_open(dir, authority->name, NULL, &key, NULL) == PH_OK;
    ph_key_free(&key);
    return can;
}

static enum ph_err look_at(
    const struct ph_authority *authority, void *context, struct ph_error *error)
{
    struct due *look = context;
    struct ph_inventory *inventory = look->registrar->inventory;
    struct ph_inventory_crl crl = {0};
    const char *dir = ph_ca_dir(look->registrar->ca);
    char key[PATH_MAX];
    bool revoked = false;
    if (authority->state == PH_AUTHORITY_RETIRED || look->due) {
        return PH_OK;
    }
    enum ph_err err = ph_authority_path(key, dir, authority->name, "ca.key", error);
    if (err == PH_OK) {
        err = ph_inventory_crl_get(inventory, authority->name, &crl, error);
    }
    if (err == PH_OK) {
        err = ph_inventory_crl_due(inventory, authority->name, &revoked, error);
    }
    int64_t age_ms = look->now_ms - crl.signed_ms;
    /* Nobody enters by one that has not begun: the clock was ahead when it was signed. */
    bool begun = age_ms >= -PH_CA_BACKDATE_MS;
    bool due = revoked || !begun || age_ms > crl.days * PH_DAY_MS / 2;
    look->due = err == PH_OK && due && can_sign(authority, dir, key);
    return err;
}

enum ph_err ph_registrar_crls(
    struct ph_registrar *registrar, int64_t now_ms, bool *signed_any, struct ph_error *error)
{
    struct due look = {.registrar = registrar, .now_ms = now_ms};
    enum ph_err err = ph_authorities_each(registrar->inventory, look_at, &look, error);
    *signed_any = err == PH_OK && look.due;
    if (!*signed_any) {
        return err;
    }
    err = ph_ca_publish(registrar->ca, NULL, now_ms, error);
    /* What an offline root has to sign was said when it was revoked. */
    return err == PH_ERR_NOT_FOUND ? PH_OK : err;
}
