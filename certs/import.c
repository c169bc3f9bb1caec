#include "certs/import.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "certs/authority_trust.h"
#include "certs/commands.h"

struct job {
    struct ph_ca *ca;
    const struct ph_import_order *order;
    struct ph_import_counts *counts;
    struct ph_authority_list authorities;
    struct ph_trust **trusts; /* one for each; NULL for a root */
    const char *file;         /* being read */
    int64_t number;           /* of the certificate in it, from 1 */
};

/* ---- the CAs of this authority ---- */

static enum ph_err load_trusts(struct job *job, struct ph_error *error)
{
    enum ph_err err = ph_authorities_list(ph_ca_inventory(job->ca), &job->authorities, error);
    if (err != PH_OK) {
        return err;
    }
    job->trusts = calloc(job->authorities.count + 1, sizeof(struct ph_trust *));
    if (job->trusts == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "import: out of memory");
    }
    for (size_t i = 0; err == PH_OK && i < job->authorities.count; i++) {
        if (job->authorities.items[i].role != PH_ROOT) {
            err = ph_authority_trust_load(
                ph_ca_dir(job->ca), &job->authorities.items[i], false, &job->trusts[i], error);
        }
    }
    return err;
}

static void job_fini(struct job *job)
{
    for (size_t i = 0; job->trusts != NULL && i < job->authorities.count; i++) {
        ph_trust_free(&job->trusts[i]);
    }
    free(job->trusts);
    ph_authority_list_free(&job->authorities);
}

/* Which CA signed it. One that only says so is a forgery, or a mistake that must be looked at. */
static enum ph_err find_issuer(const struct job *job, const struct ph_certificate *certificate,
    char out[PH_AUTHORITY_BYTES], struct ph_error *error)
{
    enum ph_usage usage = job->order->broker ? PH_USAGE_SERVER : PH_USAGE_CLIENT;
    (void)snprintf(out, PH_AUTHORITY_BYTES, "foreign");
    for (size_t i = 0; i < job->authorities.count; i++) {
        const struct ph_trust *trust = job->trusts[i];
        if (trust != NULL && ph_trust_names_issuer(trust, certificate)) {
            (void)snprintf(out, PH_AUTHORITY_BYTES, "%s", job->authorities.items[i].name);
            return ph_trust_check_timeless(trust, certificate, usage, error);
        }
    }
    return PH_OK;
}

/* ---- one certificate ---- */

static enum ph_err read_server(const struct ph_certificate *certificate,
    struct ph_inventory_entry *entry, struct ph_error *error)
{
    char subject[PH_SUBJECT_BYTES];
    ph_certificate_subject(certificate, subject);
    const char *name = ph_subject_get(subject, "CN");
    (void)snprintf(entry->type, sizeof entry->type, "broker");
    if (name == NULL) {
        return ph_error_set(error, PH_ERR_DENIED, "subject: want a CN, exactly one, for a broker");
    }
    return ph_segment_set(entry->name, "CN", name, strlen(name), error);
}

static enum ph_err read_client(const struct ph_certificate *certificate,
    struct ph_inventory_entry *entry, struct ph_error *error)
{
    struct ph_identity identity;
    enum ph_err err = ph_certificate_identity(certificate, &identity, error);
    if (err != PH_OK) {
        return err;
    }
    bool device = !ph_ca_kind_reserved(identity.kind);
    (void)snprintf(entry->type, sizeof entry->type, "%.15s", device ? "device" : identity.kind);
    memcpy(entry->tenant, identity.tenant, sizeof entry->tenant);
    memcpy(entry->kind, identity.kind, sizeof entry->kind);
    memcpy(entry->name, identity.device, sizeof entry->name);
    return PH_OK;
}

static enum ph_err read_entry(const struct job *job, const struct ph_certificate *certificate,
    const struct ph_certificate_facts *facts, struct ph_inventory_entry *entry,
    struct ph_error *error)
{
    const struct ph_import_order *order = job->order;
    *entry = (struct ph_inventory_entry){
        .issued_ms = facts->not_before_ms,
        .not_before_ms = facts->not_before_ms,
        .not_after_ms = facts->not_after_ms,
        .origin = "imported",
    };
    memcpy(entry->serial, facts->serial, sizeof entry->serial);
    memcpy(entry->lineage, facts->serial, sizeof entry->lineage);
    memcpy(entry->fingerprint, facts->fingerprint, sizeof entry->fingerprint);
    memcpy(entry->key_hash, facts->key_hash, sizeof entry->key_hash);
    (void)snprintf(entry->approved_by, sizeof entry->approved_by, "%s", order->actor.who);
    (void)snprintf(entry->why, sizeof entry->why, "%s", order->actor.why);
    enum ph_err err = ph_certificate_check_profile(
        certificate, order->broker ? PH_USAGE_SERVER : PH_USAGE_CLIENT, error);
    if (err == PH_OK) {
        err = order->broker ? read_server(certificate, entry, error)
                            : read_client(certificate, entry, error);
    }
    return err == PH_OK ? find_issuer(job, certificate, entry->issuer, error) : err;
}

/* A serial number and a key belong to one holder. */
static enum ph_err check_unique(
    struct ph_inventory *inventory, const struct ph_inventory_entry *entry, struct ph_error *error)
{
    struct ph_inventory_entry other;
    char holder[PH_IDENTITY_BYTES];
    char other_holder[PH_IDENTITY_BYTES];
    if (ph_inventory_find(inventory, entry->serial, &other, NULL) == PH_OK) {
        ph_ca_holder(other_holder, sizeof other_holder, &other);
        return ph_error_set(error, PH_ERR_EXISTS,
            "serial number %s: the inventory has it for %s, issued by %s, and can have each but "
            "once",
            entry->serial, other_holder, other.issuer);
    }
    if (ph_inventory_find_key(inventory, entry->key_hash, &other, NULL) != PH_OK) {
        return PH_OK;
    }
    ph_ca_holder(holder, sizeof holder, entry);
    ph_ca_holder(other_holder, sizeof other_holder, &other);
    return strcmp(holder, other_holder) == 0 && strcmp(entry->type, other.type) == 0
               ? PH_OK
               : ph_error_set(error, PH_ERR_DENIED,
                     "key of %s: %s has it (certificate %s): a key is one holder's; make it a new "
                     "one",
                     holder, other_holder, other.serial);
}

static enum ph_err add(struct job *job, const struct ph_certificate *certificate,
    const struct ph_inventory_entry *entry, struct ph_error *error)
{
    char holder[PH_IDENTITY_BYTES];
    char detail[2 * PH_FINGERPRINT_BYTES + PH_SERIAL_BYTES + PH_AUTHORITY_BYTES];
    struct ph_buf der;
    ph_buf_init(&der, PH_LIMIT_CERTIFICATE_BYTES);
    ph_ca_holder(holder, sizeof holder, entry);
    (void)snprintf(detail, sizeof detail,
        "{\"serial\":\"%s\",\"issuer\":\"%s\",\"fingerprint\":\"%s\"}", entry->serial,
        entry->issuer, entry->fingerprint);
    enum ph_err err = ph_certificate_encode(certificate, &der, error);
    if (err == PH_OK) {
        err = ph_inventory_add(ph_ca_inventory(job->ca), entry, der.data, der.len, error);
    }
    if (err == PH_OK) {
        err = ph_ca_record(
            job->ca, &job->order->actor, job->order->now_ms, "import", holder, detail, error);
    }
    if (err == PH_OK) {
        job->counts->added++;
        job->counts->foreign += ph_ca_foreign(entry) ? 1 : 0;
    }
    ph_buf_fini(&der);
    return err;
}

static enum ph_err take(
    struct job *job, const struct ph_certificate *certificate, struct ph_error *error)
{
    struct ph_inventory *inventory = ph_ca_inventory(job->ca);
    struct ph_certificate_facts facts;
    struct ph_inventory_entry entry;
    enum ph_err err = ph_certificate_facts(certificate, &facts, error);
    if (err != PH_OK) {
        return err;
    }
    if (ph_inventory_find_fingerprint(inventory, facts.fingerprint, &entry, NULL) == PH_OK) {
        job->counts->known++;
        return PH_OK;
    }
    err = read_entry(job, certificate, &facts, &entry, error);
    if (err == PH_OK) {
        err = check_unique(inventory, &entry, error);
    }
    return err == PH_OK ? add(job, certificate, &entry, error) : err;
}

static enum ph_err visit(
    const struct ph_certificate *certificate, void *context, struct ph_error *error)
{
    struct job *job = context;
    job->number++;
    if (ph_certificate_is_ca(certificate)) {
        job->counts->authorities++;
        return PH_OK;
    }
    enum ph_err err = take(job, certificate, error);
    return err == PH_OK
               ? PH_OK
               : ph_error_prefix(error, err, "%s: certificate %" PRId64, job->file, job->number);
}

static enum ph_err import_files(struct ph_ca *ca, void *context, struct ph_error *error)
{
    struct job *job = context;
    (void)ca;
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < job->order->file_count; i++) {
        job->file = job->order->files[i];
        job->number = 0;
        err = ph_certificates_each(job->file, visit, job, error);
    }
    return err;
}

enum ph_err ph_import(struct ph_ca *ca, const struct ph_import_order *order,
    struct ph_import_counts *counts, struct ph_error *error)
{
    struct job job = {.ca = ca, .order = order, .counts = counts};
    *counts = (struct ph_import_counts){0};
    enum ph_err err = load_trusts(&job, error);
    if (err == PH_OK) {
        err = ph_ca_transaction(ca, import_files, &job, error);
    }
    job_fini(&job);
    return err;
}
