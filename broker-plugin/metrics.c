#include "broker-plugin/metrics.h"

#include <string.h>

#include "base/exposition.h"

/* ---- groups ---- */

static void put_reasons(struct ph_exposition *out, const char *name, const char *help,
    const uint64_t counts[PH_REASON_COUNT])
{
    ph_exposition_head(out, name, "counter", help);
    for (int reason = PH_REASON_NONE + 1; reason < PH_REASON_COUNT; reason++) {
        ph_exposition_row(
            out, name, "reason", ph_reason_name((enum ph_reason)reason), counts[reason]);
    }
}

static void put_connections(
    struct ph_exposition *out, const struct ph_metrics *metrics, const struct ph_metrics_view *view)
{
    static const char connections[] = "phonehome_connections";
    const struct ph_policy *policy = view->state->policy;
    ph_exposition_head(out, connections, "gauge", "Clients that are connected, by role.");
    for (size_t i = 0; i < policy->role_count; i++) {
        ph_exposition_row(
            out, connections, "role", policy->roles[i].name, view->connected_by_role[i]);
    }
    ph_exposition_single(out, "phonehome_connections_quarantined", "gauge",
        "Clients that are connected and in quarantine.", view->quarantined);
    ph_exposition_single(out, "phonehome_connects_admitted_total", "counter",
        "CONNECTs that were admitted.", metrics->admitted);
    put_reasons(out, "phonehome_connects_refused_total", "CONNECTs that were refused, by reason.",
        metrics->refused);
    put_reasons(out, "phonehome_denials_total",
        "Publications, subscriptions, deliveries and wills that were denied, by reason.",
        metrics->denied);
    put_reasons(out, "phonehome_cut_offs_total",
        "Clients that were cut off, connected or not, by reason.", metrics->cut_off);
}

static void put_expiring(struct ph_exposition *out, const struct ph_metrics_view *view)
{
    static const char name[] = "phonehome_certificates_expiring";
    const struct {
        const char *days;
        size_t count;
    } rows[] = {{"1", view->expiring_1d}, {"7", view->expiring_7d}, {"30", view->expiring_30d}};
    ph_exposition_head(
        out, name, "gauge", "Certificates of connected clients that expire within so many days.");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ph_exposition_row(out, name, "within_days", rows[i].days, rows[i].count);
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
static void put_crl(
    struct ph_exposition *out, const char *name, const struct crl *crl, const char *stage)
{
    ph_exposition_text(out, name);
    ph_exposition_text(out, "{");
    ph_exposition_label(out, "anchor", crl->anchor);
    ph_exposition_text(out, ",");
    ph_exposition_label(out, "issuer", crl->life.issuer);
    if (crl->before > 0) {
        ph_exposition_text(out, ",key=\"");
        ph_exposition_count(out, crl->before + 1);
        ph_exposition_text(out, "\"");
    }
    if (stage != NULL) {
        ph_exposition_text(out, ",");
        ph_exposition_label(out, "stage", stage);
    }
    ph_exposition_text(out, "} ");
}

typedef void put_crl_values(
    struct ph_exposition *out, const char *name, const struct crl *crl, int64_t now_ms);

static void put_age(
    struct ph_exposition *out, const char *name, const struct crl *crl, int64_t now_ms)
{
    put_crl(out, name, crl, NULL);
    ph_exposition_ms(out, now_ms - crl->life.this_update_ms);
    ph_exposition_text(out, "\n");
}

static void put_left(
    struct ph_exposition *out, const char *name, const struct crl *crl, int64_t now_ms)
{
    put_crl(out, name, crl, NULL);
    ph_exposition_ms(out, crl->life.next_update_ms - now_ms);
    ph_exposition_text(out, "\n");
}

static void put_entries(
    struct ph_exposition *out, const char *name, const struct crl *crl, int64_t now_ms)
{
    (void)now_ms;
    put_crl(out, name, crl, NULL);
    ph_exposition_count(out, crl->life.entries);
    ph_exposition_text(out, "\n");
}

static void put_stages(
    struct ph_exposition *out, const char *name, const struct crl *crl, int64_t now_ms)
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
        ph_exposition_text(out, i == (size_t)present ? "1\n" : "0\n");
    }
}

static void put_crls(struct ph_exposition *out, const struct ph_metrics_view *view,
    const char *name, const char *help, put_crl_values *values)
{
    const struct ph_state *state = view->state;
    ph_exposition_head(out, name, "gauge", help);
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
    struct ph_exposition *out, const struct ph_metrics *metrics, const struct ph_metrics_view *view)
{
    static const char reloaded[] = "phonehome_policy_last_reload_timestamp_seconds";
    ph_exposition_single(out, "phonehome_policy_generation", "gauge",
        "How many states (policy, CAs, CRLs, deny-lists) have been in force since the start.",
        metrics->generation);
    ph_exposition_single(out, "phonehome_policy_reloads_total", "counter",
        "Changed files that were taken up.", metrics->reloads);
    ph_exposition_single(out, "phonehome_policy_reload_faults_total", "counter",
        "Parts (policy, anchor, deny-lists) that were not taken up because a file of theirs is "
        "bad.",
        metrics->reload_faults);
    ph_exposition_single(out, "phonehome_policy_last_reload_successful", "gauge",
        "1 when no file was bad at the last look, else 0.", metrics->reload_good ? 1 : 0);
    ph_exposition_head(out, reloaded, "gauge",
        "When the state in force was taken up; 0 when it is that of the start.");
    ph_exposition_text(out, reloaded);
    ph_exposition_text(out, " ");
    ph_exposition_ms(out, metrics->reloaded_ms);
    ph_exposition_text(out, "\n");
    ph_exposition_single(out, "phonehome_deny_list_entries", "gauge",
        "Entries of all deny-lists, quarantine included.", ph_deny_count(view->state->deny));
}

static void put_callbacks(struct ph_exposition *out, const struct ph_metrics *metrics)
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
        ph_exposition_head(out, series[s].name, series[s].type, series[s].help);
        for (size_t i = 0; i < PH_CALLBACK_COUNT; i++) {
            ph_exposition_series(out, series[s].name, "callback", names[i]);
            if (s == CALLS || s == TIMED) {
                ph_exposition_count(
                    out, s == CALLS ? metrics->callbacks[i].calls : metrics->callbacks[i].timed);
            } else {
                ph_exposition_ns(out, s == SECONDS ? metrics->callbacks[i].timed_ns
                                                   : metrics->callbacks[i].longest_ns);
            }
            ph_exposition_text(out, "\n");
        }
    }
}

enum ph_err ph_metrics_print(
    const struct ph_metrics *metrics, const struct ph_metrics_view *view, struct ph_buf *out)
{
    struct ph_exposition output = {.buf = out, .err = PH_OK};
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
    ph_exposition_single(&output, "phonehome_audit_records_lost_total", "counter",
        "Audit records that could not be written.", view->audit_lost);
    put_callbacks(&output, metrics);
    return output.err;
}
