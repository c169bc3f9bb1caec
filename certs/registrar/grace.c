/* A device whose certificate has expired cannot connect with it: TLS refuses it before anybody is
 * asked. It comes by a claim, and proves that it has the key of that certificate. */
#include <stdio.h>
#include <string.h>

#include "certs/registrar/turn.h"
#include "x509/signed.h"

static enum ph_err check_grace(struct ph_turn *turn, const struct ph_inventory_entry *entry)
{
    if (strcmp(entry->type, "device") != 0 || strcmp(entry->issuer, "foreign") == 0 ||
        strcmp(entry->tenant, turn->asker->identity.tenant) != 0) {
        return ph_turn_refuse(
            turn, "certificate %s is not that of a device of this tenant", entry->serial);
    }
    if (turn->now_ms < entry->not_before_ms) {
        return ph_turn_refuse(turn, "certificate %s is not valid yet", entry->serial);
    }
    return PH_OK;
}

/* Whose certificate the proof was made with. It is looked up, not verified by a chain: the
 * inventory knows each that was ever issued. */
static enum ph_err find_prover(
    struct ph_turn *turn, struct ph_inventory_entry *entry, struct ph_error *error)
{
    struct ph_signed *proof = NULL;
    struct ph_certificate_facts facts = {0};
    struct ph_error found = {0};
    size_t len = 0;
    const char *csr = turn->ask->csr;
    enum ph_err err = ph_signed_parse(turn->ask->proof, strlen(turn->ask->proof), &proof, &found);
    if (err != PH_OK) {
        return ph_turn_refuse(turn, "proof: %s", found.message);
    }
    const char *text = ph_signed_text(proof, &len);
    if (len != strlen(csr) || memcmp(text, csr, len) != 0) {
        err = ph_turn_refuse(turn, "proof: is not about this request");
        goto out;
    }
    if (ph_certificate_facts(ph_signed_signer(proof), &facts, &found) != PH_OK) {
        err = ph_turn_refuse(turn, "proof: %s", found.message);
        goto out;
    }
    err =
        ph_inventory_find_fingerprint(turn->registrar->inventory, facts.fingerprint, entry, &found);
    if (err == PH_ERR_NOT_FOUND) {
        err = ph_turn_refuse(turn, "proof: its certificate is not in the inventory");
    } else if (err != PH_OK) {
        err = ph_error_set(error, err, "%s", found.message);
    }
out:
    ph_signed_free(&proof);
    return err;
}

static enum ph_err find_expected(struct ph_turn *turn, const struct ph_inventory_entry *entry,
    bool *again, struct ph_error *error)
{
    struct ph_identity identity;
    struct ph_expected expected = {0};
    struct ph_error lookup = {0};
    ph_turn_identity(&identity, entry->tenant, entry->kind, entry->name);
    enum ph_err err = ph_expected_find(turn->registrar->inventory, &identity, &expected, &lookup);
    *again = err == PH_OK && expected.state == PH_EXPECTED;
    return err == PH_OK || err == PH_ERR_NOT_FOUND ? PH_OK
                                                   : ph_error_set(error, err, "%s", lookup.message);
}

/* Whether it is at an end, and why: what the broker would see in the chain, but the root may be
 * offline, so the inventory is asked. */
static bool has_ended(const struct ph_turn *turn, const struct ph_inventory_entry *entry,
    const struct ph_authority *issuer, char why[PH_WHY_BYTES])
{
    bool late = turn->now_ms > entry->not_after_ms + turn->registrar->rules->renew_grace_ms;
    if (entry->revoked_ms != 0) {
        (void)snprintf(
            why, PH_WHY_BYTES, "was revoked: %s", ph_revocation_reason_name(entry->reason));
    } else if (issuer->revoked) {
        (void)snprintf(why, PH_WHY_BYTES, "is by %s, which was revoked", entry->issuer);
    } else {
        (void)snprintf(why, PH_WHY_BYTES, "expired too long ago");
    }
    return late || issuer->revoked || entry->revoked_ms != 0;
}

/* An operator's word is stronger: a device that is expected again enrols as if it were new. One
 * that is still good has no need of a claim, unless its CA was retired while it was away. */
static enum ph_err check_end(struct ph_turn *turn, const struct ph_inventory_entry *entry,
    bool *again, struct ph_error *error)
{
    char why[PH_WHY_BYTES];
    struct ph_authority issuer = {0};
    enum ph_err err = ph_authority_find(turn->registrar->inventory, entry->issuer, &issuer, error);
    if (err != PH_OK) {
        return err;
    }
    bool ended = has_ended(turn, entry, &issuer, why);
    if (!ended && turn->now_ms <= entry->not_after_ms && issuer.state != PH_AUTHORITY_RETIRED) {
        return ph_turn_wait(turn, turn->registrar->rules->retry_waiting_s,
            "certificate %s is still good: renew with it", entry->serial);
    }
    if (!ended) {
        return PH_OK;
    }
    err = find_expected(turn, entry, again, error);
    return err != PH_OK || *again
               ? err
               : ph_turn_refuse(turn, "certificate %s %s: an operator must expect the device again",
                     entry->serial, why);
}

enum ph_err ph_turn_renew_by_proof(
    struct ph_turn *turn, const struct ph_claim *claim, bool *again, struct ph_error *error)
{
    struct ph_inventory_entry entry = {0};
    *again = false;
    enum ph_err err = find_prover(turn, &entry, error);
    if (err == PH_OK) {
        err = check_grace(turn, &entry);
    }
    if (err == PH_OK) {
        err = check_end(turn, &entry, again, error);
    }
    if (err != PH_OK || *again || turn->decided) {
        return err;
    }
    err = ph_turn_check_kind(turn, claim, entry.kind);
    if (err == PH_OK) {
        err = ph_turn_check_allowed(turn, &entry, error);
    }
    return err == PH_OK
               ? ph_turn_renew(turn, &entry, "renewal after expiry, by proof of its key", error)
               : err;
}
