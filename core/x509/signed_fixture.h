/* Those who sign statements, and those who should not. For tests. */
#ifndef PH_X509_SIGNED_FIXTURE_H
#define PH_X509_SIGNED_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>

#include "base/file.h"
#include "base/limits.h"
#include "x509/signed.h"

/* Who is there, in the order in which they are made. */
enum who {
    ROOT,
    TWIN, /* the root's name, another key */
    OTHER,
    SHORT, /* a root that ends in an hour */
    SERVICES,
    BROKERS,
    BRIEF, /* below the short root */
    REGISTRAR,
    BROKER,
    BRIEF_REGISTRAR,
    EXPIRED,
    WHO_COUNT
};

enum { HOUR_MS = 3600000 };
static const int64_t now_ms = INT64_C(1790000000000);

static const struct {
    const char *name;
    int64_t hours;
    enum ph_certificate_type type;
    enum who by;
} plan[WHO_COUNT] = {
    [ROOT] = {"test root", 100, PH_CERTIFICATE_ROOT, ROOT},
    [TWIN] = {"test root", 100, PH_CERTIFICATE_ROOT, TWIN},
    [OTHER] = {"other root", 100, PH_CERTIFICATE_ROOT, OTHER},
    [SHORT] = {"short root", 1, PH_CERTIFICATE_ROOT, SHORT},
    [SERVICES] = {"test services", 100, PH_CERTIFICATE_CLIENT_CA, ROOT},
    [BROKERS] = {"test brokers", 100, PH_CERTIFICATE_SERVER_CA, ROOT},
    [BRIEF] = {"brief services", 100, PH_CERTIFICATE_CLIENT_CA, SHORT},
    [REGISTRAR] = {"registrar", 10, PH_CERTIFICATE_CLIENT, SERVICES},
    [BROKER] = {"broker", 10, PH_CERTIFICATE_SERVER, BROKERS},
    [BRIEF_REGISTRAR] = {"registrar", 10, PH_CERTIFICATE_CLIENT, BRIEF},
    [EXPIRED] = {"t-0001", -1, PH_CERTIFICATE_CLIENT, SERVICES},
};

static char dir[] = "/tmp/ph-signed-test-XXXXXX";
static struct ph_key *keys[WHO_COUNT];
static struct ph_certificate *certificates[WHO_COUNT];
static char *pems[WHO_COUNT];
static char file[256];

static inline bool make(enum who who)
{
    struct ph_error error = {0};
    struct ph_buf pem;
    ph_buf_init(&pem, PH_LIMIT_CERTIFICATE_BYTES);
    const struct ph_certificate_content content = {.type = plan[who].type,
        .name = plan[who].name,
        .not_before_ms = now_ms - 2 * (int64_t)HOUR_MS,
        .not_after_ms = now_ms + plan[who].hours * HOUR_MS};
    if (ph_key_new(&keys[who], &error) != PH_OK ||
        ph_certificate_issue(&content, keys[who],
            plan[who].by == who ? NULL : certificates[plan[who].by], keys[plan[who].by],
            &certificates[who], &error) != PH_OK ||
        ph_certificate_print(certificates[who], &pem, &error) != PH_OK) {
        return false;
    }
    pems[who] = strdup(pem.data);
    ph_buf_fini(&pem);
    return true;
}

static inline int set_up(void **state)
{
    (void)state;
    bool ok = mkdtemp(dir) != NULL;
    (void)snprintf(file, sizeof file, "%s/ca.pem", dir);
    for (enum who who = 0; ok && who < WHO_COUNT; who++) {
        ok = make(who);
    }
    return ok ? 0 : -1;
}

static inline int tear_down(void **state)
{
    (void)state;
    for (enum who who = 0; who < WHO_COUNT; who++) {
        ph_key_free(&keys[who]);
        ph_certificate_free(&certificates[who]);
        free(pems[who]);
    }
    (void)unlink(file);
    return rmdir(dir);
}

static inline const char *roots(enum who a, enum who b)
{
    char *text = NULL;
    assert_true(asprintf(&text, "%s%s", pems[a], b == a ? "" : pems[b]) > 0);
    assert_int_equal(ph_file_store(file, 0644, text, strlen(text), NULL), PH_OK);
    free(text);
    return file;
}

static inline char *sign(const char *text, enum who who, const char *chain)
{
    struct ph_error error = {0};
    struct ph_buf pem;
    ph_buf_init(&pem, PH_LIMIT_SIGNED_BYTES);
    assert_int_equal(
        ph_signed_make(text, strlen(text), certificates[who], keys[who], chain, &pem, &error),
        PH_OK);
    char *copy = strdup(pem.data);
    ph_buf_fini(&pem);
    return copy;
}

static inline struct ph_signed *read_back(char *pem)
{
    struct ph_error error = {0};
    struct ph_signed *statement = NULL;
    if (ph_signed_parse(pem, strlen(pem), &statement, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(ERR_peek_error(), 0);
    free(pem);
    return statement;
}

static inline void has(const struct ph_error *error, const char *message)
{
    if (strstr(error->message, message) == NULL) {
        fail_msg("want \"%s\", have \"%s\"", message, error->message);
    }
    assert_int_equal(strncmp(error->message, "signed statement: ", 18), 0);
    assert_int_equal(ERR_peek_error(), 0);
}

/* Good when `message` is NULL, else denied with it. */
static inline void judged(enum ph_err err, const struct ph_error *error, const char *message)
{
    if (message == NULL) {
        assert_string_equal(error->message, "");
        assert_int_equal(err, PH_OK);
    } else {
        assert_int_equal(err, PH_ERR_DENIED);
        has(error, message);
    }
}

static inline void chain(char *pem, const char *roots_file, int64_t at_ms, const char *message)
{
    struct ph_error error = {0};
    struct ph_signed *statement = read_back(pem);
    enum ph_err err = ph_signed_check_chain(statement, roots_file, at_ms, &error);
    judged(err, &error, message);
    ph_signed_free(&statement);
}

#endif
