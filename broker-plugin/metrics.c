#include "broker-plugin/metrics.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"

/* Where the text goes; the first error sticks. */
struct output {
    struct ph_buf *buf;
    enum ph_err err;
};

static void put(struct output *out, const char *text)
{
    if (out->err == PH_OK) {
        out->err = ph_buf_append_text(out->buf, text);
    }
}

static void put_count(struct output *out, uint64_t value)
{
    if (out->err == PH_OK) {
        out->err = ph_buf_printf(out->buf, "%" PRIu64, value);
    }
}

/* A number of thousandths (3 digits) or billionths (9), without floating point: its decimal sign is
 * the host's locale's. */
static void put_fixed(struct output *out, int64_t value, uint64_t per_unit, int digits)
{
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    if (out->err == PH_OK) {
        out->err = ph_buf_printf(out->buf, "%s%" PRIu64 ".%0*" PRIu64, value < 0 ? "-" : "",
            magnitude / per_unit, digits, magnitude % per_unit);
    }
}

static void put_milliseconds(struct output *out, int64_t ms)
{
    put_fixed(out, ms, 1000, 3);
}

static void put_nanoseconds(struct output *out, uint64_t ns)
{
    put_fixed(out, ns > INT64_MAX ? INT64_MAX : (int64_t)ns, 1000000000, 9);
}

static void put_head(struct output *out, const char *name, const char *type, const char *help)
{
    put(out, "# HELP ");
    put(out, name);
    put(out, " ");
    put(out, help);
    put(out, "\n# TYPE ");
    put(out, name);
    put(out, " ");
    put(out, type);
    put(out, "\n");
}

/* A series without labels. */
static void put_single(
    struct output *out, const char *name, const char *type, const char *help, uint64_t value)
{
    put_head(out, name, type, help);
    put(out, name);
    put(out, " ");
    put_count(out, value);
    put(out, "\n");
}

/* What the exposition format wants escaped and ph_text_escape() leaves. */
static void put_label(struct output *out, const char *key, const char *value)
{
    char escaped[1024];
    put(out, key);
    put(out, "=\"");
    ph_text_escape(escaped, sizeof escaped, value);
    for (char *text = escaped; *text != '\0';) {
        size_t plain = strcspn(text, "\\\"");
        char special[] = {'\\', text[plain], '\0'};
        text[plain] = '\0';
        put(out, text);
        text += plain;
        if (special[1] != '\0') {
            put(out, special);
            text++;
        }
    }
    put(out, "\"");
}

/* "name{key="value"} ", for a value to follow. */
static void put_series(struct output *out, const char *name, const char *key, const char *value)
{
    put(out, name);
    put(out, "{");
    put_label(out, key, value);
    put(out, "} ");
}

/* ---- groups ---- */

static void put_reasons(
    struct output *out, const char *name, const char *help, const uint64_t counts[PH_REASON_COUNT])
{
    put_head(out, name, "counter", help);
    for (int reason = PH_REASON_NONE + 1; reason < PH_REASON_COUNT; reason++) {
        put_series(out, name, "reason", ph_reason_name((enum ph_reason)reason));
        put_count(out, counts[reason]);
        put(out, "\n");
    }
}

static void put_connections(
    struct output *out, const struct ph_metrics *metrics, const struct ph_metrics_view *view)
{
    static const char connections[] = "phonehome_connections";
    const struct ph_policy *policy = view->state->policy;
    put_head(out, connections, "gauge", "Clients that are connected, by role.");
    for (size_t i = 0; i < policy->role_count; i++) {
        put_series(out, connections, "role", policy->roles[i].name);
        put_count(out, view->connected_by_role[i]);
        put(out, "\n");
    }
    put_single(out, "phonehome_connections_quarantined", "gauge",
        "Clients that are connected and in quarantine.", view->quarantined);
    put_single(out, "phonehome_connects_admitted_total", "counter", "CONNECTs that were admitted.",
        metrics->admitted);
    put_reasons(out, "phonehome_connects_refused_total", "CONNECTs that were refused, by reason.",
        metrics->refused);
    put_reasons(out, "phonehome_denials_total",
        "Publications, subscriptions, deliveries and wills that were denied, by reason.",
        metrics->denied);
    put_reasons(out, "phonehome_cut_offs_total",
        "Clients that were cut off, connected or not, by reason.", metrics->cut_off);
}

static void put_expiring(struct output *out, const struct ph_metrics_view *view)
{
    static const char name[] = "phonehome_certificates_expiring";
    const struct {
        const char *days;
        size_t count;
    } rows[] = {{"1", view->expiring_1d}, {"7", view->expiring_7d}, {"30", view->expiring_30d}};
    put_head(
        out, name, "gauge", "Certificates of connected clients that expire within so many days.");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put_series(out, name, "within_days", rows[i].days);
        put_count(out, rows[i].count);
        put(out, "\n");
    }
}

/* ---- CRLs ---- */

/* Two CAs of one anchor may bear one name (a new key), and a series may be there only once. */
static size_t same_issuer_before(const struct ph_trust *trust, size_t index)
{
    struct ph_crl_life life = ph_trust_crl_life(trust, index);
    size_t count = 0;
    for (size_t i = 0; i < index; i++) {
        count += strcmp(ph_trust_crl_life(trust, i).issuer, life.issuer) == 0 ? 1 : 0;
    }
    return count;
}

struct crl {
    const char *anchor;
    struct ph_crl_life life;
    size_t before; /* CRLs of CAs with the same name */
};

/* Up to the value; a stage is a label more. */
static void put_crl(struct output *out, const char *name, const struct crl *crl, const char *stage)
{
    put(out, name);
    put(out, "{");
    put_label(out, "anchor", crl->anchor);
    put(out, ",");
    put_label(out, "issuer", crl->life.issuer);
    if (crl->before > 0) {
        put(out, ",key=\"");
        put_count(out, crl->before + 1);
        put(out, "\"");
    }
    if (stage != NULL) {
        put(out, ",");
        put_label(out, "stage", stage);
    }
    put(out, "} ");
}

typedef void put_crl_values(
    struct output *out, const char *name, const struct crl *crl, int64_t now_ms);

static void put_age(struct output *out, const char *name, const struct crl *crl, int64_t now_ms)
{
    put_crl(out, name, crl, NULL);
    put_milliseconds(out, now_ms - crl->life.this_update_ms);
    put(out, "\n");
}

static void put_left(struct output *out, const char *name, const struct crl *crl, int64_t now_ms)
{
    put_crl(out, name, crl, NULL);
    put_milliseconds(out, crl->life.next_update_ms - now_ms);
    put(out, "\n");
}

static void put_entries(struct output *out, const char *name, const struct crl *crl, int64_t now_ms)
{
    (void)now_ms;
    put_crl(out, name, crl, NULL);
    put_count(out, crl->life.entries);
    put(out, "\n");
}

static void put_stages(struct output *out, const char *name, const struct crl *crl, int64_t now_ms)
{
    static const char *const stages[] = {
        [PH_CRL_FRESH] = "fresh",
        [PH_CRL_AGEING] = "ageing",
        [PH_CRL_GRACE] = "grace",
        [PH_CRL_CLOSED] = "closed",
    };
    enum ph_crl_stage present = ph_crl_stage(&crl->life, now_ms);
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++) {
        put_crl(out, name, crl, stages[i]);
        put(out, i == (size_t)present ? "1\n" : "0\n");
    }
}

static void put_crls(struct output *out, const struct ph_metrics_view *view, const char *name,
    const char *help, put_crl_values *values)
{
    const struct ph_state *state = view->state;
    put_head(out, name, "gauge", help);
    for (size_t i = 0; i < state->policy->anchor_count; i++) {
        for (size_t k = 0; k < ph_trust_crl_count(state->trusts[i]); k++) {
            const struct crl crl = {
                .anchor = state->policy->anchors[i].name,
                .life = ph_trust_crl_life(state->trusts[i], k),
                .before = same_issuer_before(state->trusts[i], k),
            };
            values(out, name, &crl, view->now_ms);
        }
    }
}

/* ---- policy, audit, callbacks ---- */

static void put_policy(
    struct output *out, const struct ph_metrics *metrics, const struct ph_metrics_view *view)
{
    static const char reloaded[] = "phonehome_policy_last_reload_timestamp_seconds";
    put_single(out, "phonehome_policy_generation", "gauge",
        "How many states (policy, CAs, CRLs, deny-lists) have been in force since the start.",
        metrics->generation);
    put_single(out, "phonehome_policy_reloads_total", "counter",
        "Changed files that were taken up.", metrics->reloads);
    put_single(out, "phonehome_policy_reload_faults_total", "counter",
        "Parts (policy, anchor, deny-lists) that were not taken up because a file of theirs is "
        "bad.",
        metrics->reload_faults);
    put_single(out, "phonehome_policy_last_reload_successful", "gauge",
        "1 when no file was bad at the last look, else 0.", metrics->reload_good ? 1 : 0);
    put_head(out, reloaded, "gauge",
        "When the state in force was taken up; 0 when it is that of the start.");
    put(out, reloaded);
    put(out, " ");
    put_milliseconds(out, metrics->reloaded_ms);
    put(out, "\n");
    put_single(out, "phonehome_deny_list_entries", "gauge",
        "Entries of all deny-lists, quarantine included.", ph_deny_count(view->state->deny));
}

static void put_callbacks(struct output *out, const struct ph_metrics *metrics)
{
    static const char *const names[PH_CALLBACK_COUNT] = {
        [PH_CALLBACK_CONNECT] = "connect",
        [PH_CALLBACK_ACCESS] = "access",
        [PH_CALLBACK_MESSAGE] = "message",
        [PH_CALLBACK_TICK] = "tick",
        [PH_CALLBACK_DISCONNECT] = "disconnect",
        [PH_CALLBACK_RELOAD] = "reload",
    };
    enum { CALLS, TIMED, SECONDS, LONGEST };
    static const struct {
        const char *name;
        const char *type;
        const char *help;
    } series[] = {
        [CALLS] = {"phonehome_callback_calls_total", "counter",
            "Calls of the broker, by callback."},
        [TIMED] = {"phonehome_callback_timed_calls_total", "counter",
            "Those of the calls whose time was taken; of the frequent ones it is a sample."},
        [SECONDS] = {"phonehome_callback_timed_seconds_total", "counter",
            "Time spent in the calls whose time was taken."},
        [LONGEST] = {"phonehome_callback_longest_seconds", "gauge",
            "The longest call whose time was taken, since the start."},
    };
    for (size_t s = 0; s < sizeof series / sizeof series[0]; s++) {
        put_head(out, series[s].name, series[s].type, series[s].help);
        for (size_t i = 0; i < PH_CALLBACK_COUNT; i++) {
            put_series(out, series[s].name, "callback", names[i]);
            if (s == CALLS || s == TIMED) {
                put_count(
                    out, s == CALLS ? metrics->callbacks[i].calls : metrics->callbacks[i].timed);
            } else {
                put_nanoseconds(out, s == SECONDS ? metrics->callbacks[i].timed_ns
                                                  : metrics->callbacks[i].longest_ns);
            }
            put(out, "\n");
        }
    }
}

enum ph_err ph_metrics_print(
    const struct ph_metrics *metrics, const struct ph_metrics_view *view, struct ph_buf *out)
{
    struct output output = {.buf = out, .err = PH_OK};
    put_connections(&output, metrics, view);
    put_expiring(&output, view);
    put_crls(&output, view, "phonehome_crl_age_seconds", "Time since a CRL's thisUpdate.", put_age);
    put_crls(&output, view, "phonehome_crl_left_seconds",
        "Time until a CRL's nextUpdate; negative when it is past.", put_left);
    put_crls(&output, view, "phonehome_crl_entries", "Revoked certificates of a CRL.", put_entries);
    put_crls(&output, view, "phonehome_crl_stage",
        "1 for the stage that a CRL is in: fresh, ageing from 75 % of its life, grace after "
        "nextUpdate, closed.",
        put_stages);
    put_policy(&output, metrics, view);
    put_single(&output, "phonehome_audit_records_lost_total", "counter",
        "Audit records that could not be written.", view->audit_lost);
    put_callbacks(&output, metrics);
    return output.err;
}
