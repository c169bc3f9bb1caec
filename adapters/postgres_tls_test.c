/* TLS to a PostgreSQL server with client certificates: who is let in, and whom we do not trust. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/postgres.h"
#include "adapters/postgres_testbed.h"
#include "base/log.h"

static struct pg_testbed testbed;

/* Two CAs; of the first the server's certificate and those of two clients, of the second a client
 * that calls itself the same. */
static const char certificates[] =
    "set -e\n"
    "new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'\n"
    "ca() { openssl req -x509 $new -days 2 -subj /CN=$1 -keyout $1.key -out $1.pem; }\n"
    "leaf() { openssl req $new -subj /CN=$3 -keyout $2.key -out $2.csr;"
    " printf 'subjectAltName=DNS:%s\\n' $3 >$2.ext;"
    " openssl x509 -req -in $2.csr -CA $1.pem -CAkey $1.key -CAcreateserial -days 2"
    " -extfile $2.ext -out $2.pem; chmod 600 $2.key; }\n"
    "ca ca; ca other\n"
    "leaf ca server localhost; leaf ca ingest ingest; leaf ca mallory mallory\n"
    "leaf other forged ingest\n";

static void start_with_tls(void)
{
    char settings[1024];
    if (pg_testbed_run(&testbed, certificates) != 0) {
        (void)fprintf(stderr, "certificates: see %s/log\n", testbed.dir);
        abort();
    }
    (void)snprintf(settings, sizeof settings,
        "listen_addresses = 'localhost'\nssl = on\nssl_ca_file = '%s/ca.pem'\n"
        "ssl_cert_file = '%s/server.pem'\nssl_key_file = '%s/server.key'",
        testbed.dir, testbed.dir, testbed.dir);
    if (pg_testbed_run(&testbed, "printf 'local all all trust\\nhostssl all all localhost cert\\n'"
                                 " >data/pg_hba.conf") != 0) {
        abort();
    }
    pg_testbed_start(&testbed, settings);
    if (pg_testbed_run(&testbed, "psql -Xqc 'CREATE ROLE ingest LOGIN'") != 0) {
        abort();
    }
}

/* Opens as role ingest; `options` are the rest of the URI. */
static enum ph_err open_as(
    const char *ca, const char *client, const char *options, struct ph_error *error)
{
    char uri[1024];
    struct ph_pg *pg = NULL;
    (void)snprintf(uri, sizeof uri,
        "postgresql://ingest@localhost:%u/postgres?sslrootcert=%s/%s.pem&sslcert=%s/%s.pem"
        "&sslkey=%s/%s.key&%s",
        testbed.port, testbed.dir, ca, testbed.dir, client, testbed.dir, client, options);
    enum ph_err err = ph_pg_open(uri, true, 5000, &pg, error);
    if (err == PH_OK) {
        struct ph_pg_result *result = NULL;
        assert_int_equal(
            ph_pg_query(pg, "SELECT ssl, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
                NULL, 0, &result, error),
            PH_OK);
        assert_true(ph_pg_bool(result, 0, 0));
        assert_string_equal(ph_pg_text(result, 0, 1), "/CN=ingest");
        ph_pg_result_free(&result);
    }
    ph_pg_close(&pg);
    return err;
}

/* [PGS-7] */
static void a_client_certificate_opens(void **state)
{
    struct ph_error error = {0};
    (void)state;
    if (open_as("ca", "ingest", "sslmode=verify-full", &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
}

/* [PGS-7] */
static void what_is_refused(void **state)
{
    static const struct {
        const char *ca, *client, *options, *says;
    } cases[] = {
        {"other", "ingest", "sslmode=verify-full", "certificate verify failed"},
        {"missing", "ingest", "sslmode=verify-full", "root certificate file"},
        {"ca", "ingest", "sslmode=verify-full&host=localhost.localdomain&hostaddr=127.0.0.1",
            "does not match host name \"localhost.localdomain\""},
        {"ca", "ingest", "sslmode=disable", "no encryption"},
        {"ca", "missing", "sslmode=verify-full", "connection requires a valid client certificate"},
        {"ca", "mallory", "sslmode=verify-full", "certificate authentication failed for user"},
        {"ca", "forged", "sslmode=verify-full", "unknown ca"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_error error = {0};
        enum ph_err err = open_as(cases[i].ca, cases[i].client, cases[i].options, &error);
        if (err == PH_OK || strstr(error.message, cases[i].says) == NULL) {
            fail_msg("%s %s %s: want \"%s\", have \"%s\"", cases[i].ca, cases[i].client,
                cases[i].options, cases[i].says, error.message);
        }
    }
}

static char logged[1024];

static void keep_line(enum ph_log_level level, const char *line)
{
    if (level == PH_LOG_WARNING) {
        (void)snprintf(logged, sizeof logged, "%s", line);
    }
}

/* [PGS-8] Encryption alone does not say who answers; a Unix socket needs no certificate. */
static void an_unverified_server_is_warned_about(void **state)
{
    struct ph_error error = {0};
    struct ph_pg *pg = NULL;
    char uri[PG_TESTBED_URI_BYTES];
    (void)state;
    ph_log_sink_set(keep_line);
    assert_int_equal(open_as("ca", "ingest", "sslmode=verify-full", &error), PH_OK);
    assert_string_equal(logged, "");
    (void)snprintf(uri, sizeof uri, "postgresql://postgres@/postgres?host=%s&port=%u", testbed.dir,
        testbed.port);
    assert_int_equal(ph_pg_open(uri, true, 5000, &pg, &error), PH_OK);
    ph_pg_close(&pg);
    assert_string_equal(logged, "");
    assert_int_equal(open_as("ca", "ingest", "sslmode=verify-ca", &error), PH_OK);
    ph_log_sink_set(NULL);
    assert_non_null(strstr(logged, "sslmode=verify-full"));
    assert_non_null(strstr(logged, "localhost"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_certificate_opens),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(an_unverified_server_is_warned_about),
    };
    if (!pg_testbed_available()) {
        return PG_TESTBED_SKIPPED;
    }
    pg_testbed_init(&testbed);
    start_with_tls();
    int failed = cmocka_run_group_tests_name("ph.adapters.postgres_tls", tests, NULL, NULL);
    pg_testbed_fini(&testbed, failed != 0);
    return failed;
}
