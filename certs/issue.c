#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "certs/batch.h"
#include "certs/ca.h"
#include "certs/ledger.h"
#include "certs/output.h"
#include "certs/signers.h"

/* Certificates between two transactions: bounds memory and the time that the inventory is locked.
 * An order of a few is written file by file and has a record for each in the log of acts. */
enum { BATCH = 500, FEW = 10, SERIAL_OCTETS = 16 };

struct made {
    uint8_t serial[SERIAL_OCTETS];
    bool recorded;
    bool stored;
    bool made_folder;
};

struct job {
    struct ph_ca *ca;
    const struct ph_ca_order *order;
    const char *list; /* the file of the items; NULL: they are the order's names */
    const struct ph_batch_item *items;
    size_t count;
    struct ph_signers *signers;
    struct ph_buf trust_pem;
    struct made *made; /* one for each item */
    struct ph_leaf *leaves;
    bool made_out;
    int flush_fd;
};

/* Ours have 128 bits; the inventory's text leaves leading zeros out. */
static bool pack_serial(uint8_t out[SERIAL_OCTETS], const char *serial)
{
    char digits[2 * SERIAL_OCTETS + 1];
    size_t len = strlen(serial);
    if (len >= sizeof digits) {
        return false;
    }
    memset(digits, '0', sizeof digits - 1 - len);
    memcpy(digits + sizeof digits - 1 - len, serial, len + 1);
    return ph_hex_decode(out, SERIAL_OCTETS, digits);
}

/* ---- where the files go ---- */

static enum ph_err folder_of(const struct job *job, const struct ph_batch_item *item,
    char out[PATH_MAX], struct ph_error *error)
{
    const char *const parts[3] = {item->tenant, item->kind, item->name};
    size_t len = (size_t)snprintf(out, PATH_MAX, "%s", job->order->out);
    for (int i = 3 - item->levels; len < PATH_MAX && i < 3; i++) {
        len += (size_t)snprintf(out + len, PATH_MAX - len, "/%s", parts[i]);
    }
    return len < PATH_MAX ? PH_OK
                          : ph_error_set(error, PH_ERR_LIMIT, "%s: path too long", job->order->out);
}

/* The folders between --out and the holder's, and --out itself, when this order made them all. */
static void remove_parents(const struct job *job, const struct ph_batch_item *item)
{
    char path[PATH_MAX];
    if (!job->made_out || folder_of(job, item, path, NULL) != PH_OK) {
        return;
    }
    for (int i = 0; i < item->levels; i++) {
        *strrchr(path, '/') = '\0';
        (void)rmdir(path);
    }
}

/* ---- checks before anything is made ---- */

static enum ph_err check_items(const struct job *job, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < job->count; i++) {
        char folder[PATH_MAX];
        err = ph_batch_check_item(&job->items[i], error);
        if (err == PH_OK) {
            err = folder_of(job, &job->items[i], folder, error);
        }
        if (err == PH_OK) {
            err = ph_output_check(folder, error);
        }
    }
    return err;
}

static enum ph_err check_claim(const struct ph_ca_order *order, struct ph_error *error)
{
    const struct ph_batch_item kind = {.kind = order->claim.kind, .name = "any"};
    return order->role == PH_CLAIMS ? ph_batch_check_item(&kind, error) : PH_OK;
}

/* ---- signing ---- */

static void complete(const struct ph_ca_order *order, struct ph_inventory_entry *entry)
{
    memcpy(entry->lineage, entry->serial, sizeof entry->lineage);
    (void)snprintf(entry->origin, sizeof entry->origin, "issued");
    (void)snprintf(entry->approved_by, sizeof entry->approved_by, "%s", order->actor.who);
    (void)snprintf(
        entry->why, sizeof entry->why, "%s", order->actor.why != NULL ? order->actor.why : "");
}

static enum ph_err make(const struct job *job, const struct ph_batch_item *item,
    struct ph_leaf *leaf, struct ph_error *error)
{
    const struct ph_ca_order *order = job->order;
    const struct ph_leaf_order leaf_order = {
        .tenant = item->tenant,
        .kind = item->kind,
        .name = item->name,
        .dns = order->dns,
        .dns_count = order->dns_count,
        .ip = order->ip,
        .ip_count = order->ip_count,
        .now_ms = order->now_ms,
        .not_before_ms = order->not_before_ms,
        .not_after_ms = order->not_after_ms,
        .cut_to_authority = order->cut_to_authority,
    };
    struct ph_signer *signer = NULL;
    struct ph_request *request = NULL;
    enum ph_err err = ph_signers_get(job->signers, item->tenant, order->now_ms, &signer, error);
    if (err == PH_OK && item->request != NULL) {
        err = ph_batch_load_request(job->list, item, &request, error);
    }
    if (err == PH_OK) {
        const struct ph_key *key = request != NULL ? ph_request_key(request) : NULL;
        err = ph_signer_sign(signer, &leaf_order, key, leaf, error);
    }
    if (err == PH_OK) {
        complete(order, &leaf->entry);
    }
    ph_request_free(&request);
    return err;
}

/* ---- recording ---- */

static enum ph_err record_batch(struct job *job, size_t first, size_t count, struct ph_error *error)
{
    struct ph_inventory *inventory = ph_ca_inventory(job->ca);
    enum ph_err err = ph_inventory_begin(inventory, error);
    if (err != PH_OK) {
        return err;
    }
    err = ph_signers_check(job->signers, job->order->now_ms, error);
    if (err == PH_OK) {
        err = ph_ledger_add(job->ca, job->order, job->leaves, count, job->count <= FEW, error);
    }
    if (err != PH_OK) {
        ph_inventory_rollback(inventory);
        return err;
    }
    err = ph_inventory_commit(inventory, error);
    for (size_t i = 0; err == PH_OK && i < count; i++) {
        struct made *made = &job->made[first + i];
        made->recorded = pack_serial(made->serial, job->leaves[i].entry.serial);
    }
    return err;
}

/* ---- files ---- */

typedef enum ph_err store(
    const char *dir, const struct ph_output *output, bool *made, struct ph_error *error);

static enum ph_err store_each(
    struct job *job, size_t first, size_t count, store *how, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < count; i++) {
        const struct ph_leaf *leaf = &job->leaves[i];
        const struct ph_output output = {
            .key = &leaf->key_pem, .ca = &job->trust_pem, .certificate = &leaf->certificate_pem};
        struct made *made = &job->made[first + i];
        char folder[PATH_MAX];
        err = folder_of(job, &job->items[first + i], folder, error);
        if (err == PH_OK) {
            err = how(folder, &output, &made->made_folder, error);
        }
        made->stored = err == PH_OK;
    }
    return err;
}

static enum ph_err finish_each(
    const struct job *job, size_t first, size_t count, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < count; i++) {
        char folder[PATH_MAX];
        err = folder_of(job, &job->items[first + i], folder, error);
        if (err == PH_OK) {
            err = ph_output_finish(folder, error);
        }
    }
    return err;
}

static enum ph_err store_batch(struct job *job, size_t first, size_t count, struct ph_error *error)
{
    const char *out = job->order->out;
    if (job->count <= FEW) {
        return store_each(job, first, count, ph_output_store, error);
    }
    enum ph_err err = store_each(job, first, count, ph_output_prepare, error);
    if (err == PH_OK) {
        err = ph_output_flush(job->flush_fd, out, error);
    }
    if (err == PH_OK) {
        err = finish_each(job, first, count, error);
    }
    return err == PH_OK ? ph_output_flush(job->flush_fd, out, error) : err;
}

/* ---- the whole order ---- */

static enum ph_err run_batch(struct job *job, size_t first, size_t count, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < count; i++) {
        struct ph_leaf *leaf = &job->leaves[i];
        ph_buf_reset(&leaf->key_pem);
        ph_buf_reset(&leaf->certificate_pem);
        ph_buf_reset(&leaf->der);
        err = make(job, &job->items[first + i], leaf, error);
    }
    if (err == PH_OK) {
        err = record_batch(job, first, count, error);
    }
    return err == PH_OK ? store_batch(job, first, count, error) : err;
}

static enum ph_err forget(const struct job *job)
{
    size_t count = 0;
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < job->count; i++) {
        const struct ph_batch_item *item = &job->items[i];
        if (job->made[i].recorded) {
            char serial[PH_SERIAL_BYTES];
            ph_hex_encode(serial, job->made[i].serial, SERIAL_OCTETS);
            err = ph_ledger_remove(
                job->ca, job->order, serial + strspn(serial, "0"), item->tenant, item->name, NULL);
            count++;
        }
    }
    return err == PH_OK && count > 0 ? ph_ledger_withdraw(job->ca, job->order, count, NULL) : err;
}

/* Takes back what a failed order made: first the files, then the rows, so that at no moment a file
 * is there that the inventory does not know. Rows that cannot be removed do no harm. */
static void undo(const struct job *job)
{
    struct ph_inventory *inventory = ph_ca_inventory(job->ca);
    char folder[PATH_MAX];
    for (size_t i = 0; i < job->count; i++) {
        if (job->made[i].stored && folder_of(job, &job->items[i], folder, NULL) == PH_OK) {
            ph_output_remove(folder, job->made[i].made_folder);
        }
        if (job->made[i].recorded) {
            remove_parents(job, &job->items[i]);
        }
    }
    if (ph_inventory_begin(inventory, NULL) != PH_OK) {
        return;
    }
    if (forget(job) != PH_OK || ph_inventory_commit(inventory, NULL) != PH_OK) {
        ph_inventory_rollback(inventory);
    }
}

static enum ph_err open_out(struct job *job, struct ph_error *error)
{
    const char *out = job->order->out;
    if (job->count <= FEW) {
        return PH_OK;
    }
    job->made_out = !ph_path_exists(out);
    enum ph_err err = ph_dir_make(out, 0755, error);
    return err == PH_OK ? ph_output_flush_open(out, &job->flush_fd, error) : err;
}

static enum ph_err run_batches(struct job *job, struct ph_error *error)
{
    size_t batch = job->count < BATCH ? job->count : BATCH;
    job->made = calloc(job->count, sizeof *job->made);
    job->leaves = calloc(batch, sizeof *job->leaves);
    if (job->made == NULL || job->leaves == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "issue: out of memory");
    }
    for (size_t i = 0; i < batch; i++) {
        ph_buf_init(&job->leaves[i].key_pem, PH_LIMIT_CERTIFICATE_BYTES);
        ph_buf_init(&job->leaves[i].certificate_pem, PH_LIMIT_CERTIFICATE_BYTES);
        ph_buf_init(&job->leaves[i].der, PH_LIMIT_CERTIFICATE_BYTES);
    }
    enum ph_err err = open_out(job, error);
    for (size_t first = 0; err == PH_OK && first < job->count; first += batch) {
        size_t left = job->count - first;
        err = run_batch(job, first, left < batch ? left : batch, error);
    }
    if (err != PH_OK) {
        undo(job);
    }
    for (size_t i = 0; i < batch; i++) {
        ph_buf_fini(&job->leaves[i].key_pem);
        ph_buf_fini(&job->leaves[i].certificate_pem);
        ph_buf_fini(&job->leaves[i].der);
    }
    return err;
}

static enum ph_err run(struct job *job, struct ph_error *error)
{
    char path[PATH_MAX];
    bool server = job->order->role == PH_BROKERS;
    enum ph_err err = ph_path_join(path, sizeof path, ph_ca_dir(job->ca),
        server ? "trust/clients.pem" : "trust/brokers.pem", error);
    if (err == PH_OK) {
        err = ph_file_load(path, &job->trust_pem, error);
    }
    if (err == PH_OK) {
        err = ph_signers_new(job->ca, job->order->role, &job->signers, error);
    }
    if (err == PH_OK) {
        err = run_batches(job, error);
    }
    if (job->flush_fd >= 0) {
        (void)close(job->flush_fd);
    }
    ph_signers_free(&job->signers);
    free(job->leaves);
    free(job->made);
    return err;
}

static enum ph_err issue(struct ph_ca *ca, const struct ph_ca_order *order, const char *list,
    const struct ph_batch_item *items, size_t count, struct ph_error *error)
{
    struct job job = {
        .ca = ca, .order = order, .list = list, .items = items, .count = count, .flush_fd = -1};
    ph_buf_init(&job.trust_pem, PH_LIMIT_BUNDLE_BYTES);
    enum ph_err err = check_claim(order, error);
    if (err == PH_OK) {
        err = check_items(&job, error);
    }
    if (err == PH_OK && count > 0) {
        err = run(&job, error);
    }
    ph_buf_fini(&job.trust_pem);
    return err;
}

enum ph_err ph_ca_issue_batch(struct ph_ca *ca, const struct ph_ca_order *order,
    const struct ph_batch *batch, struct ph_error *error)
{
    return issue(ca, order, batch->path, batch->items, batch->count, error);
}

enum ph_err ph_ca_issue(struct ph_ca *ca, const struct ph_ca_order *order, struct ph_error *error)
{
    struct ph_batch_item *items = calloc(order->name_count + 1, sizeof *items);
    if (items == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "issue: out of memory");
    }
    for (size_t i = 0; i < order->name_count; i++) {
        items[i] = (struct ph_batch_item){
            .tenant = order->role == PH_BROKERS ? NULL : order->tenant,
            .kind = order->role == PH_DEVICES ? order->kind : NULL,
            .name = order->names[i],
            .request = order->request,
            .levels = order->folder_per_name ? 1 : 0,
        };
    }
    enum ph_err err = issue(ca, order, NULL, items, order->name_count, error);
    free(items);
    return err;
}
