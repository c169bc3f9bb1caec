/* An authority in a folder of its own, for the tests of roll-over. Any failure fails the test. */
#ifndef PH_CERTS_ROLLOVER_FIXTURE_H
#define PH_CERTS_ROLLOVER_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "certs/ca.h"

/* Of the test that runs. */
struct rolled {
    char dir[32]; /* for whatever a test wants to keep */
    char pki[64]; /* the authority's folder, in it */
    struct ph_ca *ca;
    int64_t now_ms;
};
extern struct rolled rolled;

/* For cmocka_unit_test_setup_teardown(). */
int rolled_set_up(void **state);
int rolled_tear_down(void **state);

/* An order of the tester for now; `tenant` NULL: of the CA for every tenant. */
struct ph_authority_change rolled_change_of(enum ph_ca_role role, const char *tenant);

typedef enum ph_err rolled_change(
    struct ph_ca *ca, const struct ph_authority_change *order, struct ph_error *error);

/* Runs it on the authority; it must succeed. */
void rolled_succeeds(rolled_change *run, const struct ph_authority_change *order);

/* With that code, and `text` in the sentence. */
void rolled_refuses(rolled_change *run, const struct ph_authority_change *order, enum ph_err want,
    const char *text);

/* A certificate for acme/thermostat/<name>; all of them are revoked as superseded. */
void rolled_issue(const char *name);
void rolled_revoke_all_of(const char *name);

/* The device says that it holds the newest bundle. */
void rolled_says_it_trusts(const char *name);

/* "none" when there is no such CA. */
const char *rolled_state_of(const char *name);
struct ph_rollover_progress rolled_progress_of(enum ph_ca_role role);

/* A file of the authority's folder; whether such a bundle has the certificate of a CA. */
void rolled_load(const char *file, struct ph_buf *out);
bool rolled_holds(const char *bundle, const char *name);

/* Every file of trust/, as a broker reads it: each CA in it has its CRL. */
void rolled_brokers_take_all(void);

/* On the inventory, past all functions. */
void rolled_sql(const char *text);

#endif
