/* What a store keeps of the certificates that vouched. */
#include "ingest/store/conformance.h"

#include <stdio.h>
#include <string.h>

#define F16 "0123456789abcdef"
#define F1  F16 F16 F16 F16
#define F2  F16 F16 F16 "ffffffffffffffff"

static struct ph_provenance vouched(const char *anchor, const char *fingerprint)
{
    struct ph_provenance provenance = {.state = PH_PROVENANCE_VOUCHED};
    (void)snprintf(provenance.anchor, sizeof provenance.anchor, "%s", anchor);
    (void)snprintf(provenance.fingerprint, sizeof provenance.fingerprint, "%s", fingerprint);
    return provenance;
}

static struct ph_provenance unvouched(enum ph_provenance_state state)
{
    return (struct ph_provenance){.state = state};
}

/* One reading; `provenance` may be NULL. */
static enum ph_err append_one(struct ph_store *store, const char *device, uint64_t stream,
    int64_t seq, const struct ph_provenance *provenance, int64_t received_ms)
{
    char text[512];
    struct ph_store_counts counts = {0};
    message_text(text, sizeof text, stream, seq, 1);
    return append_text(store, device, text, provenance, received_ms, &counts);
}

static void commit_one(struct ph_store *store, const char *device, uint64_t stream, int64_t seq,
    struct ph_provenance provenance, int64_t received_ms)
{
    char text[512];
    message_text(text, sizeof text, stream, seq, 1);
    commit_text(store, device, text, &provenance, received_ms);
}

#define CERTIFICATES "SELECT fingerprint, anchor, tenant, kind, device FROM certificate ORDER BY id"

/* [ING-63] */
static void a_certificate_is_one_row(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct sheet sheet;
    commit_one(store, T1, 1, 1, vouched("devices", F1), NOON);
    commit_one(store, T1, 1, 2, vouched("devices", F1), NOON); /* from memory */
    commit_one(store, T1, 2, 3, vouched("devices", F1), NOON); /* another stream */
    commit_one(store, T1, 1, 4, vouched("devices", F2), NOON); /* renewed */
    commit_one(store, T1, 1, 5, vouched("devices", F1), NOON); /* and back */
    commit_one(store, T1, 1, 6, vouched("other", F1), NOON);
    commit_one(store, T2, 1, 7, vouched("devices", F1), NOON);
    ph_store_close(&store);
    store = scratch_open_store(*state);
    commit_one(store, T1, 1, 8, vouched("devices", F1), NOON);
    query_rows(store, NULL, "seq fingerprint unvouched", &sheet);
    assert_string_equal(sheet.text, "1 " F1 " -\n2 " F1 " -\n3 " F1 " -\n4 " F2 " -\n5 " F1
                                    " -\n6 " F1 " -\n7 " F1 " -\n8 " F1 " -\n");
    ph_store_close(&store);
    assert_sql(*state, CERTIFICATES,
        F1 "|devices|acme|thermostat|t1\n" F2 "|devices|acme|thermostat|t1\n" F1
           "|other|acme|thermostat|t1\n" F1 "|devices|acme|thermostat|t2\n");
}

/* [ING-63] */
static void first_and_last_seen(void **state)
{
    static const struct {
        int64_t received_ms;
        const char *want;
    } cases[] = {
        {NOON, "1790000000000|1790000000000\n"},
        {NOON + 59999, "1790000000000|1790000000000\n"},
        {NOON + 60000, "1790000000000|1790000060000\n"},
        {NOON - 3600000, "1790000000000|1790000060000\n"}, /* the clock was set back */
        {NOON + 999999, "1790000000000|1790000999999\n"},
    };
    struct ph_store *store = scratch_open_store(*state);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        commit_one(store, T1, 1, (int64_t)i + 1, vouched("devices", F1), cases[i].received_ms);
        assert_sql(*state, "SELECT first_seen, last_seen FROM certificate", cases[i].want);
    }
    ph_store_close(&store);
}

/* [ING-62] [ING-64] [ING-66] Every reading is there, whatever vouches for it. */
static void unvouched_readings_are_stored_and_flagged(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct sheet sheet;
    struct ph_rows rows = rows_to(&sheet);
    char want[1024] = "1 " F1 " -\n";
    commit_one(store, T1, 1, 1, vouched("devices", F1), NOON);
    for (int i = PH_PROVENANCE_MISSING; i < PH_PROVENANCE_STATES; i++) {
        size_t len = strlen(want);
        commit_one(store, T1, 1, 1 + i, unvouched((enum ph_provenance_state)i), NOON);
        (void)snprintf(&want[len], sizeof want - len, "%d - %s\n", 1 + i,
            ph_provenance_reason((enum ph_provenance_state)i));
    }
    query_rows(store, NULL, "seq fingerprint unvouched", &sheet);
    assert_string_equal(sheet.text, want);
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(append_one(store, T1, 1, 6, NULL, NOON), PH_OK);
    assert_int_equal(append_one(store, T1, 1, 6, NULL, NOON), PH_OK); /* counts for none */
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);

    struct ph_store_totals totals = {0};
    rows = rows_to(&sheet);
    assert_int_equal(ph_store_stats(store, &rows, &totals, NULL), PH_OK);
    assert_string_equal(sheet.text,
        "device stream stored through first last duplicates vouched given_up\n" T1 " " S1
        " 6 6 1 6 0 1 0\n");
    assert_int_equal(totals.vouched, 1);
    assert_int_equal(totals.unvouched[PH_PROVENANCE_MISSING], 2);
    assert_int_equal(totals.unvouched[PH_PROVENANCE_MALFORMED], 1);
    assert_int_equal(totals.unvouched[PH_PROVENANCE_REPEATED], 1);
    assert_int_equal(totals.unvouched[PH_PROVENANCE_OTHER], 1);
    assert_int_equal(totals.unrecorded, 0);
    ph_store_close(&store);
}

/* [ING-65] */
static void latest_and_view_show_the_certificate(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct sheet sheet;
    commit_one(store, T1, 1, 1, unvouched(PH_PROVENANCE_OTHER), NOON);
    commit_one(store, T1, 1, 2, vouched("devices", F1), NOON);
    commit_one(store, T2, 1, 1, vouched("devices", F2), NOON);
    commit_one(store, T2, 1, 2, unvouched(PH_PROVENANCE_REPEATED), NOON);
    latest_rows(store, NOON + 2, "device time stored age fingerprint unvouched", &sheet);
    assert_string_equal(
        sheet.text, T1 " 1790000000002 2 0 " F1 " -\n" T2 " 1790000000002 2 0 - repeated\n");
    assert_sql(*state,
        "SELECT device, seq, fingerprint, unvouched FROM thermostat ORDER BY device, seq",
        "t1|1|-|other-identity\nt1|2|" F1 "|-\nt2|1|" F2 "|-\nt2|2|-|repeated\n");
    ph_store_close(&store);
}

/* [ING-64] */
static void dead_letters_keep_the_certificate(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct sheet sheet;
    struct ph_store_counts counts = {0};
    const struct ph_provenance provenances[] = {
        vouched("devices", F1), unvouched(PH_PROVENANCE_MALFORMED)};
    struct ph_dead_letter letter = {.reason = "because", .topic = "a/b", .payload = "x"};
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    for (size_t i = 0; i < 3; i++) {
        letter.provenance = i < 2 ? &provenances[i] : NULL;
        assert_int_equal(ph_store_bury(store, &letter, &counts, NULL), PH_OK);
    }
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    letter_rows(store, NULL, &sheet);
    assert_string_equal(sheet.text, "- - - because a/b  " F1 " -\n"
                                    "- - - because a/b  - malformed\n"
                                    "- - - because a/b  - missing\n");
    assert_sql(*state, "SELECT anchor, fingerprint FROM dead_letter WHERE fingerprint IS NOT NULL",
        "devices|" F1 "\n");
    ph_store_close(&store);
}

/* [ING-63] [ING-4] A certificate is remembered only when the transaction that made its row held. */
static void a_rollback_forgets_the_certificate(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_provenance first = vouched("devices", F1);
    struct ph_provenance second = vouched("devices", F2);
    commit_one(store, T1, 1, 1, first, NOON);
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(append_one(store, T1, 1, 2, &second, NOON), PH_OK);
    assert_int_equal(append_one(store, T2, 1, 1, &second, NOON), PH_OK);
    ph_store_rollback(store);
    assert_sql(*state, CERTIFICATES, F1 "|devices|acme|thermostat|t1\n");
    commit_one(store, T2, 1, 1, second, NOON);
    commit_one(store, T1, 1, 2, second, NOON);
    assert_sql(*state, CERTIFICATES,
        F1 "|devices|acme|thermostat|t1\n" F2 "|devices|acme|thermostat|t2\n" F2
           "|devices|acme|thermostat|t1\n");
    ph_store_close(&store);
}

int conformance_provenance(void)
{
    const struct CMUnitTest tests[] = {
        CONFORMANCE_TEST(a_certificate_is_one_row),
        CONFORMANCE_TEST(first_and_last_seen),
        CONFORMANCE_TEST(unvouched_readings_are_stored_and_flagged),
        CONFORMANCE_TEST(latest_and_view_show_the_certificate),
        CONFORMANCE_TEST(dead_letters_keep_the_certificate),
        CONFORMANCE_TEST(a_rollback_forgets_the_certificate),
    };
    return cmocka_run_group_tests_name(conformance_name("provenance"), tests, NULL, NULL);
}
