#include "certs/rollover_fixture.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "adapters/sqlite.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "certs/claims.h"
#include "x509/signed.h"
#include "x509/trust.h"

struct rolled rolled;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int rolled_set_up(void **state)
{
    (void)state;
    struct ph_error error = {0};
    rolled.now_ms = ph_clock_unix_ms();
    const struct ph_ca_plan plan = {.name = "test",
        .now_ms = rolled.now_ms,
        .root_days = 100,
        .authority_days = 50,
        .root_crl_days = 30,
        .crl_days = 7};
    (void)snprintf(rolled.dir, sizeof rolled.dir, "/tmp/ph-rollover-test-XXXXXX");
    if (mkdtemp(rolled.dir) == NULL) {
        return -1;
    }
    (void)snprintf(rolled.pki, sizeof rolled.pki, "%s/pki", rolled.dir);
    if (ph_ca_create(rolled.pki, &plan, &error) != PH_OK ||
        ph_ca_open(rolled.pki, &rolled.ca, &error) != PH_OK) {
        fprintf(stderr, "%s\n", error.message);
        return -1;
    }
    return 0;
}

int rolled_tear_down(void **state)
{
    (void)state;
    ph_ca_close(&rolled.ca);
    return nftw(rolled.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- what the tests do and ask ---- */

struct ph_authority_change rolled_change_of(enum ph_ca_role role, const char *tenant)
{
    return (struct ph_authority_change){.role = role,
        .tenant = tenant,
        .actor = {.who = "tester", .why = "test"},
        .now_ms = rolled.now_ms};
}

void rolled_succeeds(rolled_change *run, const struct ph_authority_change *order)
{
    struct ph_error error = {0};
    if (run(rolled.ca, order, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
}

void rolled_refuses(
    rolled_change *run, const struct ph_authority_change *order, enum ph_err want, const char *text)
{
    struct ph_error error = {0};
    assert_int_equal(run(rolled.ca, order, &error), want);
    if (strstr(error.message, text) == NULL) {
        fail_msg("want \"%s\", have \"%s\"", text, error.message);
    }
}

void rolled_issue(const char *name)
{
    static int orders; /* each into a folder of its own */
    struct ph_error error = {0};
    char out[128];
    (void)snprintf(out, sizeof out, "%s/out-%s-%d", rolled.dir, name, orders++);
    const struct ph_ca_order order = {.role = PH_DEVICES,
        .tenant = "acme",
        .kind = "thermostat",
        .names = &name,
        .name_count = 1,
        .out = out,
        .actor = {.who = "tester"},
        .now_ms = rolled.now_ms,
        .not_before_ms = rolled.now_ms,
        .not_after_ms = rolled.now_ms + PH_DAY_MS};
    if (ph_ca_issue(rolled.ca, &order, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
}

const char *rolled_state_of(const char *name)
{
    struct ph_authority authority;
    return ph_authority_find(ph_ca_inventory(rolled.ca), name, &authority, NULL) == PH_OK
               ? ph_authority_state_name(authority.state)
               : "none";
}

void rolled_load(const char *file, struct ph_buf *out)
{
    struct ph_error error = {0};
    char path[PATH_MAX];
    ph_buf_init(out, PH_LIMIT_BUNDLE_BYTES);
    (void)snprintf(path, sizeof path, "%s/%s", rolled.pki, file);
    if (ph_file_load(path, out, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
}

/* Whether a bundle has the certificate of a CA. */
bool rolled_holds(const char *bundle, const char *name)
{
    struct ph_buf all;
    struct ph_buf one;
    char file[PH_AUTHORITY_BYTES + 16];
    (void)snprintf(file, sizeof file, "%s/ca.crt", name);
    rolled_load(bundle, &all);
    rolled_load(file, &one);
    bool found = strstr(all.data, one.data) != NULL;
    ph_buf_fini(&all);
    ph_buf_fini(&one);
    return found;
}

/* As a broker reads it: every CA of the bundle has its CRL. */
static void broker_takes(const char *bundle)
{
    struct ph_error error = {0};
    struct ph_trust *trust = NULL;
    char ca_file[128];
    char crl_file[128];
    (void)snprintf(ca_file, sizeof ca_file, "%s/trust/%s", rolled.pki, bundle);
    (void)snprintf(crl_file, sizeof crl_file, "%s/trust/crl.pem", rolled.pki);
    char *ca_files[] = {ca_file};
    char *crl_files[] = {crl_file};
    char name[] = "test";
    const struct ph_anchor anchor = {.name = name,
        .ca_files = ca_files,
        .ca_file_count = 1,
        .crl_files = crl_files,
        .crl_file_count = 1,
        .crl_required = true};
    if (ph_trust_load(&anchor, &trust, &error) != PH_OK) {
        fail_msg("%s: %s", bundle, error.message);
    }
    ph_trust_free(&trust);
}

void rolled_brokers_take_all(void)
{
    broker_takes("devices.pem");
    broker_takes("brokers.pem");
    broker_takes("services.pem");
    broker_takes("claims.pem");
    broker_takes("clients.pem");
}

/* A device says that it holds the newest bundle. */
void rolled_says_it_trusts(const char *name)
{
    struct ph_error error = {0};
    struct ph_identity identity = {.tenant = "acme", .kind = "thermostat"};
    struct ph_trust_bundle newest = {0};
    (void)snprintf(identity.device, sizeof identity.device, "%s", name);
    ph_buf_init(&newest.statement, PH_LIMIT_SIGNED_BYTES);
    assert_int_equal(ph_trust_bundle_newest(ph_ca_inventory(rolled.ca), &newest, &error), PH_OK);
    assert_int_equal(ph_inventory_begin(ph_ca_inventory(rolled.ca), &error), PH_OK);
    assert_int_equal(ph_device_state_put(ph_ca_inventory(rolled.ca), &identity, newest.digest,
                         newest.digest, rolled.now_ms, &error),
        PH_OK);
    assert_int_equal(ph_inventory_commit(ph_ca_inventory(rolled.ca), &error), PH_OK);
    ph_buf_fini(&newest.statement);
}

void rolled_sql(const char *text)
{
    struct ph_error error = {0};
    struct ph_db *db = NULL;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/ca.db", rolled.pki);
    if (ph_db_open(path, PH_DB_WRITE, 5000, &db, &error) != PH_OK ||
        ph_db_exec(db, text, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    ph_db_close(&db);
}

struct ph_rollover_progress rolled_progress_of(enum ph_ca_role role)
{
    struct ph_error error = {0};
    struct ph_rollover_progress progress;
    if (ph_rollover_progress(
            ph_ca_inventory(rolled.ca), role, NULL, rolled.now_ms, &progress, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    return progress;
}

void rolled_revoke_all_of(const char *name)
{
    struct ph_error error = {0};
    struct ph_identity identity = {.tenant = "acme", .kind = "thermostat"};
    struct ph_inventory_revocation revocation = {.now_ms = rolled.now_ms, .reason = 4};
    (void)snprintf(identity.device, sizeof identity.device, "%s", name);
    assert_int_equal(ph_inventory_begin(ph_ca_inventory(rolled.ca), &error), PH_OK);
    assert_int_equal(
        ph_inventory_revoke_identity(ph_ca_inventory(rolled.ca), &identity, &revocation, &error),
        PH_OK);
    assert_int_equal(ph_inventory_commit(ph_ca_inventory(rolled.ca), &error), PH_OK);
}
