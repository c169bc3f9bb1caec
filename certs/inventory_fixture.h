/* An inventory in a folder of its own under /tmp, for the tests of what is kept in it. Any
 * failure fails the test. */
#ifndef PH_CERTS_INVENTORY_FIXTURE_H
#define PH_CERTS_INVENTORY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "certs/inventory_internal.h"

#define PH_TEST_INVENTORY_FOLDER "/tmp/ph-inventory-test-XXXXXX"

struct ph_test_inventory {
    char dir[sizeof PH_TEST_INVENTORY_FOLDER];
    char path[64]; /* "<dir>/ca.db" */
    struct ph_inventory *inventory;
};

static inline void ph_test_must(enum ph_err err, const struct ph_error *error)
{
    if (err != PH_OK) {
        fail_msg("%s", error->message);
    }
}

static inline void ph_test_exec(struct ph_inventory *inventory, const char *sql)
{
    struct ph_error error = {0};
    ph_test_must(ph_db_exec(inventory->db, sql, &error), &error);
}

/* The number that a query yields. */
static inline int64_t ph_test_number(struct ph_inventory *inventory, const char *sql)
{
    struct ph_error error = {0};
    struct ph_stmt *stmt = NULL;
    int64_t out = 0;
    ph_test_must(ph_stmt_prepare(inventory->db, sql, &stmt, &error), &error);
    ph_test_must(ph_inventory_number(stmt, &out, &error), &error);
    ph_stmt_free(&stmt);
    return out;
}

/* The folder with an inventory that has the CAs root, devices (serial number d1), brokers, services
 * and claims. */
static inline void ph_test_inventory_init(struct ph_test_inventory *test)
{
    struct ph_error error = {0};
    (void)snprintf(test->dir, sizeof test->dir, "%s", PH_TEST_INVENTORY_FOLDER);
    assert_non_null(mkdtemp(test->dir));
    (void)snprintf(test->path, sizeof test->path, "%s/ca.db", test->dir);
    ph_test_must(ph_inventory_open(test->path, true, &test->inventory, &error), &error);
    ph_test_exec(test->inventory,
        "INSERT INTO authority (name, role, state, issuer, serial, crl_days) VALUES"
        " ('root', 'root', 'active', 'root', 'c0', 90),"
        " ('devices', 'devices', 'active', 'root', 'd1', 7),"
        " ('brokers', 'brokers', 'active', 'root', 'd2', 7),"
        " ('services', 'services', 'active', 'root', 'd3', 7),"
        " ('claims', 'claims', 'active', 'root', 'd4', 7)");
}

static inline void ph_test_inventory_fini(struct ph_test_inventory *test)
{
    static const char *const files[] = {"ca.db", "ca.db-wal", "ca.db-shm"};
    char path[80];
    ph_inventory_close(&test->inventory);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", test->dir, files[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(test->dir), 0);
}

/* A device's certificate of tenant acme, kind thermostat, by devices, from 1000 to 9000. */
static inline struct ph_inventory_entry ph_test_entry(const char *serial, const char *name)
{
    struct ph_inventory_entry made = {.issuer = "devices",
        .type = "device",
        .tenant = "acme",
        .kind = "thermostat",
        .issued_ms = 1000,
        .not_before_ms = 1000,
        .not_after_ms = 9000};
    (void)snprintf(made.serial, sizeof made.serial, "%s", serial);
    (void)snprintf(made.name, sizeof made.name, "%s", name);
    (void)snprintf(made.fingerprint, sizeof made.fingerprint, "f%s", serial);
    (void)snprintf(made.key_hash, sizeof made.key_hash, "e%s", serial);
    return made;
}

static inline void ph_test_add(
    struct ph_inventory *inventory, const struct ph_inventory_entry *entry)
{
    struct ph_error error = {0};
    ph_test_must(ph_inventory_add(inventory, entry, "der", 3, &error), &error);
}

/* The renewal of `before`, of device t-0001, in the lineage of `first`. */
static inline void ph_test_add_renewal(
    struct ph_inventory *inventory, const char *serial, const char *before, const char *first)
{
    struct ph_inventory_entry made = ph_test_entry(serial, "t-0001");
    (void)snprintf(made.predecessor, sizeof made.predecessor, "%s", before);
    (void)snprintf(made.lineage, sizeof made.lineage, "%s", first);
    (void)snprintf(made.origin, sizeof made.origin, "renewed");
    ph_test_add(inventory, &made);
}

static inline struct ph_inventory_entry ph_test_get(
    struct ph_inventory *inventory, const char *serial)
{
    struct ph_error error = {0};
    struct ph_inventory_entry found = {0};
    ph_test_must(ph_inventory_find(inventory, serial, &found, &error), &error);
    return found;
}

/* Of the test that runs, by cmocka_unit_test_setup_teardown(). */
static struct ph_test_inventory test;
static struct ph_inventory *inventory;

static inline int set_up(void **state)
{
    (void)state;
    ph_test_inventory_init(&test);
    inventory = test.inventory;
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    ph_test_inventory_fini(&test);
    return 0;
}

#endif
