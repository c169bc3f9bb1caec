#include "certs/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/authority_trust.h"
#include "certs/commands.h"
#include "certs/report_parts.h"

const char *const ph_report_types[PH_REPORT_TYPES] = {
    "device", "broker", "service", "claim", "authority"};
const enum ph_inventory_state ph_report_states[PH_REPORT_STATES] = {PH_STATE_VALID,
    PH_STATE_NOT_YET_VALID, PH_STATE_EXPIRED, PH_STATE_REVOKED, PH_STATE_SUPERSEDED, PH_STATE_HELD};

#define WEEK_MS (7 * PH_DAY_MS)

enum ph_err ph_report_note(
    struct ph_report *report, struct ph_error *error, const char *topic, const char *format, ...)
{
    va_list arguments;
    struct ph_report_notice *notices =
        realloc(report->notices, (report->notice_count + 1) * sizeof *notices);
    if (notices == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "report: out of memory");
    }
    report->notices = notices;
    struct ph_report_notice *notice = &notices[report->notice_count++];
    notice->topic = topic;
    va_start(arguments, format);
    (void)vsnprintf(notice->text, sizeof notice->text, format, arguments);
    va_end(arguments);
    return PH_OK;
}

/* ---- what expires when ---- */

/* Months since the year 0. */
static int64_t month_of(int64_t ms)
{
    char text[PH_UTC_BYTES];
    long long year = 0;
    long long month = 0;
    ph_utc_print(text, ms);
    return sscanf(text, "%4lld-%2lld-", &year, &month) == 2 ? year * 12 + month - 1 : 0;
}

static int64_t today(const struct ph_report *report)
{
    return report->now_ms - report->now_ms % PH_DAY_MS;
}

static size_t bar_of(const struct ph_report *report, int64_t ms)
{
    int64_t bar = report->step == PH_REPORT_WEEKS ? (ms - today(report)) / WEEK_MS
                                                  : month_of(ms) - month_of(report->now_ms);
    return bar < PH_REPORT_BARS - 1 ? (size_t)bar : PH_REPORT_BARS - 1;
}

static void label_bars(struct ph_report *report)
{
    int64_t month = month_of(report->now_ms);
    for (int i = 0; i < PH_REPORT_BARS - 1; i++) {
        struct ph_report_bar *bar = &report->bars[i];
        if (report->step == PH_REPORT_WEEKS) {
            ph_utc_print(bar->label, today(report) + i * WEEK_MS);
            bar->label[sizeof "2026-11-22" - 1] = '\0';
        } else {
            (void)snprintf(bar->label, sizeof bar->label, "%04d-%02d", (int)((month + i) / 12),
                (int)((month + i) % 12) + 1);
        }
    }
    (void)snprintf(report->bars[PH_REPORT_BARS - 1].label, sizeof report->bars[0].label, "later");
}

/* The times of all valid leaves, kept until it is known which step shows them best. */
struct ends {
    int64_t *items;
    size_t count;
    size_t size;
};

static enum ph_err keep_end(struct ends *ends, int64_t end_ms, struct ph_error *error)
{
    if (ends->count == ends->size) {
        size_t size = ends->size > 0 ? 2 * ends->size : 1024;
        int64_t *items = reallocarray(ends->items, size, sizeof *items);
        if (items == NULL) {
            return ph_error_set(error, PH_ERR_MEMORY, "report: out of memory");
        }
        ends->items = items;
        ends->size = size;
    }
    ends->items[ends->count++] = end_ms;
    return PH_OK;
}

static void draw_bars(struct ph_report *report, const struct ends *ends)
{
    size_t soon = 0;
    for (size_t i = 0; i < ends->count; i++) {
        soon += ends->items[i] < today(report) + 13 * WEEK_MS ? 1 : 0;
    }
    if (report->step == PH_REPORT_AUTO) {
        report->step = 2 * soon >= ends->count ? PH_REPORT_WEEKS : PH_REPORT_MONTHS;
    }
    label_bars(report);
    for (size_t i = 0; i < ends->count; i++) {
        report->bars[bar_of(report, ends->items[i])].count++;
    }
}

/* ---- one look at every certificate ---- */

struct look {
    struct ph_report_work *work;
    struct ends ends;
};

/* A certificate that another of its holder outlives has been renewed. */
static enum ph_err keep_leaf(
    struct ph_report_work *work, const struct ph_inventory_entry *entry, struct ph_error *error)
{
    char key[PH_INVENTORY_WORD_BYTES + 1 + PH_IDENTITY_BYTES];
    char holder[PH_IDENTITY_BYTES];
    ph_ca_holder(holder, sizeof holder, entry);
    (void)snprintf(key, sizeof key, "%s %s", entry->type, holder);
    struct ph_report_leaf *leaf = ph_map_get(work->leaves, key, strlen(key));
    if (leaf != NULL && leaf->not_after_ms >= entry->not_after_ms) {
        return PH_OK;
    }
    bool fresh = leaf == NULL;
    leaf = fresh ? malloc(sizeof *leaf) : leaf;
    if (leaf == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "report: out of memory");
    }
    memcpy(leaf->type, entry->type, sizeof leaf->type);
    memcpy(leaf->holder, holder, sizeof leaf->holder);
    leaf->not_before_ms = entry->not_before_ms;
    leaf->not_after_ms = entry->not_after_ms;
    if (fresh && ph_map_put(work->leaves, key, strlen(key), leaf) != PH_OK) {
        free(leaf);
        return ph_error_set(error, PH_ERR_MEMORY, "report: out of memory");
    }
    return PH_OK;
}

static void count_for_issuer(struct ph_report *report, const struct ph_inventory_entry *entry)
{
    for (size_t i = 0; i < report->ca_count; i++) {
        if (strcmp(report->cas[i].authority.name, entry->issuer) == 0) {
            report->cas[i].valid++;
            return;
        }
    }
}

static enum ph_err look_at(
    const struct ph_inventory_entry *entry, void *context, struct ph_error *error)
{
    struct look *look = context;
    struct ph_report *report = look->work->report;
    enum ph_inventory_state state = ph_inventory_state(entry, report->now_ms);
    for (size_t type = 0; type < PH_REPORT_TYPES; type++) {
        for (size_t i = 0; i < PH_REPORT_STATES; i++) {
            bool counts =
                state == ph_report_states[i] && strcmp(entry->type, ph_report_types[type]) == 0;
            report->counts[type][i] += counts ? 1 : 0;
        }
    }
    look->work->held += state == PH_STATE_HELD ? 1 : 0;
    if (state != PH_STATE_VALID) {
        return PH_OK;
    }
    count_for_issuer(report, entry);
    if (strcmp(entry->type, "authority") == 0) {
        return PH_OK;
    }
    enum ph_err err = keep_leaf(look->work, entry, error);
    return err == PH_OK ? keep_end(&look->ends, entry->not_after_ms, error) : err;
}

/* ---- all of it ---- */

static enum ph_err list_cas(struct ph_report_work *work, struct ph_error *error)
{
    struct ph_report *report = work->report;
    struct ph_authority_list list = {0};
    enum ph_err err = ph_authorities_list(ph_ca_inventory(work->ca), &list, error);
    if (err == PH_OK) {
        report->cas = calloc(list.count + 1, sizeof *report->cas);
        err = report->cas != NULL ? PH_OK
                                  : ph_error_set(error, PH_ERR_MEMORY, "report: out of memory");
    }
    for (size_t i = 0; err == PH_OK && i < list.count; i++) {
        report->cas[report->ca_count++].authority = list.items[i];
    }
    ph_authority_list_free(&list);
    return err;
}

enum ph_err ph_report_gather(struct ph_ca *ca, const struct ph_report_options *options,
    struct ph_report *out, struct ph_error *error)
{
    struct ph_report_work work = {.ca = ca, .options = options, .report = out};
    struct look look = {.work = &work};
    *out = (struct ph_report){.now_ms = options->now_ms, .step = options->step};
    work.leaves = ph_map_new();
    enum ph_err err = work.leaves != NULL
                          ? list_cas(&work, error)
                          : ph_error_set(error, PH_ERR_MEMORY, "report: out of memory");
    if (err == PH_OK) {
        err = ph_inventory_each(ph_ca_inventory(ca), NULL, look_at, &look, error);
    }
    if (err == PH_OK) {
        draw_bars(out, &look.ends);
        err = ph_report_attend(&work, error);
    }
    free(look.ends.items);
    ph_map_free_values(&work.leaves, free);
    return err;
}

void ph_report_fini(struct ph_report *report)
{
    free(report->cas);
    free(report->notices);
    *report = (struct ph_report){0};
}
