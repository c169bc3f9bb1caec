/* For tests: a policy, a PKI and a deny-list as files in a folder of their own. `fixture_policy`
 * names anchor "devices" with the CRL of devices in live.crl, and the deny-list in "list". */
#ifndef PH_BROKER_PLUGIN_STATE_FIXTURE_H
#define PH_BROKER_PLUGIN_STATE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "broker-plugin/state.h"
#include "x509/test_pki.h"

#define FIXTURE_ANCHOR                                                                             \
    "  - name: devices\n"                                                                          \
    "    ca: [root.pem, devices.pem]\n"                                                            \
    "    crl: [root.crl, live.crl]\n"
#define FIXTURE_ROLE                                                                               \
    "roles:\n"                                                                                     \
    "  - name: device\n"                                                                           \
    "    match: {anchor: devices}\n"                                                               \
    "    publish: ['d/{device}/telemetry']\n"

static const char fixture_policy[] = "anchors:\n" FIXTURE_ANCHOR FIXTURE_ROLE "lists: [list]\n";

static struct ph_test_pki *fixture_pki;
static char fixture_folder[] = "/tmp/ph-state-test-XXXXXX";
static char fixture_policy_file[64];

static inline char *in_folder(const char *name)
{
    static char paths[8][128];
    static size_t next;
    char *path = paths[next++ % 8];
    (void)snprintf(path, sizeof paths[0], "%s/%s", fixture_folder, name);
    return path;
}

static inline void assert_message(const struct ph_error *error, const char *part)
{
    if (strstr(error->message, part) == NULL) {
        fail_msg("want \"%s\" in \"%s\"", part, error->message);
    }
}

/* Whole, as an operator should. */
static inline void put_file(const char *name, const char *text)
{
    struct ph_error error = {0};
    if (ph_file_replace(in_folder(name), 0644, text, strlen(text), &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
}

/* The first `max` bytes of one file as another. */
static inline void copy_part(const char *from, const char *to, size_t max)
{
    struct ph_error error = {0};
    struct ph_buf bytes;
    ph_buf_init(&bytes, 16777216);
    if (ph_file_load(in_folder(from), &bytes, &error) != PH_OK ||
        ph_file_replace(
            in_folder(to), 0644, bytes.data, bytes.len < max ? bytes.len : max, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    ph_buf_fini(&bytes);
}

static inline void copy_file(const char *from, const char *to)
{
    copy_part(from, to, SIZE_MAX);
}

/* Everything good again. */
static inline int fixture_reset(void **state)
{
    (void)state;
    put_file("policy.yaml", fixture_policy);
    put_file("list", "# nobody\n");
    copy_file("devices-1000.crl", "live.crl");
    return 0;
}

static inline int fixture_set_up(void **state)
{
    if (mkdtemp(fixture_folder) == NULL) {
        return -1;
    }
    (void)snprintf(
        fixture_policy_file, sizeof fixture_policy_file, "%s/policy.yaml", fixture_folder);
    fixture_pki = ph_test_pki_new(fixture_folder, ph_clock_unix_ms());
    return fixture_reset(state);
}

static inline int fixture_tear_down(void **state)
{
    (void)state;
    (void)unlink(in_folder("policy.yaml"));
    (void)unlink(in_folder("list"));
    (void)unlink(in_folder("live.crl"));
    ph_test_pki_free(&fixture_pki);
    return rmdir(fixture_folder);
}

static inline struct ph_state *fixture_first(void)
{
    struct ph_state *state = NULL;
    struct ph_error error = {0};
    if (ph_state_load(fixture_policy_file, NULL, &state, NULL, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    return state;
}

static inline struct ph_identity fixture_identity(const char *device)
{
    struct ph_identity identity = {.anchor = "devices", .tenant = "acme", .kind = "thermostat"};
    (void)snprintf(identity.device, sizeof identity.device, "%s", device);
    return identity;
}

static inline bool denied(const struct ph_state *state, const char *device)
{
    const struct ph_identity identity = fixture_identity(device);
    return ph_deny_has_identity(state->deny, &identity, NULL);
}

#endif
