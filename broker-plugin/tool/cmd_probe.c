#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "broker-plugin/tool/cmd.h"
#include "broker-plugin/tool/probe.h"
#include "x509/certificate.h"

enum { TIMEOUT_STANDARD_S = 5, TIMEOUT_MAX_S = 3600 };

const struct ph_cli_option ph_policy_probe_options[] = {
    {"url", "URL", "the broker: mqtts://HOST:PORT"},
    {"ca", "FILE", "the CAs that vouch for the broker (PEM)"},
    {"cert", "FILE", "our certificate, and the CAs between it and the root (PEM)"},
    {"key", "FILE", "its private key (PEM)"},
    {"client-id", "ID", "what to connect as (default: the certificate's tenant/kind/device)"},
    {"timeout", "SECONDS", "how long all of it may take, 1 to 3600 (default: 5)"},
    {"quiet", NULL, "say nothing when the broker admits us"},
    {NULL, NULL, NULL},
};

static enum ph_err need(
    const struct ph_cli *cli, const char *name, const char **out, struct ph_error *error)
{
    *out = ph_cli_value(cli, name);
    return *out != NULL ? PH_OK : ph_error_set(error, PH_ERR_USAGE, "probe: want --%s", name);
}

/* The broker would give whoever has none an id of its own, which is not what was asked for. */
static enum ph_err check_client_id(const char *id, struct ph_error *error)
{
    return id == NULL || (id[0] != '\0' && strlen(id) <= PH_LIMIT_CLIENT_ID_BYTES)
               ? PH_OK
               : ph_error_set(error, PH_ERR_USAGE, "probe: --client-id: want 1 to %d bytes",
                     PH_LIMIT_CLIENT_ID_BYTES);
}

static enum ph_err read_options(const struct ph_cli *cli, struct ph_probe_target *target,
    struct ph_probe_options *options, struct ph_error *error)
{
    const char *url = NULL;
    int64_t seconds = 0;
    enum ph_err err = need(cli, "url", &url, error);
    err = err == PH_OK ? need(cli, "ca", &options->ca_file, error) : err;
    err = err == PH_OK ? need(cli, "cert", &options->cert_file, error) : err;
    err = err == PH_OK ? need(cli, "key", &options->key_file, error) : err;
    err = err == PH_OK
              ? ph_cli_int64(cli, "timeout", 1, TIMEOUT_MAX_S, TIMEOUT_STANDARD_S, &seconds, error)
              : err;
    err = err == PH_OK ? ph_probe_target_parse(url, target, error) : err;
    err = err == PH_OK ? check_client_id(options->client_id, error) : err;
    options->target = target;
    options->timeout_ms = seconds * 1000;
    return err;
}

static void print(const struct ph_probe_options *options, const struct ph_probe_answer *answer)
{
    char until[PH_UTC_BYTES];
    char client_id[PH_LIMIT_CLIENT_ID_BYTES * 4 + 1];
    ph_text_escape(client_id, sizeof client_id, options->client_id);
    ph_utc_print(until, answer->not_after_ms);
    (void)printf("%s admits %s: %s, broker's certificate valid until %s, %" PRId64 " ms\n",
        options->target->name, client_id, answer->version, until, answer->took_ms);
}

enum ph_err ph_policy_probe_run(const struct ph_cli *cli, struct ph_error *error)
{
    char identity[PH_IDENTITY_BYTES];
    struct ph_probe_target target;
    struct ph_probe_answer answer = {0};
    struct ph_probe_options options = {.client_id = ph_cli_value(cli, "client-id")};
    enum ph_err err = read_options(cli, &target, &options, error);
    if (err == PH_OK && options.client_id == NULL) {
        err = ph_certificate_client_id(options.cert_file, identity, error);
        options.client_id = identity;
    }
    if (err == PH_OK) {
        err = ph_probe_run(&options, &answer, error);
    }
    if (err == PH_OK && !ph_cli_has(cli, "quiet")) {
        print(&options, &answer);
    }
    return err;
}
