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
#include "base/buf.h"
#include "certs/authorities.h"
#include "certs/authority_make.h"

static char dir[] = "/tmp/ph-authorities-test-XXXXXX";
static char path[64];
static struct ph_inventory *inventory;

static void add(
    const char *tenant, enum ph_ca_role role, int generation, enum ph_authority_state state)
{
    struct ph_error error = {0};
    struct ph_authority authority = {
        .role = role, .generation = generation, .state = state, .issuer = "root"};
    (void)snprintf(authority.tenant, sizeof authority.tenant, "%s", tenant);
    ph_authority_name_print(authority.name, role, generation, tenant);
    if (ph_authority_put(inventory, &authority, 7, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
}

static int set_up(void **state)
{
    (void)state;
    struct ph_error error = {0};
    (void)strcpy(dir, "/tmp/ph-authorities-test-XXXXXX");
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/ca.db", dir);
    return ph_inventory_open(path, true, &inventory, &error) == PH_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    ph_inventory_close(&inventory);
    (void)unlink(path);
    return rmdir(dir);
}

static void sql(const char *text)
{
    struct ph_error error = {0};
    struct ph_db *db = NULL;
    if (ph_db_open(path, PH_DB_WRITE, 5000, &db, &error) != PH_OK ||
        ph_db_exec(db, text, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    ph_db_close(&db);
}

static void words(void **state)
{
    (void)state;
    enum ph_ca_role role = PH_ROOT;
    char name[PH_AUTHORITY_BYTES];
    char file[PATH_MAX];
    for (enum ph_ca_role i = PH_ROOT; i < PH_CA_ROLE_COUNT; i++) {
        assert_true(ph_ca_role_parse(ph_ca_role_name(i), &role));
        assert_int_equal(role, i);
    }
    assert_false(ph_ca_role_parse("foreign", &role));
    assert_false(ph_ca_role_parse("", &role));
    ph_authority_name_print(name, PH_DEVICES, 1, "");
    assert_string_equal(name, "devices");
    ph_authority_name_print(name, PH_DEVICES, 12, "acme");
    assert_string_equal(name, "devices-12@acme");
    assert_int_equal(ph_authority_path(file, "pki", name, "ca.key", NULL), PH_OK);
    assert_string_equal(file, "pki/devices-12@acme/ca.key");
}

static enum ph_err append_name(
    const struct ph_authority *authority, void *context, struct ph_error *error)
{
    (void)error;
    struct ph_buf *all = context;
    return ph_buf_printf(all, "%s ", authority->name);
}

/* [CA-60] Roles, then tenants, then generations; the row for foreign certificates is no CA. */
static void order(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_buf all;
    ph_buf_init(&all, 256);
    add("", PH_CLAIMS, 1, PH_AUTHORITY_ACTIVE);
    add("", PH_DEVICES, 10, PH_AUTHORITY_ACTIVE);
    add("", PH_DEVICES, 9, PH_AUTHORITY_OLD);
    add("acme", PH_DEVICES, 1, PH_AUTHORITY_ACTIVE);
    add("", PH_ROOT, 1, PH_AUTHORITY_ACTIVE);
    assert_int_equal(ph_authorities_each(inventory, append_name, &all, &error), PH_OK);
    assert_string_equal(all.data, "root devices-9 devices-10 devices@acme claims ");
    ph_buf_fini(&all);
}

/* [CA-63] */
static void active(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_authority found;
    add("", PH_DEVICES, 1, PH_AUTHORITY_OLD);
    add("", PH_DEVICES, 2, PH_AUTHORITY_ACTIVE);
    add("", PH_DEVICES, 3, PH_AUTHORITY_NEXT);
    add("acme", PH_DEVICES, 1, PH_AUTHORITY_ACTIVE);
    add("late", PH_DEVICES, 1, PH_AUTHORITY_NEXT);
    assert_int_equal(ph_authority_active(inventory, PH_DEVICES, "acme", &found, &error), PH_OK);
    assert_string_equal(found.name, "devices@acme");
    assert_int_equal(ph_authority_active(inventory, PH_DEVICES, "late", &found, &error), PH_OK);
    assert_string_equal(found.name, "devices-2");
    assert_int_equal(ph_authority_active(inventory, PH_DEVICES, NULL, &found, &error), PH_OK);
    assert_string_equal(found.name, "devices-2");
    assert_int_equal(
        ph_authority_active(inventory, PH_CLAIMS, NULL, &found, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "claims: no CA issues for it: make one with"));
    ph_error_clear(&error);
    assert_int_equal(ph_authority_find(inventory, "devices-4", &found, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "authority devices-4: not in the inventory"));
    ph_error_clear(&error);
    assert_int_equal(ph_authority_find(inventory, "foreign", &found, &error), PH_ERR_NOT_FOUND);
}

static void version(void **state)
{
    (void)state;
    struct ph_error error = {0};
    int64_t before = 0;
    int64_t after = 0;
    add("", PH_DEVICES, 1, PH_AUTHORITY_ACTIVE);
    assert_int_equal(ph_authorities_version(inventory, &before, &error), PH_OK);
    assert_int_equal(ph_authority_set_state(inventory, "devices", PH_AUTHORITY_OLD, &error), PH_OK);
    assert_int_equal(ph_authorities_version(inventory, &after, &error), PH_OK);
    assert_true(after > before);
}

/* [CA-76] A name becomes a folder's: one that does not follow from the row is refused. */
static void edited(void **state)
{
    (void)state;
    static const char *const edits[] = {
        "UPDATE authority SET name = '../../etc' WHERE name = 'devices'",
        "UPDATE authority SET tenant = 'a/../b' WHERE name = 'devices'",
        "UPDATE authority SET generation = 2 WHERE name = 'devices'",
        "UPDATE authority SET serial = '../x' WHERE name = 'devices'",
    };
    add("", PH_DEVICES, 1, PH_AUTHORITY_ACTIVE);
    struct ph_authority_list list;
    assert_int_equal(ph_authorities_list(inventory, &list, NULL), PH_OK);
    assert_int_equal(list.count, 1);
    ph_authority_list_free(&list);
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        struct ph_error error = {0};
        sql(edits[i]);
        assert_int_equal(ph_authorities_list(inventory, &list, &error), PH_ERR_INPUT);
        assert_non_null(strstr(error.message, "authority"));
        sql("DELETE FROM authority WHERE role = 'devices'");
        add("", PH_DEVICES, 1, PH_AUTHORITY_ACTIVE);
    }
}

static void defaults(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_authority_defaults have;
    const struct ph_authority_defaults put = {
        .word = "acme", .root_days = 10, .authority_days = 9, .root_crl_days = 8, .crl_days = 7};
    assert_int_equal(ph_authority_defaults_get(inventory, &have, &error), PH_OK);
    assert_string_equal(have.word, "phonehome");
    assert_int_equal(have.crl_days, 7);
    assert_int_equal(have.root_days, 7305);
    assert_int_equal(ph_authority_defaults_put(inventory, &put, &error), PH_OK);
    assert_int_equal(ph_authority_defaults_get(inventory, &have, &error), PH_OK);
    assert_string_equal(have.word, "acme");
    assert_int_equal(have.root_days, 10);
    assert_int_equal(have.authority_days, 9);
    assert_int_equal(have.root_crl_days, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test_setup_teardown(order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(active, set_up, tear_down),
        cmocka_unit_test_setup_teardown(version, set_up, tear_down),
        cmocka_unit_test_setup_teardown(edited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(defaults, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("authorities", tests, NULL, NULL);
}
