#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "certs/acts.h"
#include "certs/batch.h"
#include "certs/ca.h"
#include "certs/claims.h"
#include "x509/request.h"

static char dir[] = "/tmp/ph-issue-test-XXXXXX";
static char authority[64];

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct ph_ca *make_ca(int64_t made_ms)
{
    struct ph_error error = {0};
    struct ph_ca *ca = NULL;
    static int made;
    const struct ph_ca_plan plan = {.name = "test",
        .now_ms = made_ms,
        .root_days = 100,
        .authority_days = 100,
        .root_crl_days = 7,
        .crl_days = 7};
    (void)snprintf(authority, sizeof authority, "%s/pki%d", dir, ++made);
    if (ph_ca_create(authority, &plan, &error) != PH_OK ||
        ph_ca_open(authority, &ca, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    return ca;
}

static struct ph_ca_order order_for(enum ph_ca_role role, const char *out)
{
    int64_t now_ms = ph_clock_unix_ms();
    return (struct ph_ca_order){.role = role,
        .tenant = "acme",
        .kind = "thermostat",
        .out = out,
        .actor = {"tester", "because"},
        .now_ms = now_ms,
        .not_before_ms = now_ms - PH_CA_BACKDATE_MS,
        .not_after_ms = now_ms + PH_DAY_MS};
}

static const char *inside(const char *name)
{
    static char paths[32][128];
    static unsigned next;
    char *path = paths[next++ % 32];
    (void)snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static void must(enum ph_err err, const struct ph_error *error)
{
    if (err != PH_OK) {
        fail_msg("%s", error->message);
    }
}

/* ---- what is in the inventory ---- */

static enum ph_err count_one(
    const struct ph_inventory_entry *entry, void *context, struct ph_error *error)
{
    (void)error;
    *(int *)context += strcmp(entry->type, "authority") != 0 ? 1 : 0;
    return PH_OK;
}

static int count_certificates(struct ph_ca *ca)
{
    struct ph_error error = {0};
    int count = 0;
    must(ph_inventory_each(ph_ca_inventory(ca), NULL, count_one, &count, &error), &error);
    return count;
}

struct acts {
    int count;
    char text[4096]; /* "act what why detail;" of each */
};

static enum ph_err note_act(const struct ph_act *act, void *context, struct ph_error *error)
{
    (void)error;
    struct acts *acts = context;
    if (strcmp(act->who, "tester") == 0) {
        size_t len = strlen(acts->text);
        acts->count++;
        (void)snprintf(acts->text + len, sizeof acts->text - len, "%s %s %s %s;", act->act,
            act->what, act->why, act->detail);
    }
    return PH_OK;
}

static struct acts acts_of(struct ph_ca *ca)
{
    struct ph_error error = {0};
    struct acts acts = {0};
    must(ph_act_each(ph_ca_inventory(ca), 1, note_act, &acts, &error), &error);
    return acts;
}

/* CA-23: a CRL past its nextUpdate, of the CA or of the root: nothing is issued, and the message
 * names the remedy, which works. */
static void expired_crl_names_its_remedy(void **state)
{
    (void)state;
    struct ph_error error = {0};
    int64_t now_ms = ph_clock_unix_ms();
    struct ph_ca *ca = make_ca(now_ms - 30 * PH_DAY_MS);
    const char *out = inside("t-1");
    struct ph_ca_order order = order_for(PH_DEVICES, out);
    order.names = (const char *const[]){"t-1"};
    order.name_count = 1;
    assert_int_equal(ph_ca_issue(ca, &order, &error), PH_ERR_DENIED);
    assert_non_null(strstr(error.message, ": the CRL of devices or of the root has expired"));
    assert_non_null(strstr(error.message, "run ph-ca crl --ca /tmp/ph-issue-test-"));
    assert_false(ph_path_exists(out));
    ph_error_clear(&error);
    must(ph_ca_publish(ca, NULL, now_ms, &error), &error);
    must(ph_ca_issue(ca, &order, &error), &error);
    assert_true(ph_path_exists(out));
    ph_ca_close(&ca);
}

/* [CA-81]: who, why and what, in one record for each of a few, and one for all of many. */
static void acts_are_recorded(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_ca *ca = make_ca(ph_clock_unix_ms());
    struct ph_ca_order order = order_for(PH_DEVICES, inside("few"));
    struct ph_inventory_entry entry;
    struct ph_identity identity = {.tenant = "acme", .kind = "thermostat", .device = "a-1"};
    const char *many[11];
    static char names[11][8];
    order.names = (const char *const[]){"a-1", "a-2"};
    order.name_count = 2;
    order.folder_per_name = true;
    must(ph_ca_issue(ca, &order, &error), &error);
    struct acts acts = acts_of(ca);
    assert_int_equal(acts.count, 2);
    assert_non_null(strstr(acts.text, "issue acme/thermostat/a-1 because {\"serial\":\""));
    assert_non_null(strstr(acts.text, "issue acme/thermostat/a-2 because {\"serial\":\""));
    must(ph_inventory_find_newest(ph_ca_inventory(ca), &identity, &entry, &error), &error);
    assert_string_equal(entry.origin, "issued");
    assert_string_equal(entry.approved_by, "tester");
    assert_string_equal(entry.why, "because");
    assert_string_equal(entry.lineage, entry.serial);
    assert_string_equal(entry.predecessor, "");
    for (int i = 0; i < 11; i++) {
        (void)snprintf(names[i], sizeof names[i], "b-%d", i);
        many[i] = names[i];
    }
    order.names = many;
    order.name_count = 11;
    must(ph_ca_issue(ca, &order, &error), &error);
    acts = acts_of(ca);
    assert_int_equal(acts.count, 3);
    assert_non_null(strstr(acts.text, "issue devices because {\"count\":11,\"first\":\""));
    ph_ca_close(&ca);
}

/* [CA-82]: a claim's certificate and its entry, or neither. */
static void claims_are_made(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_ca *ca = make_ca(ph_clock_unix_ms());
    struct ph_ca_order order = order_for(PH_CLAIMS, inside("claim"));
    struct ph_claim claim = {0};
    order.kind = NULL;
    order.names = (const char *const[]){"lot-7"};
    order.name_count = 1;
    order.claim.kind = "service";
    order.claim.limit = 50;
    assert_int_equal(ph_ca_issue(ca, &order, &error), PH_ERR_USAGE);
    assert_non_null(strstr(error.message, "--kind: \"service\" is the kind of services"));
    ph_error_clear(&error);
    order.claim.kind = "thermostat";
    must(ph_ca_issue(ca, &order, &error), &error);
    must(ph_claim_find(ph_ca_inventory(ca), "acme", "lot-7", &claim, &error), &error);
    assert_string_equal(claim.kind, "thermostat");
    assert_true(claim.limit == 50 && claim.used == 0);
    assert_true(claim.expires_ms == order.not_after_ms / 1000 * 1000);
    order.out = inside("claim2");
    assert_int_equal(ph_ca_issue(ca, &order, &error), PH_ERR_EXISTS);
    assert_false(ph_path_exists(order.out));
    assert_int_equal(count_certificates(ca), 1);
    ph_ca_close(&ca);
}

/* ---- lists ---- */

static void write_list(const char *text)
{
    struct ph_error error = {0};
    must(ph_file_replace(inside("list"), 0600, text, strlen(text), &error), &error);
}

static enum ph_err issue_list(
    struct ph_ca *ca, const struct ph_ca_order *order, struct ph_error *error)
{
    struct ph_batch batch;
    enum ph_err err = ph_batch_load(inside("list"), NULL, NULL, &batch, error);
    if (err == PH_OK) {
        err = ph_ca_issue_batch(ca, order, &batch, error);
        ph_batch_fini(&batch);
    }
    return err;
}

static void write_request(const char *name, const struct ph_key *key)
{
    struct ph_error error = {0};
    struct ph_identity asks = {.tenant = "umbrella", .kind = "service", .device = "ingest"};
    struct ph_buf pem;
    ph_buf_init(&pem, 16384);
    must(ph_request_make(key, &asks, &pem, &error), &error);
    must(ph_file_replace(inside(name), 0600, pem.data, pem.len, &error), &error);
    ph_buf_fini(&pem);
}

/* [CA-84]: the key of a request and nothing else of it; not somebody else's key. */
static void requests(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_ca *ca = make_ca(ph_clock_unix_ms());
    struct ph_ca_order order = order_for(PH_DEVICES, inside("asked"));
    struct ph_key *key = NULL;
    struct ph_certificate *certificate = NULL;
    struct ph_certificate_facts facts;
    struct ph_identity have = {0};
    char hash[PH_FINGERPRINT_BYTES];
    must(ph_key_new(&key, &error), &error);
    must(ph_key_hash(key, hash, &error), &error);
    write_request("request", key);
    write_list("acme,thermostat,r-1,request\n");
    must(issue_list(ca, &order, &error), &error);
    assert_false(ph_path_exists(inside("asked/acme/thermostat/r-1/key.pem")));
    assert_true(ph_path_exists(inside("asked/acme/thermostat/r-1/ca.pem")));
    must(ph_certificate_load(inside("asked/acme/thermostat/r-1/cert.pem"), &certificate, &error),
        &error);
    must(ph_certificate_facts(certificate, &facts, &error), &error);
    must(ph_certificate_identity(certificate, &have, &error), &error);
    assert_string_equal(facts.key_hash, hash);
    assert_string_equal(have.tenant, "acme");
    assert_string_equal(have.device, "r-1");
    write_list("acme,thermostat,r-2,request\n");
    assert_int_equal(issue_list(ca, &order, &error), PH_ERR_DENIED);
    assert_non_null(strstr(error.message, "acme/thermostat/r-2: its request is for the key of "
                                          "acme/thermostat/r-1: make a key for each device"));
    assert_false(ph_path_exists(inside("asked/acme/thermostat/r-2")));
    ph_error_clear(&error);
    write_list("acme,thermostat,r-3,list\n");
    assert_int_equal(issue_list(ca, &order, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "/list: "));
    assert_int_equal(count_certificates(ca), 1);
    ph_certificate_free(&certificate);
    ph_key_free(&key);
    ph_ca_close(&ca);
}

/* [CA-20], [CA-81]: a list that fails in its second transaction leaves neither file nor row, and
 * the log says so. */
static void all_or_none(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_ca *ca = make_ca(ph_clock_unix_ms());
    struct ph_ca_order order = order_for(PH_DEVICES, inside("half"));
    struct ph_buf text;
    ph_buf_init(&text, 65536);
    for (int i = 0; i < 600; i++) {
        assert_int_equal(ph_buf_printf(&text, "acme,thermostat,h-%d\n", i), PH_OK);
    }
    assert_int_equal(ph_buf_append_text(&text, "acme,thermostat,h-last,no-such-request\n"), PH_OK);
    write_list(text.data);
    assert_int_equal(issue_list(ca, &order, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "/no-such-request: open"));
    assert_false(ph_path_exists(inside("half")));
    assert_int_equal(count_certificates(ca), 0);
    struct acts acts = acts_of(ca);
    assert_int_equal(acts.count, 2);
    assert_non_null(strstr(acts.text, "issue devices because {\"count\":500,"));
    assert_non_null(strstr(acts.text, "withdraw devices because {\"count\":500}"));
    ph_buf_truncate(&text, text.len - strlen("acme,thermostat,h-last,no-such-request\n"));
    write_list(text.data);
    ph_error_clear(&error);
    must(issue_list(ca, &order, &error), &error);
    assert_int_equal(count_certificates(ca), 600);
    assert_true(ph_path_exists(inside("half/acme/thermostat/h-599/cert.pem")));
    ph_buf_fini(&text);
    ph_ca_close(&ca);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expired_crl_names_its_remedy),
        cmocka_unit_test(acts_are_recorded),
        cmocka_unit_test(claims_are_made),
        cmocka_unit_test(requests),
        cmocka_unit_test(all_or_none),
    };
    return cmocka_run_group_tests_name("issue", tests, set_up, tear_down);
}
