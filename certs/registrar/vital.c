#include "certs/registrar/vital.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

enum {
    TEXT_BYTES = 1 << 20,
    COUNT_MS = 60000,
    COUNT_REST = 100, /* times as long as counting took nothing is counted */
};

#define REGISTRAR(rest) "phonehome_registrar_" rest
#define CA(rest)        "phonehome_ca_" rest

/* ---- the beat ---- */

static enum ph_err leave_beat(
    struct ph_inventory *inventory, const struct ph_beat *beat, struct ph_error *error)
{
    enum ph_err err = ph_inventory_begin(inventory, error);
    if (err != PH_OK) {
        return err;
    }
    err = ph_inventory_beat(inventory, beat, error);
    if (err != PH_OK) {
        ph_inventory_rollback(inventory);
        return err;
    }
    return ph_inventory_commit(inventory, error);
}

static void beat(struct ph_vital *vital, struct ph_ca *ca, int64_t now_ms)
{
    struct ph_error error = {0};
    if (now_ms < ph_pulse_due_ms(&vital->pulse)) {
        return;
    }
    const struct ph_beat beat = ph_pulse_beat(&vital->pulse);
    bool failed = leave_beat(ph_ca_inventory(ca), &beat, &error) != PH_OK;
    if (failed && !vital->failing) {
        ph_log_error(PH_LOG_ERROR, "the inventory cannot be written: nothing is issued", &error);
    } else if (!failed && vital->failing) {
        ph_log(PH_LOG_INFO, "the inventory can be written again", PH_STR("ca", ph_ca_dir(ca)));
    }
    vital->failing = failed;
    vital->committed_ms = failed ? vital->committed_ms : beat.at_ms;
    ph_pulse_left(&vital->pulse, now_ms); /* or tried */
}

/* ---- metrics ---- */

static void put_count(struct ph_exposition *out, const char *name, const char *help, int64_t value)
{
    ph_exposition_single(out, name, "counter", help, (uint64_t)value);
}

static void put_registrar(struct ph_exposition *out, const struct ph_vital_view *view)
{
    static const char issued[] = REGISTRAR("issued_total");
    const struct ph_registrar_counts *counts = view->counts;
    ph_exposition_single(out, REGISTRAR("connected"), "gauge",
        "1 while the broker has accepted the subscriptions, else 0.",
        view->vital->pulse.connected ? 1 : 0);
    ph_exposition_single_ms(out, REGISTRAR("last_commit_timestamp_seconds"), "gauge",
        "When a sign of life was last committed to the inventory; 0 before the first time.",
        view->vital->committed_ms);
    ph_exposition_head(out, issued, "counter", "Certificates issued over the broker, by why.");
    ph_exposition_row(out, issued, "by", "enrolment", (uint64_t)counts->enrolled);
    ph_exposition_row(out, issued, "by", "renewal", (uint64_t)counts->renewed);
    put_count(out, REGISTRAR("repeated_total"), "Requests answered as before.", counts->repeated);
    put_count(
        out, REGISTRAR("deferred_total"), "Requests that were told to wait.", counts->waiting);
    put_count(out, REGISTRAR("refused_total"), "Requests that were refused.", counts->refused);
    put_count(
        out, REGISTRAR("confirmed_total"), "Certificates first seen in use.", counts->confirmed);
    put_count(out, REGISTRAR("superseded_total"),
        "Certificates revoked because a newer one of their device was seen in use.",
        counts->superseded);
}

static void put_certificates(struct ph_exposition *out, const struct ph_inventory_counts *counts)
{
    static const char states[] = CA("certificates");
    static const char expiring[] = CA("certificates_expiring");
    static const char *const days[] = {"1", "7", "30"};
    ph_exposition_head(out, states, "gauge", "Certificates of the inventory, by state.");
    for (int i = 0; i < PH_INVENTORY_STATES; i++) {
        ph_exposition_row(out, states, "state",
            ph_inventory_state_name((enum ph_inventory_state)(1 << i)),
            (uint64_t)counts->states[i]);
    }
    ph_exposition_head(out, expiring, "gauge",
        "Valid certificates, those of CAs left out, that end within so many days.");
    for (size_t i = 0; i < sizeof days / sizeof days[0]; i++) {
        ph_exposition_row(out, expiring, "within_days", days[i], (uint64_t)counts->expiring[i]);
    }
}

static void put_left(struct ph_exposition *out, const char *name, const struct ph_authority *ca,
    int64_t end_ms, int64_t now_ms)
{
    ph_exposition_series(out, name, "ca", ca->name);
    ph_exposition_ms(out, end_ms - now_ms);
    ph_exposition_text(out, "\n");
}

static void put_authorities(struct ph_exposition *out, const struct ph_vital_view *view)
{
    static const char crl[] = CA("crl_left_seconds");
    static const char ca[] = CA("authority_left_seconds");
    const struct ph_authority_list *list = view->authorities;
    ph_exposition_head(
        out, crl, "gauge", "Time until nextUpdate of a CA's last CRL; negative when it is past.");
    for (size_t i = 0; i < list->count; i++) {
        if (view->crl_ends_ms[i] != 0) {
            put_left(out, crl, &list->items[i], view->crl_ends_ms[i], view->unix_ms);
        }
    }
    ph_exposition_head(
        out, ca, "gauge", "Time until a CA's certificate ends; negative when it is past.");
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].state != PH_AUTHORITY_RETIRED) {
            put_left(out, ca, &list->items[i], list->items[i].not_after_ms, view->unix_ms);
        }
    }
}

void ph_vital_print(const struct ph_vital_view *view, struct ph_exposition *out)
{
    put_registrar(out, view);
    put_certificates(out, &view->vital->counts);
    put_authorities(out, view);
}

/* When the CRLs end, by what the inventory knows of them. */
static enum ph_err find_crls(struct ph_inventory *inventory, const struct ph_authority_list *list,
    int64_t *ends_ms, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < list->count; i++) {
        struct ph_inventory_crl crl = {0};
        if (list->items[i].state != PH_AUTHORITY_RETIRED) {
            err = ph_inventory_crl_get(inventory, list->items[i].name, &crl, error);
        }
        ends_ms[i] = crl.number != 0 ? crl.signed_ms + crl.days * PH_DAY_MS : 0;
    }
    return err;
}

/* Counting reads every row, so it is done less often the longer it takes. */
static enum ph_err count(struct ph_vital *vital, struct ph_inventory *inventory, int64_t now_ms,
    int64_t unix_ms, struct ph_error *error)
{
    if (now_ms < vital->count_ms) {
        return PH_OK;
    }
    struct ph_inventory_counts counts;
    enum ph_err err = ph_inventory_count(inventory, unix_ms, &counts, error);
    if (err != PH_OK) {
        return err;
    }
    vital->counts = counts;
    int64_t rest_ms = COUNT_REST * (ph_clock_monotonic_ms() - now_ms);
    vital->count_ms = now_ms + (rest_ms > COUNT_MS ? rest_ms : COUNT_MS);
    return PH_OK;
}

static enum ph_err gather(struct ph_vital *vital, struct ph_ca *ca, struct ph_vital_view *view,
    struct ph_authority_list *list, int64_t now_ms, struct ph_exposition *out,
    struct ph_error *error)
{
    struct ph_inventory *inventory = ph_ca_inventory(ca);
    enum ph_err err = count(vital, inventory, now_ms, view->unix_ms, error);
    if (err == PH_OK) {
        err = ph_authorities_list(inventory, list, error);
    }
    if (err != PH_OK) {
        return err;
    }
    int64_t *ends_ms = calloc(list->count + 1, sizeof *ends_ms);
    err = ends_ms != NULL ? find_crls(inventory, list, ends_ms, error)
                          : ph_error_set(error, PH_ERR_MEMORY, "metrics: out of memory");
    if (err == PH_OK) {
        view->authorities = list;
        view->crl_ends_ms = ends_ms;
        ph_vital_print(view, out);
    }
    free(ends_ms);
    return err;
}

static void write_metrics(struct ph_vital *vital, struct ph_ca *ca,
    const struct ph_registrar_counts *counts, int64_t now_ms, int64_t unix_ms)
{
    struct ph_vital_view view = {.vital = vital, .counts = counts, .unix_ms = unix_ms};
    struct ph_authority_list list = {0};
    struct ph_buf text;
    struct ph_exposition out = {.buf = &text};
    struct ph_error error = {0};
    ph_buf_init(&text, TEXT_BYTES);
    enum ph_err err = gather(vital, ca, &view, &list, now_ms, &out, &error);
    if (err == PH_OK) {
        ph_exposition_file_write(&vital->metrics, &out, now_ms);
    } else {
        ph_exposition_file_failed(&vital->metrics, &error, now_ms);
    }
    ph_authority_list_free(&list);
    ph_buf_fini(&text);
}

void ph_vital_turn(struct ph_vital *vital, struct ph_ca *ca,
    const struct ph_registrar_counts *counts, bool connected, int64_t now_ms, int64_t unix_ms)
{
    ph_pulse_tell(&vital->pulse, unix_ms, connected);
    beat(vital, ca, now_ms);
    if (ph_exposition_file_is_due(&vital->metrics, now_ms)) {
        write_metrics(vital, ca, counts, now_ms, unix_ms);
    }
}
