/* [PLG-28], [PLG-36] */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker-plugin/session.h"

static const struct ph_role device_role;
static const struct ph_role other_role;

/* Addresses of connections. */
static const char clients[10001];

static struct ph_authn authn_of(const char *device)
{
    struct ph_authn authn = {.verified = true, .role = &device_role};
    (void)snprintf(authn.identity.anchor, sizeof authn.identity.anchor, "devices");
    (void)snprintf(authn.identity.tenant, sizeof authn.identity.tenant, "acme");
    (void)snprintf(authn.identity.kind, sizeof authn.identity.kind, "t");
    (void)snprintf(authn.identity.device, sizeof authn.identity.device, "%s", device);
    (void)snprintf(authn.user_name, sizeof authn.user_name, "device:devices:acme/t/%.64s", device);
    (void)snprintf(authn.facts.issuer, sizeof authn.facts.issuer, "CN=devices");
    (void)snprintf(authn.facts.serial, sizeof authn.facts.serial, "0a");
    (void)snprintf(authn.facts.fingerprint, sizeof authn.facts.fingerprint, "f1");
    (void)snprintf(authn.facts.key_hash, sizeof authn.facts.key_hash, "c1");
    return authn;
}

static struct ph_sessions *new_sessions(void)
{
    struct ph_sessions *sessions = ph_sessions_new();
    assert_non_null(sessions);
    return sessions;
}

static struct ph_session *enter(
    struct ph_sessions *sessions, const char *client, const char *device)
{
    struct ph_authn authn = authn_of(device);
    struct ph_session *session = ph_sessions_enter(sessions, client, "id", &authn);
    assert_non_null(session);
    return session;
}

static void finds_by_connection_and_by_name(void **state)
{
    (void)state;
    struct ph_sessions *sessions = new_sessions();
    struct ph_authn authn = authn_of("d1");
    memcpy(authn.subject, "L=Berlin\0C=DE\0", 15);
    authn.quarantined = true;
    struct ph_session *session = ph_sessions_enter(sessions, &clients[0], "the id", &authn);
    assert_non_null(session);
    assert_ptr_equal(ph_sessions_by_client(sessions, &clients[0]), session);
    assert_null(ph_sessions_by_client(sessions, &clients[1]));
    assert_null(ph_sessions_by_client(sessions, NULL));
    assert_ptr_equal(ph_sessions_by_name(sessions, "device:devices:acme/t/d1"), session);
    assert_ptr_equal(ph_sessions_by_name(sessions, "later:devices:acme/t/d1"), session);
    assert_null(ph_sessions_by_name(sessions, "device:services:acme/t/d1"));
    assert_null(ph_sessions_by_name(sessions, "device:devices:acme/t/d10"));
    assert_null(ph_sessions_by_name(sessions, "devices:acme/t/d1"));
    assert_null(ph_sessions_by_name(sessions, "admin"));
    assert_null(ph_sessions_by_name(sessions, ""));
    assert_string_equal(session->user_name, "device:devices:acme/t/d1");
    assert_string_equal(session->client_id, "the id");
    assert_string_equal(session->issuer, "CN=devices");
    assert_string_equal(session->serial, "0a");
    assert_string_equal(session->fingerprint, "f1");
    assert_string_equal(session->key_hash, "c1");
    assert_string_equal(ph_subject_get(session->subject, "C"), "DE");
    assert_ptr_equal(session->role, &device_role);
    assert_true(session->quarantined);
    assert_int_equal(session->cut, PH_REASON_NONE);
    /* texts of a CA are shared, and nobody without attributes has any */
    struct ph_session *next = enter(sessions, &clients[1], "d2");
    assert_ptr_equal(next->issuer, session->issuer);
    assert_null(next->subject);
    ph_sessions_free(&sessions);
    assert_null(sessions);
    ph_sessions_free(&sessions);
}

static void stays_when_the_connection_ends(void **state)
{
    (void)state;
    struct ph_sessions *sessions = new_sessions();
    struct ph_session *session = enter(sessions, &clients[0], "d1");
    assert_null(ph_sessions_leave(sessions, &clients[1], 5));
    assert_ptr_equal(ph_sessions_leave(sessions, &clients[0], 77), session);
    assert_null(session->client);
    assert_int_equal(session->ended_ms, 77);
    assert_null(ph_sessions_by_client(sessions, &clients[0]));
    assert_null(ph_sessions_leave(sessions, &clients[0], 78));
    assert_ptr_equal(ph_sessions_by_name(sessions, "device:devices:acme/t/d1"), session);
    assert_int_equal(ph_sessions_count(sessions), 1);
    ph_sessions_free(&sessions);
}

static void keeps_limits_and_uses_and_forgets_a_cut_off(void **state)
{
    (void)state;
    struct ph_sessions *sessions = new_sessions();
    struct ph_session *session = enter(sessions, &clients[0], "d1");
    session->messages.used = 5000;
    session->bytes.used = 7000;
    session->used[PH_ACTION_WILL] = 6;
    session->cut = PH_REASON_REVOKED;
    session->status = strdup("a/topic");
    session = enter(sessions, &clients[1], "d1");
    assert_int_equal(session->messages.used, 5000);
    assert_int_equal(session->bytes.used, 7000);
    assert_int_equal(session->used[PH_ACTION_WILL], 6);
    assert_int_equal(session->cut, PH_REASON_NONE);
    assert_null(session->status);
    assert_ptr_equal(session->client, &clients[1]);
    assert_null(ph_sessions_by_client(sessions, &clients[0]));
    assert_int_equal(ph_sessions_count(sessions), 1);

    struct ph_authn authn = authn_of("d1");
    authn.role = &other_role;
    session = ph_sessions_enter(sessions, &clients[1], "id", &authn);
    assert_non_null(session);
    assert_int_equal(session->messages.used, 5000);
    assert_int_equal(session->used[PH_ACTION_WILL], 0);
    assert_ptr_equal(ph_sessions_by_client(sessions, &clients[1]), session);
    ph_sessions_free(&sessions);
}

/* The broker uses the address of a connection that is gone for the next one. */
static void gives_an_address_to_who_has_it_now(void **state)
{
    (void)state;
    struct ph_sessions *sessions = new_sessions();
    struct ph_session *first = enter(sessions, &clients[0], "d1");
    struct ph_session *second = enter(sessions, &clients[0], "d2");
    assert_null(first->client);
    assert_ptr_equal(ph_sessions_by_client(sessions, &clients[0]), second);
    assert_ptr_equal(ph_sessions_by_name(sessions, "device:devices:acme/t/d1"), first);
    assert_ptr_equal(ph_sessions_leave(sessions, &clients[0], 1), second);
    ph_sessions_free(&sessions);
}

static void keeps_its_order_without_gaps(void **state)
{
    enum { COUNT = 10000 };
    (void)state;
    struct ph_sessions *sessions = new_sessions();
    char device[16];
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(device, sizeof device, "d%d", i);
        struct ph_session *session = enter(sessions, &clients[i], device);
        assert_int_equal(session->index, i);
    }
    struct ph_session *again = enter(sessions, &clients[COUNT], "d5000");
    assert_int_equal(again->index, 5000);
    for (size_t i = COUNT; i-- > 0;) {
        if (i % 3 == 0) {
            ph_sessions_remove(sessions, ph_sessions_at(sessions, i));
        }
    }
    assert_int_equal(ph_sessions_count(sessions), COUNT - COUNT / 3 - 1);
    for (size_t i = 0; i < ph_sessions_count(sessions); i++) {
        struct ph_session *session = ph_sessions_at(sessions, i);
        assert_int_equal(session->index, i);
        assert_ptr_equal(ph_sessions_by_client(sessions, session->client), session);
        assert_ptr_equal(ph_sessions_by_name(sessions, session->user_name), session);
    }
    assert_null(ph_sessions_by_name(sessions, "device:devices:acme/t/d3"));
    assert_null(ph_sessions_by_client(sessions, &clients[3]));
    ph_sessions_free(&sessions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_by_connection_and_by_name),
        cmocka_unit_test(stays_when_the_connection_ends),
        cmocka_unit_test(keeps_limits_and_uses_and_forgets_a_cut_off),
        cmocka_unit_test(gives_an_address_to_who_has_it_now),
        cmocka_unit_test(keeps_its_order_without_gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
