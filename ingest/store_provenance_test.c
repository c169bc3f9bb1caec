/* What a store keeps of the certificates that vouched, written against the vtable like
 * store_test.c, but for what reads the database itself. */
#include "ingest/testing.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "adapters/sqlite.h"
#include "ingest/store.h"

#define T1   "acme/thermostat/t1"
#define T2   "acme/thermostat/t2"
#define F16  "0123456789abcdef"
#define F1   F16 F16 F16 F16
#define F2   F16 F16 F16 "ffffffffffffffff"
#define NOON INT64_C(1790000000000)

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
static enum ph_err append(struct ph_store *store, const char *device, uint64_t stream, int64_t seq,
    const struct ph_provenance *provenance, int64_t received_ms)
{
    char text[512];
    struct ph_store_counts counts = {0};
    message_text(text, sizeof text, stream, seq, 1);
    struct ph_message *parsed = message_of(text);
    struct ph_identity identity = identity_of(device);
    struct ph_store_message message = {.identity = &identity,
        .message = parsed,
        .provenance = provenance,
        .received_ms = received_ms};
    enum ph_err err = ph_store_append(store, &message, &counts, NULL);
    ph_message_free(&parsed);
    return err;
}

static void commit_one(struct ph_store *store, const char *device, uint64_t stream, int64_t seq,
    struct ph_provenance provenance, int64_t received_ms)
{
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(append(store, device, stream, seq, &provenance, received_ms), PH_OK);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
}

/* The rows of a query, cells joined by '|', rows ended by '\n'. */
static void assert_sql(struct scratch *scratch, const char *sql, const char *want)
{
    struct ph_db *db = NULL;
    struct ph_stmt *stmt = NULL;
    char have[2048] = "";
    int len = 0;
    bool row = false;
    assert_int_equal(ph_db_open(scratch->store, PH_DB_READ, 0, &db, NULL), PH_OK);
    if (ph_stmt_prepare(db, sql, &stmt, &scratch->error) != PH_OK) {
        fail_msg("%s", scratch->error.message);
    }
    while (ph_stmt_step(stmt, &row, NULL) == PH_OK && row) {
        for (int i = 0; i < ph_stmt_columns(stmt); i++) {
            const char *text = ph_stmt_text(stmt, i);
            len += snprintf(&have[len], sizeof have - (size_t)len, "%s%s", i > 0 ? "|" : "",
                text != NULL ? text : "-");
        }
        len += snprintf(&have[len], sizeof have - (size_t)len, "\n");
        assert_true((size_t)len < sizeof have);
    }
    assert_string_equal(have, want);
    ph_stmt_free(&stmt);
    ph_db_close(&db);
}

#define CERTIFICATES                                                                               \
    "SELECT id, fingerprint, anchor, tenant, kind, device FROM certificate ORDER BY id"

/* [ING-63] */
static void a_certificate_is_one_row(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    commit_one(store, T1, 1, 1, vouched("devices", F1), NOON);
    commit_one(store, T1, 1, 2, vouched("devices", F1), NOON); /* from memory */
    commit_one(store, T1, 2, 1, vouched("devices", F1), NOON); /* another stream */
    commit_one(store, T1, 1, 3, vouched("devices", F2), NOON); /* renewed */
    commit_one(store, T1, 1, 4, vouched("devices", F1), NOON); /* and back */
    commit_one(store, T1, 1, 5, vouched("other", F1), NOON);
    commit_one(store, T2, 1, 1, vouched("devices", F1), NOON);
    ph_store_close(&store);
    store = scratch_open_store(*state);
    commit_one(store, T1, 1, 6, vouched("devices", F1), NOON);
    ph_store_close(&store);
    assert_sql(*state, CERTIFICATES,
        "1|" F1 "|devices|acme|thermostat|t1\n"
        "2|" F2 "|devices|acme|thermostat|t1\n"
        "3|" F1 "|other|acme|thermostat|t1\n"
        "4|" F1 "|devices|acme|thermostat|t2\n");
    assert_sql(*state,
        "SELECT s.stream, r._seq, r._certificate, r._unvouched FROM reading_thermostat r"
        " JOIN stream s ON s.id = r._stream ORDER BY r._id",
        "1|1|1|-\n1|2|1|-\n2|1|1|-\n1|3|2|-\n1|4|1|-\n1|5|3|-\n1|1|4|-\n1|6|1|-\n");
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
    struct ph_store_query query = {.kind = "thermostat", .to_ms = INT64_MAX, .provenance = true};
    commit_one(store, T1, 1, 1, vouched("devices", F1), NOON);
    char want[2048] =
        "device stream seq time temperature_c hvac window_open starts fingerprint"
        " unvouched\n" T1 " 0000000000000001 1 1790000000001 21.5 idle - - " F1 " -\n";
    for (int i = PH_PROVENANCE_MISSING; i < PH_PROVENANCE_STATES; i++) {
        size_t len = strlen(want);
        commit_one(store, T1, 1, 1 + i, unvouched((enum ph_provenance_state)i), NOON);
        (void)snprintf(&want[len], sizeof want - len,
            T1 " 0000000000000001 %d 179000000000%d 21.5 idle - - - %s\n", 1 + i, 1 + i,
            ph_provenance_reason((enum ph_provenance_state)i));
    }
    assert_int_equal(ph_store_query(store, &query, &rows, NULL), PH_OK);
    assert_string_equal(sheet.text, want);
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(append(store, T1, 1, 6, NULL, NOON), PH_OK);
    assert_int_equal(append(store, T1, 1, 6, NULL, NOON), PH_OK); /* a duplicate counts for none */
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);

    struct ph_store_totals totals = {0};
    rows = rows_to(&sheet);
    assert_int_equal(ph_store_stats(store, &rows, &totals, NULL), PH_OK);
    assert_string_equal(sheet.text,
        "device stream stored through first last duplicates vouched\n" T1
        " 0000000000000001 6 6 1 6 0 1\n");
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
    struct ph_rows rows = rows_to(&sheet);
    commit_one(store, T1, 1, 1, unvouched(PH_PROVENANCE_OTHER), NOON);
    commit_one(store, T1, 1, 2, vouched("devices", F1), NOON);
    commit_one(store, T2, 1, 1, vouched("devices", F2), NOON);
    commit_one(store, T2, 1, 2, unvouched(PH_PROVENANCE_REPEATED), NOON);
    assert_int_equal(ph_store_latest(store, NOON + 2, true, &rows, NULL), PH_OK);
    assert_non_null(strstr(sheet.text,
        "device time temperature_c hvac window_open starts stored age fingerprint unvouched\n" T1
        " 1790000000002 21.5 idle - - 2 0 " F1 " -\n" T2
        " 1790000000002 21.5 idle - - 2 0 - repeated\n"));
    assert_sql(*state, "SELECT device, seq, fingerprint, unvouched FROM thermostat",
        "t1|1|-|other-identity\nt1|2|" F1 "|-\nt2|1|" F2 "|-\nt2|2|-|repeated\n");
    ph_store_close(&store);
}

/* [ING-64] */
static void dead_letters_keep_the_certificate(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct sheet sheet;
    struct ph_rows rows = rows_to(&sheet);
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
    assert_int_equal(ph_store_dead_letters(store, 0, true, &rows, NULL), PH_OK);
    assert_string_equal(sheet.text,
        "id received device stream first last reason topic payload fingerprint unvouched\n"
        "1 0 - - - - because a/b  " F1 " -\n"
        "2 0 - - - - because a/b  - malformed\n"
        "3 0 - - - - because a/b  - missing\n");
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
    assert_int_equal(append(store, T1, 1, 2, &second, NOON), PH_OK);
    assert_int_equal(append(store, T2, 1, 1, &second, NOON), PH_OK);
    ph_store_rollback(store);
    assert_sql(*state, CERTIFICATES, "1|" F1 "|devices|acme|thermostat|t1\n");
    commit_one(store, T2, 1, 1, second, NOON);
    commit_one(store, T1, 1, 2, second, NOON);
    assert_sql(*state, CERTIFICATES,
        "1|" F1 "|devices|acme|thermostat|t1\n"
        "2|" F2 "|devices|acme|thermostat|t2\n"
        "3|" F2 "|devices|acme|thermostat|t1\n");
    ph_store_close(&store);
}

/* [ING-17] */
static void another_writer_makes_the_memory_of_certificates_void(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    commit_one(store, T1, 1, 1, vouched("devices", F1), NOON);
    scratch_sql(*state, "DELETE FROM certificate; INSERT INTO certificate VALUES"
                        "(1, 'x', 'y', 'z', 'k', 'd', 0, 0)");
    commit_one(store, T1, 1, 2, vouched("devices", F1), NOON);
    assert_sql(*state, CERTIFICATES, "1|x|y|z|k|d\n2|" F1 "|devices|acme|thermostat|t1\n");
    ph_store_close(&store);
}

/* The first version, with one reading of a kind that is declared and of one that is no more. */
static const char version_1[] =
    "CREATE TABLE device(id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, kind TEXT NOT NULL,"
    " device TEXT NOT NULL, streams INTEGER NOT NULL, UNIQUE(tenant, kind, device));"
    "CREATE TABLE stream(id INTEGER PRIMARY KEY, device INTEGER NOT NULL REFERENCES device(id),"
    " stream INTEGER, through INTEGER NOT NULL, beyond TEXT NOT NULL, stored INTEGER NOT NULL,"
    " latest INTEGER, latest_seq INTEGER NOT NULL, received INTEGER NOT NULL,"
    " UNIQUE(device, stream));"
    "CREATE TABLE field(kind TEXT NOT NULL, position INTEGER NOT NULL, name TEXT NOT NULL,"
    " type TEXT NOT NULL, unit TEXT, description TEXT, PRIMARY KEY(kind, name));"
    "CREATE TABLE dead_letter(id INTEGER PRIMARY KEY, received INTEGER NOT NULL,"
    " reason TEXT NOT NULL, topic TEXT NOT NULL, device TEXT, stream INTEGER, first INTEGER,"
    " last INTEGER, payload BLOB NOT NULL);"
    "CREATE TABLE garbage(device TEXT PRIMARY KEY, kept INTEGER NOT NULL,"
    " not_kept INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO device VALUES(1, 'acme', 'thermostat', 't1', 1), (2, 'acme', 'boiler', 'b1', 1);"
    "INSERT INTO stream VALUES(1, 1, 1, 1, '', 1, 1, 1, 5), (2, 2, 1, 1, '', 1, 1, 1, 5);"
    "INSERT INTO field VALUES('thermostat', 0, 'temperature_c', 'number', 'Cel', NULL),"
    " ('boiler', 0, 'on', 'boolean', NULL, NULL), ('boiler', 1, 'off', 'boolean', NULL, NULL);"
    "INSERT INTO dead_letter VALUES(1, 5, 'because', 'a/b', NULL, NULL, NULL, NULL, x'00');"
    "CREATE TABLE \"reading_thermostat\"(_id INTEGER PRIMARY KEY, _stream INTEGER NOT NULL,"
    " _seq INTEGER, _time INTEGER NOT NULL, \"temperature_c\" REAL);"
    "CREATE TABLE \"reading_boiler\"(_id INTEGER PRIMARY KEY, _stream INTEGER NOT NULL,"
    " _seq INTEGER, _time INTEGER NOT NULL, \"on\" INTEGER, \"off\" INTEGER);"
    "INSERT INTO reading_thermostat VALUES(1, 1, 1, 1790000000001, 20);"
    "INSERT INTO reading_boiler VALUES(1, 2, 1, 1790000000001, 1, 0);"
    "CREATE VIEW thermostat AS SELECT 1; CREATE VIEW boiler AS SELECT 1;"
    "PRAGMA user_version=1; PRAGMA application_id=0x7068494e;";

static void check_upgraded(struct scratch *scratch)
{
    struct ph_store *reader = NULL;
    struct sheet sheet;
    struct ph_rows rows = rows_to(&sheet);
    struct ph_store_totals totals = {0};
    struct ph_store_query query = {.to_ms = INT64_MAX, .provenance = true};
    assert_sql(scratch, "SELECT device, seq, temperature_c, fingerprint, unvouched FROM thermostat",
        "t1|1|20.0|-|-\nt1|2|21.5|" F1 "|-\n");
    assert_sql(scratch, "SELECT device, \"on\", fingerprint, unvouched FROM boiler", "b1|1|-|-\n");
    assert_int_equal(ph_store_open_reader(scratch->store, &reader, NULL), PH_OK);
    assert_int_equal(ph_store_query(reader, &query, &rows, NULL), PH_OK);
    assert_non_null(
        strstr(sheet.text, "acme/boiler/b1 0000000000000001 1 1790000000001 1 0 - -\n"));
    assert_int_equal(ph_store_stats(reader, NULL, &totals, NULL), PH_OK);
    assert_int_equal(totals.stored, 3);
    assert_int_equal(totals.vouched, 1);
    assert_int_equal(totals.unrecorded, 2);
    rows = rows_to(&sheet);
    assert_int_equal(ph_store_dead_letters(reader, 0, true, &rows, NULL), PH_OK);
    assert_non_null(strstr(sheet.text, "\n1 5 - - - - because a/b \\x00 - -\n"));
    ph_store_close(&reader);
}

/* [ING-67] [ING-41] */
static void a_store_of_the_first_version_is_upgraded(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = NULL;
    scratch_sql(scratch, version_1);
    scratch_failed(scratch, ph_store_open_reader(scratch->store, &store, &scratch->error),
        PH_ERR_INPUT, "schema version: want 2, have 1: run the program that writes this database");
    store = scratch_open_store(scratch);
    commit_one(store, T1, 1, 1, vouched("devices", F1), NOON); /* dealt with before */
    commit_one(store, T1, 1, 2, vouched("devices", F1), NOON);
    ph_store_close(&store);
    check_upgraded(scratch);
}

/* [ING-67] An upgrade that was killed between its two transactions is finished by the next start.
 */
static void a_half_done_upgrade_is_finished(void **state)
{
    struct scratch *scratch = *state;
    scratch_sql(scratch, version_1);
    scratch_sql(scratch, "ALTER TABLE reading_boiler ADD COLUMN _certificate INTEGER;"
                         "ALTER TABLE reading_boiler ADD COLUMN _unvouched INTEGER;"
                         "DROP VIEW boiler; CREATE VIEW boiler AS SELECT 'b1' AS device, r.\"on\","
                         " c.fingerprint, NULL AS unvouched FROM reading_boiler r"
                         " LEFT JOIN certificate c ON c.id = r._certificate");
    struct ph_store *store = scratch_open_store(scratch);
    commit_one(store, T1, 1, 2, vouched("devices", F1), NOON);
    ph_store_close(&store);
    check_upgraded(scratch);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_certificate_is_one_row),
        TEST(first_and_last_seen),
        TEST(unvouched_readings_are_stored_and_flagged),
        TEST(latest_and_view_show_the_certificate),
        TEST(dead_letters_keep_the_certificate),
        TEST(a_rollback_forgets_the_certificate),
        TEST(another_writer_makes_the_memory_of_certificates_void),
        TEST(a_store_of_the_first_version_is_upgraded),
        TEST(a_half_done_upgrade_is_finished),
    };
    return cmocka_run_group_tests_name("ph.ingest.store_provenance", tests, NULL, NULL);
}
