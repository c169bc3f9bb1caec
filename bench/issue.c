/* ph-bench-issue: what a certificate costs in memory, before it is recorded or written: signed,
 * checked as ph-ca does, and printed, for one key over and over and with a new key for each. Prints
 * one line of JSON: certificates per second of CPU time, on one core. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/cli.h"
#include "base/clock.h"
#include "base/limits.h"
#include "certs/ca.h"
#include "certs/signer.h"

enum { NAMES = 1000, NAME_BYTES = 16 };

struct bench {
    struct ph_signer *signer;
    struct ph_leaf leaf;
    int64_t count;
};

static int64_t cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* `key` NULL: a new one for each. */
static enum ph_err measure(
    struct bench *bench, const struct ph_key *key, double *rate, struct ph_error *error)
{
    int64_t now_ms = ph_clock_unix_ms();
    char name[NAME_BYTES];
    struct ph_leaf_order order = {.tenant = "acme",
        .kind = "thermostat",
        .name = name,
        .now_ms = now_ms,
        .not_before_ms = now_ms - PH_CA_BACKDATE_MS,
        .not_after_ms = now_ms + 365 * PH_DAY_MS,
        .cut_to_authority = true};
    enum ph_err err = PH_OK;
    int64_t begin = cpu_ns();
    for (int64_t i = 0; err == PH_OK && i < bench->count; i++) {
        (void)snprintf(name, sizeof name, "t-%06d", (int)(i % NAMES));
        ph_buf_reset(&bench->leaf.key_pem);
        ph_buf_reset(&bench->leaf.certificate_pem);
        ph_buf_reset(&bench->leaf.der);
        err = ph_signer_sign(bench->signer, &order, key, &bench->leaf, error);
    }
    int64_t took = cpu_ns() - begin;
    *rate = (double)bench->count * 1e9 / (double)(took > 0 ? took : 1);
    return err;
}

static enum ph_err measure_both(struct bench *bench, struct ph_error *error)
{
    struct ph_key *key = NULL;
    double one_key = 0;
    double new_keys = 0;
    enum ph_err err = ph_key_new(&key, error);
    if (err == PH_OK) {
        err = measure(bench, key, &one_key, error);
    }
    if (err == PH_OK) {
        err = measure(bench, NULL, &new_keys, error);
    }
    if (err == PH_OK) {
        printf("{\"one_key\":%.0f,\"new_keys\":%.0f}\n", one_key, new_keys);
    }
    ph_key_free(&key);
    return err;
}

static enum ph_err run(const struct ph_cli *cli, struct ph_error *error)
{
    struct bench bench = {0};
    struct ph_ca *ca = NULL;
    ph_buf_init(&bench.leaf.key_pem, PH_LIMIT_CERTIFICATE_BYTES);
    ph_buf_init(&bench.leaf.certificate_pem, PH_LIMIT_CERTIFICATE_BYTES);
    ph_buf_init(&bench.leaf.der, PH_LIMIT_CERTIFICATE_BYTES);
    enum ph_err err = ph_cli_int64(cli, "count", 1, 100000000, 20000, &bench.count, error);
    if (err == PH_OK) {
        err = ph_ca_open(ph_cli_argument(cli, 0), &ca, error);
    }
    if (err == PH_OK) {
        err = ph_signer_open(ca, PH_DEVICES, "acme", ph_clock_unix_ms(), &bench.signer, error);
    }
    if (err == PH_OK) {
        err = measure_both(&bench, error);
    }
    ph_signer_close(&bench.signer);
    ph_ca_close(&ca);
    ph_buf_fini(&bench.leaf.key_pem);
    ph_buf_fini(&bench.leaf.certificate_pem);
    ph_buf_fini(&bench.leaf.der);
    return err;
}

int main(int argc, char **argv)
{
    static const struct ph_cli_option options[] = {
        {"count", "N", "certificates of each kind (default 20000)"},
        {0},
    };
    static const struct ph_cli_command commands[] = {
        {NULL, "DIR", 1, 1, "Sign with the authority in DIR, as fast as it goes.", options, run},
        {0},
    };
    static const struct ph_cli_program program = {
        "ph-bench-issue", "What signing a certificate costs.", commands};
    return ph_cli_main(&program, argc, argv);
}
