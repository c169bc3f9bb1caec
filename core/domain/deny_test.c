/* ph.domain.deny: the deny-list's text, and what it says of whom. */
#include "domain/deny.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/limits.h"

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static char folder[] = "/tmp/ph-deny-test-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void assert_message(const struct ph_error *error, const char *part)
{
    if (strstr(error->message, part) == NULL) {
        fail_msg("want \"%s\" in \"%s\"", part, error->message);
    }
}

static struct ph_deny_list *parse(const char *text)
{
    struct ph_deny_list *list = NULL;
    struct ph_error error = {0};
    if (ph_deny_parse("list", text, strlen(text), &list, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    return list;
}

static struct ph_identity identity(const char *anchor, const char *device)
{
    struct ph_identity out = {.tenant = "acme", .kind = "thermostat"};
    (void)snprintf(out.anchor, sizeof out.anchor, "%s", anchor);
    (void)snprintf(out.device, sizeof out.device, "%s", device);
    return out;
}

/* [DENY-1] [DENY-2] [DENY-3] */
static void identities(void **state)
{
    (void)state;
    struct ph_deny_list *list = parse("# stolen\n\n \t\n"
                                      "deny identity acme/thermostat/t-1\n"
                                      "deny identity devices:acme/thermostat/t-2\n"
                                      "\t quarantine\tacme/thermostat/t-3 \r\n");
    const struct ph_identity any = identity("devices", "t-1");
    const struct ph_identity unanchored = identity("", "t-1");
    const struct ph_identity one = identity("devices", "t-2");
    const struct ph_identity other = identity("others", "t-2");
    const struct ph_identity kept = identity("devices", "t-3");
    struct ph_deny_place place = {0};
    assert_int_equal(ph_deny_count(list), 3);
    assert_true(ph_deny_has_identity(list, &any, &place));
    assert_string_equal(place.file, "list");
    assert_int_equal(place.line, 4);
    assert_true(ph_deny_has_identity(list, &unanchored, NULL));
    assert_true(ph_deny_has_identity(list, &one, &place));
    assert_int_equal(place.line, 5);
    assert_false(ph_deny_has_identity(list, &other, NULL));
    assert_false(ph_deny_has_identity(list, &kept, NULL));
    assert_false(ph_deny_has_quarantined(list, &any, NULL));
    assert_true(ph_deny_has_quarantined(list, &kept, &place));
    assert_int_equal(place.line, 6);
    ph_deny_free(&list);
    assert_null(list);
    ph_deny_free(&list);
    ph_deny_free(NULL);
}

/* What is longest still fits, and is compared to its last byte. */
static void longest_identity(void **state)
{
    (void)state;
    struct ph_identity longest = {0};
    memset(longest.anchor, 'a', PH_LIMIT_SEGMENT_BYTES);
    memset(longest.tenant, 'b', PH_LIMIT_SEGMENT_BYTES);
    memset(longest.kind, 'c', PH_LIMIT_SEGMENT_BYTES);
    memset(longest.device, 'd', PH_LIMIT_SEGMENT_BYTES);
    char line[400];
    (void)snprintf(line, sizeof line, "deny identity %s:%s/%s/%s\n", longest.anchor, longest.tenant,
        longest.kind, longest.device);
    struct ph_deny_list *list = parse(line);
    assert_true(ph_deny_has_identity(list, &longest, NULL));
    longest.device[PH_LIMIT_SEGMENT_BYTES - 1] = 'e';
    assert_false(ph_deny_has_identity(list, &longest, NULL));
    ph_deny_free(&list);
}

/* [DENY-4] [DENY-5] */
static void serials(void **state)
{
    (void)state;
    struct ph_deny_list *list =
        parse("deny serial 00:0A:1B:FF  CN=devices,O=acme \t\n"
              "deny serial 0X0beef CN=devices,O=acme\r\n"
              "deny serial 1 CN=Gro\\C3\\9F\\, Hans= x\\ \n"
              "deny serial 2:0A CN=a\\+b\\\\\\,c+UID=7,emailAddress=x@y,1.2.3=#0c\n"
              "deny serial ffffffffffffffffffffffffffffffffffffffff 2.5.4.97=#1303\n");
    struct ph_deny_place place = {0};
    assert_int_equal(ph_deny_count(list), 5);
    assert_true(
        ph_deny_has_serial(list, "20a", "CN=a\\+b\\\\\\,c+UID=7,emailAddress=x@y,1.2.3=#0c", NULL));
    assert_true(ph_deny_has_serial(list, "a1bff", "CN=devices,O=acme", &place));
    assert_int_equal(place.line, 1);
    assert_true(ph_deny_has_serial(list, "beef", "CN=devices,O=acme", &place));
    assert_int_equal(place.line, 2);
    assert_false(ph_deny_has_serial(list, "beef", "CN=devices,O=other", NULL));
    assert_false(ph_deny_has_serial(list, "bee", "CN=devices,O=acme", NULL));
    assert_true(ph_deny_has_serial(list, "1", "CN=Gro\\C3\\9F\\, Hans= x\\ ", NULL));
    assert_true(ph_deny_has_serial(
        list, "ffffffffffffffffffffffffffffffffffffffff", "2.5.4.97=#1303", NULL));
    assert_false(ph_deny_has_serial(list,
        "ffffffffffffffffffffffffffffffffffffffff0000000000000000000000000000", "2.5.4.97=#1303",
        NULL));
    assert_false(ph_deny_has_serial(list, "1", "", NULL));
    char cut[400];
    memset(cut, 'x', sizeof cut - 1);
    cut[sizeof cut - 1] = '\0';
    assert_false(ph_deny_has_serial(list, "1", cut, NULL));
    ph_deny_free(&list);
}

/* An issuer's name is no entry, whatever it looks like. */
static void issuers_are_not_entries(void **state)
{
    (void)state;
    struct ph_deny_list *list = parse("deny serial 1 CN=a\ndeny serial 2 CN=a\n");
    assert_int_equal(ph_deny_count(list), 2);
    const struct ph_identity who = identity("devices", "t-1");
    assert_false(ph_deny_has_identity(list, &who, NULL));
    assert_false(ph_deny_has_key(list, HASH, NULL));
    ph_deny_free(&list);
}

/* [DENY-6] */
static void keys(void **state)
{
    (void)state;
    struct ph_deny_list *list =
        parse("deny key 00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff\n"
              "deny key "
              "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
              "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:00\n");
    struct ph_deny_place place = {0};
    assert_true(ph_deny_has_key(list, HASH, &place));
    assert_int_equal(place.line, 1);
    assert_true(ph_deny_has_key(
        list, "00112233445566778899aabbccddeeff00112233445566778899aabbccddee00", &place));
    assert_int_equal(place.line, 2);
    assert_false(ph_deny_has_key(
        list, "10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", NULL));
    assert_false(ph_deny_has_key(list, "", NULL));
    ph_deny_free(&list);
}

/* [DENY-7] the first of equal entries is the one that is named */
static void duplicates(void **state)
{
    (void)state;
    struct ph_deny_list *list = parse("deny identity acme/thermostat/t-1\n"
                                      "deny identity acme/thermostat/t-1\n"
                                      "deny serial 1 CN=a\n"
                                      "deny serial 0x01 CN=a\n");
    const struct ph_identity who = identity("devices", "t-1");
    struct ph_deny_place place = {0};
    assert_int_equal(ph_deny_count(list), 2);
    assert_true(ph_deny_has_identity(list, &who, &place));
    assert_int_equal(place.line, 1);
    assert_true(ph_deny_has_serial(list, "1", "CN=a", &place));
    assert_int_equal(place.line, 3);
    ph_deny_free(&list);
}

static void no_entries(void **state)
{
    (void)state;
    struct ph_deny_list *list = parse("\xEF\xBB\xBF# nobody \xC3\xA4\r\n");
    const struct ph_identity who = identity("devices", "t-1");
    assert_int_equal(ph_deny_count(list), 0);
    assert_false(ph_deny_has_identity(list, &who, NULL));
    assert_false(ph_deny_has_quarantined(list, &who, NULL));
    assert_false(ph_deny_has_serial(list, "1", "CN=a", NULL));
    assert_false(ph_deny_has_key(list, HASH, NULL));
    ph_deny_free(&list);
}

/* [DENY-8] [DENY-9] */
static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"#\nallow all\n", "list:2: want \"deny\", \"quarantine\" or '#' at the start of a line, "
                           "have \"allow\""},
        {"Deny key x\n", "have \"Deny\""},
        {"deny\n", "list:1: deny: want \"identity\", \"serial\" or \"key\" behind it, have \"\""},
        {"deny device a/b/c\n", "have \"device\""},
        {"deny identity\n", "list:1: identity: want [ANCHOR:]TENANT/KIND/DEVICE"},
        {"deny identity a/b\n", "have \"a/b\""},
        {"deny identity a/b/c/d\n", "have \"a/b/c/d\""},
        {"deny identity a//c\n", "have \"a//c\""},
        {"deny identity a/b/+\n", "have \"a/b/+\""},
        {"deny identity x:y:a/b/c\n", "have \"x:y:a/b/c\""},
        {"deny identity :a/b/c\n", "have \":a/b/c\""},
        {"quarantine a/b/\n", "list:1: identity: want"},
        {"quarantine a/b/t-\xC3\xA4\n", "list:1: identity: want"},
        {"deny identity a/b/c # lost\n",
            "want nothing behind it, have \"# lost\"; a comment needs"},
        {"deny serial\n", "list:1: serial: want a number of 1 to 40 hexadecimal digits"},
        {"deny serial 0x CN=a\n", "have \"0x\""},
        {"deny serial 00 CN=a\n", "and not 0, have \"00\""},
        {"deny serial -1 CN=a\n", "have \"-1\""},
        {"deny serial :1 CN=a\n", "have \":1\""},
        {"deny serial 1: CN=a\n", "have \"1:\""},
        {"deny serial 1::2 CN=a\n", "have \"1::2\""},
        {"deny serial 1:2 CN=a\n", "have \"1:2\""},
        {"deny serial 12:345 CN=a\n", "have \"12:345\""},
        {"deny serial 123:45 CN=a\n", "have \"123:45\""},
        {"deny serial 12g CN=a\n", "have \"12g\""},
        {"deny serial 1ffffffffffffffffffffffffffffffffffffffff CN=a\n", "serial: want a number"},
        {"deny serial 1\n", "serial: issuer: want it behind the number"},
        {"deny serial 1 devices\n", "such as CN=devices,O=acme, have \"devices\" (not ATTRIBUTE"},
        {"deny serial 1 =a\n", "(not ATTRIBUTE=VALUE)"},
        {"deny serial 1 issuer=CN=a\n", "(an attribute's name as OpenSSL does not write it"},
        {"deny serial 1 cn=a\n", "(an attribute's name as OpenSSL does not write it: want CN, O,"},
        {"deny serial 1 CN=a,o=b\n", "(an attribute's name as OpenSSL does not write it"},
        {"deny serial 1 E=a@b,CN=a\n", "(an attribute's name as OpenSSL does not write it"},
        {"deny serial 1 CN=a+EMAILADDRESS=b\n", "(an attribute's name as OpenSSL does not"},
        {"deny serial 1 CN=a,b\n", "(not ATTRIBUTE=VALUE)"},
        {"deny serial 1 CN=a,\n", "(not ATTRIBUTE=VALUE)"},
        {"deny serial 1 CN=\\c3\\a4\n", "(an escape in small letters: want \\C3\\A4)"},
        {"deny serial 1 CN=\\C3\\a4\n", "(an escape in small letters"},
        {"deny serial 1 CN = a\n", "(not ATTRIBUTE=VALUE)"},
        {"deny serial 1 CN= a\n", "(a blank behind ',' or '=')"},
        {"deny serial 1 CN=a, O=b\n", "(a blank behind ',' or '=')"},
        {"deny serial 1 CN=a\\\\, O=b\n", "(a blank behind ',' or '=')"},
        {"deny serial 1 CN=\xC3\xA4\n", "(not ASCII: other letters are printed as \\C3\\A4)"},
        {"deny key\n", "list:1: key: want the SHA-256 of its SubjectPublicKeyInfo, 64 hex"},
        {"deny key 0011\n", "have \"0011\""},
        {"deny key " HASH "0\n", "list:1: key: want the SHA-256"},
        {"deny key " HASH " stolen\n", "key: want nothing behind it, have \"stolen\""},
        {"# \x01\n", "list:1: a control character, or bytes that are not UTF-8"},
        {"#\n# \xFF\n", "list:2: a control character, or bytes that are not UTF-8"},
        {"# \xE2\x80\xAE\n", "list:1: a control character"},
        {"deny identity a/b/c\rdeny\n", "list:1: a control character"},
        {"", "list:1: no bytes, as if the file were still being written"},
        {"# a\ndeny identity a/b/c", "list:2: the last line has no newline"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_deny_list *list = NULL;
        struct ph_error error = {0};
        enum ph_err err =
            ph_deny_parse("list", cases[i].text, strlen(cases[i].text), &list, &error);
        assert_message(&error, cases[i].message);
        assert_int_equal(err, PH_ERR_CONFIG);
        assert_null(list);
        assert_int_equal(ph_deny_parse("list", cases[i].text, strlen(cases[i].text), &list, NULL),
            PH_ERR_CONFIG);
    }
}

/* [DENY-8] a NUL does not end the text */
static void nul_is_refused(void **state)
{
    (void)state;
    static const char text[] = "deny identity a/b/c\0\n";
    struct ph_deny_list *list = NULL;
    struct ph_error error = {0};
    assert_int_equal(ph_deny_parse("list", text, sizeof text - 1, &list, &error), PH_ERR_CONFIG);
    assert_message(&error, "list:1: a control character");
}

/* [DENY-5] what is printed cut cannot be told from another name with the same beginning */
static void long_issuers(void **state)
{
    (void)state;
    char text[400];
    char issuer[PH_LIMIT_CLIENT_ID_BYTES + 2] = "CN=";
    memset(issuer + 3, 'x', 252);
    (void)snprintf(text, sizeof text, "deny serial 1 %s\n", issuer);
    struct ph_deny_list *list = parse(text);
    assert_true(ph_deny_has_serial(list, "1", issuer, NULL));
    ph_deny_free(&list);
    issuer[255] = 'x';
    (void)snprintf(text, sizeof text, "deny serial 1 %s\n", issuer);
    struct ph_error error = {0};
    assert_int_equal(ph_deny_parse("list", text, strlen(text), &list, &error), PH_ERR_CONFIG);
    assert_message(&error, "(longer than 255 bytes, where it is cut)");
}

/* ---- files ---- */

static char *in_folder(const char *name)
{
    static char paths[4][128];
    static size_t next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void write_file(const char *path, const char *text)
{
    struct ph_error error = {0};
    if (ph_file_replace(path, 0644, text, strlen(text), &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
}

/* [DENY-1] several files are one list */
static void loads_files(void **state)
{
    (void)state;
    char *files[] = {in_folder("a"), in_folder("b")};
    struct ph_deny_list *list = NULL;
    struct ph_deny_place place = {0};
    struct ph_error error = {0};
    const struct ph_identity second = identity("devices", "t-2");
    write_file(files[0], "deny identity acme/thermostat/t-1\n");
    write_file(files[1], "#\ndeny identity acme/thermostat/t-2\n");
    assert_int_equal(ph_deny_load(files, 2, &list, &error), PH_OK);
    assert_int_equal(ph_deny_count(list), 2);
    assert_true(ph_deny_has_identity(list, &second, &place));
    assert_string_equal(place.file, files[1]);
    assert_int_equal(place.line, 2);
    ph_deny_free(&list);

    write_file(files[1], "deny identity acme/thermostat");
    assert_int_equal(ph_deny_load(files, 2, &list, &error), PH_ERR_CONFIG);
    assert_message(&error, "/b:1: the last line has no newline");
    assert_null(list);
    ph_error_clear(&error);

    write_file(files[1], "");
    assert_int_equal(ph_deny_load(files, 2, &list, &error), PH_ERR_CONFIG);
    assert_message(&error, "/b:1: no bytes");
    ph_error_clear(&error);

    assert_int_equal(unlink(files[1]), 0);
    assert_int_equal(ph_deny_load(files, 2, &list, &error), PH_ERR_NOT_FOUND);
    assert_message(&error, "/b: open: No such file");
    ph_error_clear(&error);

    assert_int_equal(mkdir(files[1], 0755), 0);
    assert_int_equal(ph_deny_load(files, 2, &list, &error), PH_ERR_INPUT);
    assert_message(&error, "/b: not a regular file");
    assert_int_equal(rmdir(files[1]), 0);
    assert_int_equal(unlink(files[0]), 0);

    assert_int_equal(ph_deny_load(NULL, 0, &list, NULL), PH_OK);
    assert_int_equal(ph_deny_count(list), 0);
    ph_deny_free(&list);
}

/* [DENY-10] */
static void limits(void **state)
{
    (void)state;
    struct ph_deny_list *list = NULL;
    struct ph_error error = {0};
    char *path = in_folder("large");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i <= PH_LIMIT_DENY_ENTRIES; i++) {
        fprintf(file, "quarantine a/b/%d\n", i);
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(ph_deny_load(&path, 1, &list, &error), PH_ERR_LIMIT);
    assert_message(&error, "/large:1000001: more than 1000000 entries in all lists");
    ph_error_clear(&error);

    assert_int_equal(truncate(path, PH_LIMIT_DENY_BYTES + 1L), 0);
    assert_int_equal(ph_deny_load(&path, 1, &list, &error), PH_ERR_LIMIT);
    assert_message(&error, "/large: larger than the 67108864 bytes allowed");
    ph_error_clear(&error);
    assert_int_equal(unlink(path), 0);

    char *many[PH_LIMIT_POLICY_LISTS + 1] = {0};
    assert_int_equal(ph_deny_load(many, PH_LIMIT_POLICY_LISTS + 1, &list, &error), PH_ERR_LIMIT);
    assert_message(&error, "deny-list: want at most 16 files, have 17");
    assert_null(list);
}

/* All kinds mixed: every one is found, with its line, and nothing beside them. */
static void hundred_thousand(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    char *path = in_folder("many");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (unsigned i = 0; i < COUNT; i++) {
        switch (i % 4) {
        case 0:
            fprintf(file, "deny identity acme/thermostat/t-%u\n", i);
            break;
        case 1:
            fprintf(file, "deny serial %08X%032x CN=devices,O=acme\n", i, i);
            break;
        case 2:
            fprintf(file, "deny key %064x\n", i);
            break;
        default:
            fprintf(file, "quarantine devices:acme/thermostat/t-%u\n", i);
            break;
        }
    }
    assert_int_equal(fclose(file), 0);
    struct ph_deny_list *list = NULL;
    struct ph_error error = {0};
    assert_int_equal(ph_deny_load(&path, 1, &list, &error), PH_OK);
    assert_int_equal(ph_deny_count(list), COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        char text[80];
        struct ph_deny_place place = {0};
        (void)snprintf(text, sizeof text, "t-%u", i);
        const struct ph_identity who = identity("devices", text);
        assert_int_equal(ph_deny_has_identity(list, &who, &place), i % 4 == 0);
        assert_int_equal(ph_deny_has_quarantined(list, &who, &place), i % 4 == 3);
        (void)snprintf(text, sizeof text, "%x%032x", i, i);
        assert_int_equal(ph_deny_has_serial(list, text, "CN=devices,O=acme", &place), i % 4 == 1);
        (void)snprintf(text, sizeof text, "%064x", i);
        assert_int_equal(ph_deny_has_key(list, text, &place), i % 4 == 2);
        assert_int_equal(place.line, i + 1);
    }
    ph_deny_free(&list);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identities),
        cmocka_unit_test(longest_identity),
        cmocka_unit_test(serials),
        cmocka_unit_test(issuers_are_not_entries),
        cmocka_unit_test(keys),
        cmocka_unit_test(duplicates),
        cmocka_unit_test(no_entries),
        cmocka_unit_test(refused),
        cmocka_unit_test(nul_is_refused),
        cmocka_unit_test(long_issuers),
        cmocka_unit_test(loads_files),
        cmocka_unit_test(limits),
        cmocka_unit_test(hundred_thousand),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
