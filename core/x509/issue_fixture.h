/* A root, and certificates made by hand. For tests; any failure fails the test. */
#ifndef PH_X509_ISSUE_FIXTURE_H
#define PH_X509_ISSUE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/err.h>

#include "x509/issue.h"

static const int64_t now_ms = INT64_C(1790000000123);
static struct ph_key *root_key;
static struct ph_certificate *root;

static inline struct ph_certificate_content content(enum ph_certificate_type type, const char *name)
{
    return (struct ph_certificate_content){.type = type,
        .name = name,
        .not_before_ms = now_ms - 300000,
        .not_after_ms = now_ms + 86400000};
}

static inline struct ph_certificate *issue(const struct ph_certificate_content *what,
    const struct ph_key *key, const struct ph_certificate *ca, const struct ph_key *ca_key)
{
    struct ph_error error = {0};
    struct ph_certificate *made = NULL;
    if (ph_certificate_issue(what, key, ca, ca_key, &made, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(ERR_peek_error(), 0);
    return made;
}

static inline struct ph_key *new_key(void)
{
    struct ph_error error = {0};
    struct ph_key *key = NULL;
    assert_int_equal(ph_key_new(&key, &error), PH_OK);
    return key;
}

static inline int set_up(void **state)
{
    (void)state;
    const struct ph_certificate_content what = content(PH_CERTIFICATE_ROOT, "test root");
    root_key = new_key();
    root = issue(&what, root_key, NULL, root_key);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    ph_key_free(&root_key);
    ph_certificate_free(&root);
    return 0;
}

#endif
