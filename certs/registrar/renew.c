#include <string.h>

#include "certs/registrar/turn.h"

#define PAUSE_MAX_MS (INT64_C(60) * 60 * 1000)

/* A device that loses its new key may ask for another, but not for one a second: each of them ends
 * on the CRL. */
static int64_t pause_ms(const struct ph_turn *turn)
{
    int64_t share = turn->registrar->rules->device_ms / 100;
    return share < PAUSE_MAX_MS ? share : PAUSE_MAX_MS;
}

/* PH_ERR_NOT_FOUND is no error here. */
static enum ph_err look_up(
    enum ph_err err, struct ph_error *found, bool *have, struct ph_error *error)
{
    *have = err == PH_OK;
    if (err == PH_OK || err == PH_ERR_NOT_FOUND) {
        return PH_OK;
    }
    return ph_error_set(error, err, "%s", found->message);
}

static enum ph_err find_by_key(
    struct ph_turn *turn, struct ph_inventory_entry *out, bool *have, struct ph_error *error)
{
    struct ph_error lookup = {0};
    enum ph_err err = ph_inventory_find_key(
        turn->registrar->inventory, ph_request_key_hash(turn->request), out, &lookup);
    return look_up(err, &lookup, have, error);
}

/* A successor that nobody has used yet gives way to the one that is asked for now. */
static enum ph_err make_room(
    struct ph_turn *turn, const struct ph_inventory_entry *current, struct ph_error *error)
{
    struct ph_inventory_entry before = {0};
    struct ph_error lookup = {0};
    bool have = false;
    enum ph_err err =
        ph_inventory_find_successor(turn->registrar->inventory, current->serial, &before, &lookup);
    err = look_up(err, &lookup, &have, error);
    if (err != PH_OK || !have || before.revoked_ms != 0) {
        return err;
    }
    int64_t left_ms = before.issued_ms + pause_ms(turn) - turn->now_ms;
    if (left_ms > 0) {
        return ph_turn_wait(turn, left_ms / 1000 + 1,
            "certificate %s was made for another key just now", before.serial);
    }
    turn->registrar->counts.superseded++;
    return ph_inventory_supersede(turn->registrar->inventory, before.serial, turn->now_ms, error);
}

static enum ph_err issue_next(struct ph_turn *turn, const struct ph_inventory_entry *current,
    const char *why, struct ph_error *error)
{
    struct ph_inventory_entry issued = {0};
    struct ph_grant grant = {
        .predecessor = current,
        .claim = "",
        .approved_by = "registrar",
        .why = why,
        .act = "renew",
    };
    memcpy(grant.identity.tenant, current->tenant, sizeof grant.identity.tenant);
    memcpy(grant.identity.kind, current->kind, sizeof grant.identity.kind);
    memcpy(grant.identity.device, current->name, sizeof grant.identity.device);
    enum ph_err err = make_room(turn, current, error);
    if (err != PH_OK || turn->decided) {
        return err;
    }
    err = ph_turn_grant(turn, &grant, &issued, error);
    turn->registrar->counts.renewed += err == PH_OK ? 1 : 0;
    return err;
}

/* The key is new, or that of the certificate which this request has been answered with before. */
enum ph_err ph_turn_renew(struct ph_turn *turn, const struct ph_inventory_entry *current,
    const char *why, struct ph_error *error)
{
    struct ph_inventory_entry known = {0};
    bool have = false;
    enum ph_err err = find_by_key(turn, &known, &have, error);
    if (err != PH_OK) {
        return err;
    }
    if (have && strcmp(known.predecessor, current->serial) == 0) {
        return ph_turn_repeat(turn, &known, error);
    }
    bool own = strcmp(ph_request_key_hash(turn->request), current->key_hash) == 0;
    if (own && !turn->registrar->rules->renew_reuse_key) {
        return ph_turn_refuse(turn, "this key is in use already: make a new one");
    }
    if (have && !own) {
        return ph_turn_refuse(turn, "this key has had a certificate before: make a new one");
    }
    return issue_next(turn, current, why, error);
}

enum ph_err ph_turn_ask_renew(struct ph_turn *turn, struct ph_error *error)
{
    struct ph_inventory_entry current = {0};
    if (turn->asker->claim) {
        return ph_turn_refuse(turn, "a claim may enroll and nothing else");
    }
    enum ph_err err = ph_turn_find_certificate(turn, &current, error);
    if (err == PH_OK) {
        err = ph_turn_check_allowed(turn, &current, error);
    }
    if (err == PH_OK && strcmp(current.type, "device") != 0) {
        err = ph_turn_refuse(
            turn, "certificate %s is not a device's: an operator renews it", current.serial);
    }
    if (err == PH_OK && strcmp(current.issuer, "foreign") == 0) {
        err = ph_turn_refuse(
            turn, "certificate %s is from another CA: renew it there", current.serial);
    }
    if (err == PH_OK && turn->now_ms > current.not_after_ms) {
        err =
            ph_turn_refuse(turn, "certificate %s has expired: renew it by a claim", current.serial);
    }
    if (err == PH_OK) {
        err = ph_turn_read_request(turn);
    }
    return err == PH_OK ? ph_turn_renew(turn, &current, "renewal by its own certificate", error)
                        : err;
}
