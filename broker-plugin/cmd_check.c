#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "broker-plugin/broker_conf.h"
#include "broker-plugin/cmd.h"
#include "broker-plugin/state.h"

const struct ph_cli_option ph_policy_check_options[] = {
    {"broker-config", "FILE", "also check this mosquitto.conf and what it includes"},
    {NULL, NULL, NULL},
};

/* Prints every finding; the error says the first. */
static enum ph_err check_broker(const char *path, struct ph_error *error)
{
    struct ph_findings *findings = calloc(1, sizeof *findings);
    if (findings == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
    }
    enum ph_err err = ph_broker_conf_check(path, findings, error);
    for (size_t i = 0; i < findings->count; i++) {
        printf("%s\n", findings->text[i]);
    }
    size_t count = findings->count + findings->left_out;
    if (err == PH_OK && count > 0) {
        err = ph_error_set(error, PH_ERR_CONFIG,
            "%s: %zu settings to change: the plugin would not start", path, count);
    }
    free(findings);
    return err;
}

static enum ph_err check_expiry(
    const char *path, const struct ph_state *state, struct ph_error *error)
{
    const struct ph_anchor *anchor = ph_state_expired_anchor(state, ph_clock_unix_ms());
    return anchor == NULL
               ? PH_OK
               : ph_error_set(error, PH_ERR_CONFIG,
                     "%s: anchor \"%s\": a CRL has expired: nobody would enter; renew it", path,
                     anchor->name);
}

enum ph_err ph_policy_check_run(const struct ph_cli *cli, struct ph_error *error)
{
    const char *path = ph_cli_argument(cli, 0);
    const char *broker_config = ph_cli_value(cli, "broker-config");
    struct ph_state *state = NULL;
    enum ph_err err = ph_state_load(path, &state, error);
    if (err == PH_OK) {
        err = check_expiry(path, state, error);
    }
    if (err == PH_OK) {
        printf("%s: %zu anchors, %zu roles: good\n", path, state->policy->anchor_count,
            state->policy->role_count);
    }
    ph_state_free(&state);
    if (err == PH_OK && broker_config != NULL) {
        err = check_broker(broker_config, error);
        if (err == PH_OK) {
            printf("%s: good\n", broker_config);
        }
    }
    return err;
}
