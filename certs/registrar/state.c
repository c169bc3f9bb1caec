/* What a device says of itself after each connect, and what it is told. */
#include <string.h>

#include "base/text.h"
#include "certs/acts.h"
#include "certs/registrar/turn.h"
#include "x509/signed.h"

/* ---- when to renew ---- */

/* Spreads a fleet that was made in one batch, the same way at every question: 0 to 1 by the
 * certificate's fingerprint. */
static double place_of(const struct ph_inventory_entry *entry)
{
    uint8_t bytes[4] = {0};
    char digits[9] = {0};
    memcpy(digits, entry->fingerprint, 8);
    (void)!ph_hex_decode(bytes, sizeof bytes, digits);
    uint32_t number = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
                      (uint32_t)bytes[2] << 8 | (uint32_t)bytes[3];
    return (double)number / (double)UINT32_MAX;
}

static int64_t by_life(const struct ph_turn *turn, const struct ph_inventory_entry *entry)
{
    const struct ph_registrar_rules *rules = turn->registrar->rules;
    double life_ms = (double)(entry->not_after_ms - entry->issued_ms);
    double share = rules->renew_at + (2 * place_of(entry) - 1) * rules->renew_jitter;
    return entry->issued_ms + (int64_t)(life_ms * share);
}

/* Once its CA is no longer the one that issues, a certificate is replaced within the time that a
 * roll-over is given, from the day on which the new CA was made. */
static enum ph_err by_rollover(struct ph_turn *turn, const struct ph_inventory_entry *entry,
    int64_t *due_ms, struct ph_error *error)
{
    struct ph_inventory *inventory = turn->registrar->inventory;
    struct ph_authority own = {0};
    struct ph_authority active = {0};
    struct ph_inventory_entry made = {0};
    enum ph_err err = ph_authority_find(inventory, entry->issuer, &own, error);
    if (err != PH_OK || own.state != PH_AUTHORITY_OLD) {
        return err;
    }
    err = ph_authority_active(inventory, own.role, entry->tenant, &active, error);
    if (err == PH_OK) {
        err = ph_inventory_find(inventory, active.serial, &made, error);
    }
    if (err == PH_OK) {
        int64_t spread_ms = turn->registrar->rules->rollover_ms;
        int64_t rolled_ms = made.issued_ms + (int64_t)((double)spread_ms * place_of(entry));
        *due_ms = rolled_ms < *due_ms ? rolled_ms : *due_ms;
    }
    return err;
}

enum ph_err ph_turn_renew_time(struct ph_turn *turn, const struct ph_inventory_entry *entry,
    int64_t *out_ms, struct ph_error *error)
{
    *out_ms = by_life(turn, entry);
    return strcmp(entry->issuer, "foreign") != 0 ? by_rollover(turn, entry, out_ms, error) : PH_OK;
}

/* ---- state ---- */

/* A certificate that is seen in use for the first time ends what came before it. */
static enum ph_err confirm(
    struct ph_turn *turn, const struct ph_inventory_entry *entry, struct ph_error *error)
{
    int64_t superseded = 0;
    const struct ph_act act = {
        .time_ms = turn->now_ms,
        .who = "registrar",
        .act = "confirm",
        .what = turn->who,
        .why = "in use",
        .detail = "{}",
    };
    enum ph_err err = ph_inventory_confirm(
        turn->registrar->inventory, entry->serial, turn->now_ms, &superseded, error);
    if (err == PH_OK && superseded > 0) {
        err = ph_act_add(turn->registrar->inventory, &act, error);
    }
    turn->registrar->counts.confirmed++;
    turn->registrar->counts.superseded += superseded;
    return err;
}

static enum ph_err offer_trust(struct ph_turn *turn, struct ph_error *error)
{
    struct ph_trust_bundle bundle = {0};
    struct ph_error lookup = {0};
    ph_buf_init(&bundle.statement, PH_LIMIT_SIGNED_BYTES);
    enum ph_err err =
        ph_trust_bundle_after(turn->registrar->inventory, turn->ask->trust, &bundle, &lookup);
    if (err == PH_OK) {
        err = ph_buf_append(&turn->text, bundle.statement.data, bundle.statement.len);
        turn->answer.trust = turn->text.data;
    } else if (err == PH_ERR_NOT_FOUND) {
        err = PH_OK;
    } else {
        err = ph_error_set(error, err, "%s", lookup.message);
    }
    ph_buf_fini(&bundle.statement);
    return err;
}

enum ph_err ph_turn_state(struct ph_turn *turn, struct ph_error *error)
{
    struct ph_inventory_entry entry = {0};
    if (turn->asker->claim) {
        return ph_turn_refuse(turn, "a claim may enroll and nothing else");
    }
    enum ph_err err = ph_turn_find_certificate(turn, &entry, error);
    if (err == PH_OK && strcmp(turn->ask->certificate, entry.fingerprint) != 0) {
        err = ph_turn_refuse(
            turn, "you are connected with certificate %s, not with the one you name", entry.serial);
    }
    if (err == PH_OK && entry.confirmed_ms == 0) {
        err = confirm(turn, &entry, error);
    }
    if (err == PH_OK) {
        err = ph_device_state_put(turn->registrar->inventory, &turn->asker->identity,
            entry.fingerprint, turn->ask->trust, turn->now_ms, error);
    }
    if (err == PH_OK) {
        turn->answer.type = PH_ANSWER_STATE;
        err = ph_turn_renew_time(turn, &entry, &turn->answer.renew_ms, error);
    }
    return err == PH_OK ? offer_trust(turn, error) : err;
}

/* ---- time ---- */

enum ph_err ph_turn_time(struct ph_turn *turn, struct ph_error *error)
{
    struct ph_time_statement statement = {.time_ms = turn->now_ms};
    struct ph_buf text;
    ph_buf_init(&text, PH_LIMIT_SIGNED_BYTES);
    (void)!ph_text_copy(statement.device, sizeof statement.device, turn->who);
    memcpy(statement.nonce, turn->ask->id, sizeof statement.nonce);
    enum ph_err err = ph_time_statement_encode(&statement, &text, error);
    if (err == PH_OK) {
        err = ph_signed_make(text.data, text.len, turn->registrar->certificate,
            turn->registrar->key, turn->registrar->chain.data, &turn->text, error);
    }
    turn->answer.type = PH_ANSWER_TIME;
    turn->answer.token = turn->text.data;
    ph_buf_fini(&text);
    return err;
}
