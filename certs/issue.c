#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "certs/ca.h"
#include "certs/leaf.h"
#include "certs/output.h"
#include "x509/trust.h"

/* Certificates between two transactions: bounds memory, and the time the inventory is locked. */
enum { BATCH = 250 };

struct item {
    char serial[PH_SERIAL_BYTES];
    bool recorded;
    bool stored;
    bool made_folder;
};

struct job {
    struct ph_ca *ca;
    const struct ph_ca_order *order;
    struct ph_leaf_maker maker;
    struct ph_buf trust_pem;
    struct item *items; /* one for each name */
    struct ph_leaf *leaves;
};

static bool is_server(const struct ph_ca_order *order)
{
    return order->authority == PH_BROKERS;
}

/* ---- checks before anything is made ---- */

static enum ph_err check_segment(const char *what, const char *value, struct ph_error *error)
{
    char copy[PH_SEGMENT_BYTES];
    return ph_segment_set(copy, what, value, strlen(value), error);
}

static enum ph_err folder_of(
    const struct ph_ca_order *order, size_t index, char out[PATH_MAX], struct ph_error *error)
{
    if (order->folder_per_name) {
        return ph_path_join(out, PATH_MAX, order->out, order->names[index], error);
    }
    int len = snprintf(out, PATH_MAX, "%s", order->out);
    return len < PATH_MAX ? PH_OK
                          : ph_error_set(error, PH_ERR_LIMIT, "%s: path too long", order->out);
}

static enum ph_err check_names(const struct ph_ca_order *order, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    if (!is_server(order)) {
        err = check_segment("tenant", order->tenant, error);
    }
    if (err == PH_OK && order->authority == PH_DEVICES) {
        err = check_segment("kind", order->kind, error);
    }
    if (err == PH_OK && order->authority == PH_DEVICES && strcmp(order->kind, "service") == 0) {
        err = ph_error_set(error, PH_ERR_USAGE,
            "--kind: \"service\" is the kind of services: use ph-ca issue service");
    }
    for (size_t i = 0; err == PH_OK && i < order->name_count; i++) {
        char folder[PATH_MAX];
        err = check_segment("name", order->names[i], error);
        if (err == PH_OK) {
            err = folder_of(order, i, folder, error);
        }
        if (err == PH_OK) {
            err = ph_output_check(folder, error);
        }
    }
    return err;
}

static enum ph_err check_lifetime(struct job *job, struct ph_error *error)
{
    const struct ph_ca_order *order = job->order;
    struct ph_certificate_facts facts;
    enum ph_err err = ph_certificate_facts(job->maker.ca_certificate, &facts, error);
    if (err != PH_OK) {
        return err;
    }
    job->maker.not_after_ms = order->not_after_ms;
    if (job->maker.not_after_ms > facts.not_after_ms && !order->cut_to_authority) {
        char end[PH_UTC_BYTES];
        ph_utc_print(end, facts.not_after_ms);
        return ph_error_set(error, PH_ERR_USAGE,
            "--days or --not-after: beyond the CA \"%s\", which ends at %s", facts.subject, end);
    }
    if (job->maker.not_after_ms > facts.not_after_ms) {
        job->maker.not_after_ms = facts.not_after_ms;
    }
    return job->maker.not_after_ms / 1000 > order->not_before_ms / 1000
               ? PH_OK
               : ph_error_set(error, PH_ERR_USAGE,
                     "--not-after: want a time after --not-before (and before the CA ends)");
}

/* ---- what all certificates of the order share ---- */

static enum ph_err load_trust(struct job *job, struct ph_error *error)
{
    const char *dir = ph_ca_dir(job->ca);
    enum ph_authority authority = job->order->authority;
    char ca_paths[2][PATH_MAX];
    char crl_paths[2][PATH_MAX];
    char name[PH_SEGMENT_BYTES];
    (void)snprintf(name, sizeof name, "%s", ph_authority_name(authority));
    enum ph_err err = ph_authority_path(ca_paths[0], dir, PH_ROOT, "ca.crt", error);
    if (err == PH_OK) {
        err = ph_authority_path(ca_paths[1], dir, authority, "ca.crt", error);
    }
    if (err == PH_OK) {
        err = ph_authority_path(crl_paths[0], dir, PH_ROOT, "crl.pem", error);
    }
    if (err == PH_OK) {
        err = ph_authority_path(crl_paths[1], dir, authority, "crl.pem", error);
    }
    if (err != PH_OK) {
        return err;
    }
    char *ca_files[] = {ca_paths[0], ca_paths[1]};
    char *crl_files[] = {crl_paths[0], crl_paths[1]};
    const struct ph_anchor anchor = {
        .name = name,
        .ca_files = ca_files,
        .ca_file_count = 2,
        .crl_files = crl_files,
        .crl_file_count = 2,
        .crl_required = true,
    };
    return ph_trust_load(&anchor, &job->maker.trust, error);
}

/* By the inventory: the root may be offline, and its CRL not yet know. */
static enum ph_err check_not_revoked(const struct job *job, struct ph_error *error)
{
    struct ph_inventory *inventory = ph_ca_inventory(job->ca);
    const char *name = ph_authority_name(job->order->authority);
    char serial[PH_SERIAL_BYTES];
    struct ph_inventory_entry entry = {0};
    enum ph_err err = ph_inventory_authority_serial(inventory, name, serial, error);
    if (err == PH_OK) {
        err = ph_inventory_find(inventory, serial, &entry, error);
    }
    return err != PH_OK || entry.revoked_ms == 0
               ? err
               : ph_error_set(error, PH_ERR_DENIED,
                     "%s: %s: revoked: it issues no more; make a new authority with ph-ca init",
                     ph_ca_dir(job->ca), name);
}

static enum ph_err load_job(struct job *job, struct ph_error *error)
{
    const char *dir = ph_ca_dir(job->ca);
    char path[PATH_MAX];
    enum ph_err err = check_not_revoked(job, error);
    if (err == PH_OK) {
        err = ph_authority_path(path, dir, job->order->authority, "ca.crt", error);
    }
    if (err == PH_OK) {
        err = ph_certificate_load(path, &job->maker.ca_certificate, error);
    }
    if (err == PH_OK) {
        err = ph_authority_path(path, dir, job->order->authority, "ca.key", error);
    }
    if (err == PH_OK) {
        err = ph_certificate_check_key(job->maker.ca_certificate, path, error);
    }
    if (err == PH_OK) {
        err = ph_key_load(path, &job->maker.ca_key, error);
    }
    if (err == PH_OK) {
        err = ph_path_join(path, sizeof path, dir,
            is_server(job->order) ? "trust/clients.pem" : "trust/brokers.pem", error);
    }
    if (err == PH_OK) {
        err = ph_file_load(path, &job->trust_pem, error);
    }
    return err == PH_OK ? load_trust(job, error) : err;
}

/* ---- batches ---- */

static enum ph_err record_batch(struct job *job, size_t first, size_t count, struct ph_error *error)
{
    struct ph_inventory *inventory = ph_ca_inventory(job->ca);
    enum ph_err err = ph_inventory_begin(inventory, error);
    if (err != PH_OK) {
        return err;
    }
    for (size_t i = 0; err == PH_OK && i < count; i++) {
        const struct ph_leaf *leaf = &job->leaves[i];
        err = ph_inventory_add(inventory, &leaf->entry, leaf->der.data, leaf->der.len, error);
    }
    if (err != PH_OK) {
        ph_inventory_rollback(inventory);
        return err;
    }
    err = ph_inventory_commit(inventory, error);
    for (size_t i = 0; err == PH_OK && i < count; i++) {
        struct item *item = &job->items[first + i];
        memcpy(item->serial, job->leaves[i].entry.serial, sizeof item->serial);
        item->recorded = true;
    }
    return err;
}

static enum ph_err store_batch(struct job *job, size_t first, size_t count, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < count; i++) {
        const struct ph_leaf *leaf = &job->leaves[i];
        const struct ph_output output = {
            .key = &leaf->key_pem, .ca = &job->trust_pem, .certificate = &leaf->certificate_pem};
        struct item *item = &job->items[first + i];
        char folder[PATH_MAX];
        err = folder_of(job->order, first + i, folder, error);
        if (err == PH_OK) {
            err = ph_output_store(folder, &output, &item->made_folder, error);
        }
        item->stored = err == PH_OK;
    }
    return err;
}

static enum ph_err run_batch(struct job *job, size_t first, size_t count, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < count; i++) {
        struct ph_leaf *leaf = &job->leaves[i];
        ph_buf_init(&leaf->key_pem, PH_LIMIT_CERTIFICATE_BYTES);
        ph_buf_init(&leaf->certificate_pem, PH_LIMIT_CERTIFICATE_BYTES);
        ph_buf_init(&leaf->der, PH_LIMIT_CERTIFICATE_BYTES);
    }
    for (size_t i = 0; err == PH_OK && i < count; i++) {
        err = ph_leaf_make(&job->maker, job->order->names[first + i], &job->leaves[i], error);
    }
    if (err == PH_OK) {
        err = record_batch(job, first, count, error);
    }
    if (err == PH_OK) {
        err = store_batch(job, first, count, error);
    }
    for (size_t i = 0; i < count; i++) {
        ph_buf_fini(&job->leaves[i].key_pem);
        ph_buf_fini(&job->leaves[i].certificate_pem);
        ph_buf_fini(&job->leaves[i].der);
    }
    return err;
}

/* Takes back what a failed order made: first the files, then the rows, so that at no moment a file
 * is there that the inventory does not know. Rows that cannot be removed do no harm. */
static void undo(struct job *job)
{
    struct ph_inventory *inventory = ph_ca_inventory(job->ca);
    char folder[PATH_MAX];
    for (size_t i = 0; i < job->order->name_count; i++) {
        if (job->items[i].stored && folder_of(job->order, i, folder, NULL) == PH_OK) {
            ph_output_remove(folder, job->items[i].made_folder);
        }
    }
    if (ph_inventory_begin(inventory, NULL) != PH_OK) {
        return;
    }
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < job->order->name_count; i++) {
        if (job->items[i].recorded) {
            err = ph_inventory_remove(inventory, job->items[i].serial, NULL);
        }
    }
    if (err == PH_OK) {
        err = ph_inventory_commit(inventory, NULL);
    } else {
        ph_inventory_rollback(inventory);
    }
    (void)err;
}

static enum ph_err run_job(struct job *job, struct ph_error *error)
{
    size_t count = job->order->name_count;
    size_t batch = count < BATCH ? count : BATCH;
    job->items = calloc(count, sizeof *job->items);
    job->leaves = calloc(batch, sizeof *job->leaves);
    if (job->items == NULL || job->leaves == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "issue: out of memory");
    }
    enum ph_err err = PH_OK;
    for (size_t first = 0; err == PH_OK && first < count; first += batch) {
        err = run_batch(job, first, count - first < batch ? count - first : batch, error);
    }
    if (err != PH_OK) {
        undo(job);
    }
    return err;
}

enum ph_err ph_ca_issue(struct ph_ca *ca, const struct ph_ca_order *order, struct ph_error *error)
{
    struct job job = {.ca = ca, .order = order, .maker = {.dir = ph_ca_dir(ca), .order = order}};
    ph_buf_init(&job.trust_pem, PH_LIMIT_BUNDLE_BYTES);
    enum ph_err err = check_names(order, error);
    if (err == PH_OK) {
        err = load_job(&job, error);
    }
    if (err == PH_OK) {
        err = check_lifetime(&job, error);
    }
    if (err == PH_OK && order->name_count > 0) {
        err = run_job(&job, error);
    }
    free(job.items);
    free(job.leaves);
    ph_buf_fini(&job.trust_pem);
    ph_trust_free(&job.maker.trust);
    ph_key_free(&job.maker.ca_key);
    ph_certificate_free(&job.maker.ca_certificate);
    return err;
}
